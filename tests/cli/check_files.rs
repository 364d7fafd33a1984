//! Which files a check reads: the same with and without git, and never one outside.

use crate::support::check::{World, id, secret};

/// A value that is found wherever it stands.
fn line() -> String {
    format!("x: {}\n", id())
}

/// The files in which an ID is found.
fn files(world: &World, arguments: &[&str], path: &str) -> Vec<String> {
    let run = world.check_in(".", &[arguments, &["--format", "json"]].concat(), path);
    let json = run.json();
    let file = |finding: &serde_json::Value| finding["location"]["file"].as_str().unwrap().to_owned();
    json["findings"].as_array().unwrap().iter().map(file).collect()
}

fn with_and_without_git(world: &World) -> Vec<String> {
    let with = files(world, &[], &std::env::var("PATH").unwrap());
    assert_eq!(with, files(world, &[], "/nonexistent"), "with git, and without");
    with
}

#[test]
fn what_git_tracks_is_read_with_and_without_the_git_program() {
    let world = World::with(&[
        ("a.txt", &line()),
        ("deep/er/b.txt", &line()),
        ("with space é.txt", &line()),
        ("seen.log", &line()),
    ]);
    world.commit("one");
    world.write(".gitignore", b"*.log\nbuild/\n");
    world.write("unseen.log", line().as_bytes());
    world.write("build/c.txt", line().as_bytes());
    world.write("untracked.txt", line().as_bytes());
    assert_eq!(with_and_without_git(&world), ["a.txt", "deep/er/b.txt", "seen.log", "with space é.txt"]);
    for version in ["2", "3", "4"] {
        world.git(&["update-index", "--index-version", version]);
        assert_eq!(with_and_without_git(&world).len(), 4, "index version {version}");
    }
}

#[test]
fn every_tracked_file_is_read_as_git_lists_them() {
    let world = World::repository();
    for number in 0..300 {
        world.write(&format!("folder{}/file{number}.txt", number % 7), b"x\n");
    }
    world.git(&["add", "-A"]);
    world.git(&["rm", "-q", "--cached", "folder1/file1.txt"]);
    let listed = world.git(&["ls-files"]).lines().count() as u64;
    assert_eq!((listed, world.files_read(&[])), (299, 299));
}

#[test]
fn a_worktree_a_split_index_and_a_sha_256_repository_are_read() {
    let world = World::with(&[("a.txt", &line())]);
    world.commit("one");
    world.git(&["worktree", "add", "-q", "inner"]);
    let run = world.check_in("inner", &["--format", "json"], "/nonexistent");
    assert_eq!(run.json()["findings"].as_array().unwrap().len(), 1, "{}", run.stdout);
    world.git(&["update-index", "--split-index"]);
    assert_eq!(with_and_without_git(&world), ["a.txt"]);

    let world = World::folder();
    std::fs::remove_file(world.root.join(".git")).unwrap();
    world.git(&["init", "-q", "--object-format=sha256"]);
    world.write("a.txt", line().as_bytes());
    world.git(&["add", "-A"]);
    assert_eq!(with_and_without_git(&world), ["a.txt"]);
}

#[test]
fn a_folder_that_is_no_repository_is_walked() {
    let world = World::folder();
    world.write("a.txt", line().as_bytes());
    world.write(".hidden/b.txt", line().as_bytes());
    world.write(".gitignore", b"c.txt\n");
    world.write("c.txt", line().as_bytes());
    world.write("other/.git/config", line().as_bytes());
    world.write("other/d.txt", line().as_bytes());
    assert_eq!(with_and_without_git(&world), [".hidden/b.txt", "a.txt"]);
}

#[test]
fn a_submodule_is_another_repository() {
    let inner = World::with(&[("secret.txt", &line())]);
    inner.commit("one");
    let world = World::with(&[("a.txt", &line())]);
    world.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "sub"]);
    assert_eq!(with_and_without_git(&world), ["a.txt"]);
    assert!(world.check(&[]).stdout.contains("1 submodule(s) were not checked"));
}

#[cfg(unix)]
#[test]
fn a_link_is_never_followed_outside() {
    let outside = World::folder();
    outside.write("leak.txt", line().as_bytes());
    let world = World::with(&[("a.txt", "x\n"), ("folder/leak.txt", &line())]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, world.root.join(name)).unwrap();
    link(outside.root.join("leak.txt").to_str().unwrap(), "out.txt");
    link("folder/leak.txt", "in.txt");
    world.git(&["add", "-A"]);
    assert_eq!(with_and_without_git(&world), ["folder/leak.txt"]);
    assert_eq!(files(&world, &["out.txt"], "/nonexistent"), Vec::<String>::new());
    assert_eq!(files(&world, &["in.txt"], "/nonexistent"), ["in.txt"]);
    // A folder that has become a link since it was added.
    std::fs::remove_dir_all(world.root.join("folder")).unwrap();
    link(outside.root.to_str().unwrap(), "folder");
    assert_eq!(with_and_without_git(&world), Vec::<String>::new());
}

#[test]
fn given_paths_are_read_as_they_lie_there() {
    let world = World::with(&[("a.txt", &line()), ("sub/b.txt", &line()), ("c.txt", &line())]);
    world.write("sub/untracked.txt", line().as_bytes());
    assert_eq!(files(&world, &["a.txt", "sub", "a.txt"], "/nonexistent"), ["a.txt", "sub/b.txt"]);
    assert_eq!(files(&world, &["sub/untracked.txt"], "/nonexistent"), ["sub/untracked.txt"]);
    let run = world.check_in("sub", &["--format", "json", "../c.txt"], "/nonexistent");
    assert_eq!(run.json()["findings"][0]["location"]["file"], "c.txt");
    let run = world.check(&["a.txt", "missing.txt"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("reading missing.txt failed") && run.stdout.contains("a.txt"));
}

/// A check of a folder says what it did not read in it, and nothing of other folders.
#[cfg(unix)]
#[test]
fn a_named_folder_counts_what_was_not_read_in_it() {
    let inner = World::with(&[("inner.txt", "x\n")]);
    inner.commit("one");
    let names = ["a/b/x.yml", "a/c.yml", "d/e.yml", "d/gone.yml", "f/g.yml"];
    let world = World::with(&names.map(|name| (name, "x\n")));
    world.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "f/sub"]);
    std::fs::remove_dir_all(world.root.join("a/b")).unwrap();
    std::os::unix::fs::symlink(&inner.root, world.root.join("a/b")).unwrap();
    std::fs::remove_file(world.root.join("d/gone.yml")).unwrap();
    for (folders, absent, submodules) in [
        (&[][..], 2, 1),
        (&["."], 2, 1),
        (&["a"], 1, 0),
        (&["d"], 1, 0),
        (&["d", "a", "d", "a/"], 2, 0),
        (&["f"], 0, 1),
        (&["f/g.yml"], 0, 0),
        // It is read itself
        (&["f/sub"], 0, 0),
    ] {
        let run = world.check(folders);
        assert_eq!(run.code, 0, "{folders:?}: {}", run.stdout);
        for (count, words) in [
            (absent, "tracked file(s) are not in the working tree"),
            (submodules, "submodule(s) were not checked"),
        ] {
            let is_said = run.stdout.contains(&format!("{count} {words}"));
            assert_eq!(run.stdout.contains(words), count > 0, "{folders:?}: {}", run.stdout);
            assert_eq!(is_said, count > 0, "{folders:?}: {}", run.stdout);
        }
    }
    // Of a list that cannot be read no one knows what it has in the folder
    world.write(".git/index", b"x");
    let run = world.check(&["d"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("checked all files that no .gitignore ignores"), "{}", run.stdout);
}

#[test]
fn staged_reads_the_index_and_not_the_working_tree() {
    let world = World::with(&[("old.txt", &line())]);
    world.commit("one");
    world.write("new.txt", line().as_bytes());
    world.git(&["add", "-A"]);
    world.write("new.txt", b"clean again\n");
    world.write("other.txt", line().as_bytes());
    assert_eq!(world.found(&["--staged"]), ["exposed-key-id new.txt:1:4"]);
    assert_eq!(world.found(&["--staged", "other.txt"]), Vec::<String>::new());
    let run = world.check_in(".", &["--staged"], "/nonexistent");
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("Git is not installed"), "{}", run.stderr);
}

#[test]
fn staged_works_before_the_first_commit() {
    let world = World::with(&[("new.txt", &line())]);
    assert_eq!(world.found(&["--staged"]), ["exposed-key-id new.txt:1:4"]);
}

/// The commands that take a file out of the next commit name it, and work before the first commit and after it.
#[test]
fn the_help_of_a_plaintext_key_names_the_file() {
    let json = format!("{{\"id\": \"{}\",\n \"secret_access_key\": \"{}\"}}\n", id(), secret());
    let world =
        World::with(&[("deploy/a b.env", &format!("{}\n{}\n", id(), secret())), ("keys.json", &json)]);
    let text = world.check(&["--staged"]).stdout;
    let names = "'deploy/a b.env' keys.json";
    let commands = format!(
        "take it out (`git restore --staged {names}`, before the first commit `git rm --cached {names}`; then edit)"
    );
    assert!(text.contains(&commands), "{text}");
    world.git(&["rm", "--cached", "-q", "deploy/a b.env", "keys.json"]);
    assert_eq!(world.found(&["--staged"]), Vec::<String>::new());
    world.write("other.txt", b"x\n");
    world.git(&["add", "other.txt"]);
    world.git(&["commit", "-q", "-m", "one"]);
    world.git(&["add", "-A"]);
    let text = world.check(&["--staged"]).stdout;
    assert!(text.contains(&commands), "{text}");
    assert!(text.contains("add `keytide: allow plaintext-key -- REASON` in a comment on the line"), "{text}");
    for rule in ["plaintext-key", "exposed-key-id"] {
        let exemption = format!(
            "name the file under `exemptions` of the policy file, because JSON has no comments: `rule: {rule}`, `user: \"*\"`"
        );
        assert!(text.contains(&exemption), "{text}");
    }
}

#[test]
fn history_finds_what_was_taken_away() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    world.write("keys.txt", format!("{}\n{}\n", id(), secret()).as_bytes());
    world.commit("two");
    world.write("keys.txt", b"gone\n");
    world.write("now.txt", line().as_bytes());
    world.commit("three");
    world.write("now.txt", format!("more\n{}", line()).as_bytes());
    world.commit("four");
    let commit = world.git(&["rev-parse", "HEAD~2"]);
    assert_eq!(world.found(&[]), ["exposed-key-id now.txt:2:4"]);
    assert_eq!(
        world.found(&["--history"]),
        ["plaintext-key keys.txt:2:1", "exposed-key-id keys.txt:1:1", "exposed-key-id now.txt:2:4"]
    );
    let run = world.check(&["--history"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains(&format!("in the history (commit {})", &commit[..12])), "{}", run.stdout);
    assert!(!run.stdout.contains("Before a commit"), "{}", run.stdout);
    for (rule, what) in
        [("plaintext-key", "replace the key and deactivate it"), ("exposed-key-id", "replace the key; else")]
    {
        let exemption = format!("add an exemption of `{rule}` with `user: \"*\"` to the policy file.");
        assert!(run.stdout.contains(what) && run.stdout.contains(&exemption), "{}", run.stdout);
    }
    // A branch that no one is on counts as well.
    world.git(&["checkout", "-q", "--orphan", "fresh"]);
    world.git(&["rm", "-q", "-rf", "."]);
    assert!(world.found(&["--history"]).contains(&"plaintext-key keys.txt:2:1".to_owned()));
}

#[test]
fn history_of_a_shallow_clone_is_no_pass() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    world.write("a.txt", b"y\n");
    world.commit("two");
    let url = format!("file://{}", world.root.display());
    world.git(&["clone", "-q", "--depth", "1", &url, "shallow"]);
    let run = world.check_in("shallow", &["--history"], &std::env::var("PATH").unwrap());
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("shallow clone"), "{}", run.stdout);
}

#[test]
fn an_empty_repository_has_no_history_and_passes() {
    let world = World::repository();
    assert_eq!(
        (world.check(&[]).code, world.check(&["--history"]).code, world.check(&["--staged"]).code),
        (0, 0, 0)
    );
}

#[test]
fn a_huge_file_is_read_to_its_end() {
    let world = World::repository();
    let filler = "0123456789abcdef ".repeat(60) + "\n";
    let mut text = filler.repeat(20 * 1024 * 1024 / filler.len());
    let lines = text.lines().count();
    text.push_str(&format!("{} {}\n", id(), secret()));
    world.write("huge.txt", text.as_bytes());
    world.git(&["add", "-A"]);
    let line = lines + 1;
    assert_eq!(
        world.found(&[]),
        [format!("plaintext-key huge.txt:{line}:22"), format!("exposed-key-id huge.txt:{line}:1")]
    );
}

#[test]
fn utf_16_is_text_too() {
    let world = World::repository();
    let text = format!("$Env:AWS_SECRET_ACCESS_KEY=\"{}\"\r\n", secret());
    let bytes: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    world.write("env.ps1", &bytes);
    world.git(&["add", "-A"]);
    assert_eq!(world.found(&[]), ["plaintext-key env.ps1:1:29"]);
}

/// PowerShell appends UTF-16 to a file of another encoding, and other programs append ASCII to one of UTF-16.
#[test]
fn a_file_whose_encoding_changes_in_the_middle_is_read_to_its_end() {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let leak = format!("AWS_SECRET_ACCESS_KEY={}\r\n", secret());
    let world = World::repository();
    world.write("appended.txt", &[b"first line\r\n".as_slice(), &wide(&leak)].concat());
    world.write("marked.txt", &[b"\xff\xfe".as_slice(), &wide("first line\r\n"), leak.as_bytes()].concat());
    let long = "a line that is long enough\r\n".repeat(400_000);
    world.write("large.txt", &[long.as_bytes(), &wide(&leak)].concat());
    world.write("wide.txt", &wide(&(long + &leak)));
    world.write(
        "mail.eml",
        format!("X: y\n\nAWS_SECRET_ACCESS_KEY=3D{}=\n{}\n", &secret()[..9], &secret()[9..]).as_bytes(),
    );
    world.git(&["add", "-A"]);
    assert_eq!(
        world.found(&[]),
        [
            "plaintext-key appended.txt:2:23",
            "plaintext-key large.txt:400001:23",
            "plaintext-key mail.eml:3:25",
            "plaintext-key marked.txt:2:23",
            "plaintext-key wide.txt:400001:23",
        ]
    );
}

/// Terraform's files are parsed as a whole, so one that is too large for that says so.
#[test]
fn a_terraform_file_that_is_too_large_is_said() {
    let key = "resource \"aws_iam_access_key\" \"k\" {\n  user = \"ci\"\n}\n";
    let world = World::with(&[("m.tf", &format!("{key}{}", "# x\n".repeat(2_200_000)))]);
    world.commit("one");
    assert_eq!(with_and_without_git(&world), ["m.tf"]);
}
