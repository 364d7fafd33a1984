//! Repositories that were made to mislead or to stop keytide.

use crate::support::check::{World, secret};

fn leak() -> String {
    format!("aws_secret_access_key={}\n", secret())
}

#[test]
fn the_name_of_a_file_is_never_an_option() {
    let world = World::with(&[
        ("leak.env", &leak()),
        ("--fail-on=never", ""),
        ("--report=json=app/config.yml", ""),
        ("-q", ""),
        ("app/config.yml", "real: config\n"),
    ]);
    for name in ["--fail-on=never", "--report=json=app/config.yml", "-q"] {
        let run = world.keytide_in(".", &["check", name, "leak.env"], &[]);
        assert_eq!(run.code, 2, "{name}: {}", run.stdout);
        assert!(run.stderr.contains(name) && run.stderr.contains("write `--` before"), "{}", run.stderr);
    }
    let run = world.keytide_in(".", &["check", "--", "--fail-on=never", "-q", "leak.env"], &[]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(world.root.join("app/config.yml")).unwrap(), "real: config\n");
    // What could be no option is a file, wherever it stands
    for name in ["-note.md", "--notes"] {
        world.write(name, b"nothing\n");
        let run = world.keytide_in(".", &["check", name, "--format", "json", "app/config.yml"], &[]);
        assert_eq!(run.code, 0, "{name}: {} {}", run.stdout, run.stderr);
        world.write(name, leak().as_bytes());
        let run = world.keytide_in(".", &["check", name, "--format", "json", "app/config.yml"], &[]);
        assert_eq!(run.code, 1, "{name}: {} {}", run.stdout, run.stderr);
        assert!(run.stdout.contains(&format!("\"file\": \"{name}\"")), "{}", run.stdout);
    }
    // An option that is no file stays one.
    assert_eq!(world.keytide_in(".", &["check", "--fail-on", "never", "leak.env"], &[]).code, 0);
}

/// Creates a FIFO, to which nothing ever writes.
#[cfg(unix)]
fn fifo(world: &World, path: &str) {
    let path = world.root.join(path);
    let _ = std::fs::remove_file(&path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn nothing_waits_for_a_fifo() {
    let world = World::with(&[(".env", "x\n"), ("leak.env", &leak())]);
    fifo(&world, ".env");
    let run = world.keytide_in(".", &["check"], &[]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("1 tracked file(s) are not in the working tree"), "{}", run.stdout);
    let run = world.keytide_in(".", &["check", ".env"], &[]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("it is not a regular file"), "{}", run.stdout);

    fifo(&world, ".github/keytide.yml");
    let commands = [&["iam-policy", "--for", "audit"][..], &["audit", "--credential-report", "x"], &["plan"]];
    for arguments in commands {
        let run = world.keytide_in(".", arguments, &[]);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains("it is not a regular file"), "{arguments:?}: {}", run.stderr);
    }
    std::fs::remove_file(world.root.join(".github/keytide.yml")).unwrap();

    fifo(&world, ".git/index");
    let run = world.keytide_in(".", &["check"], &[]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("leak.env:1"), "the files are read nevertheless: {}", run.stdout);

    let folder = World::folder();
    folder.write("leak.env", leak().as_bytes());
    fifo(&folder, "sub/.gitignore");
    let run = folder.keytide_in(".", &["check"], &[]);
    assert!(run.stdout.contains("leak.env:1") && run.stdout.contains("sub/.gitignore"), "{}", run.stdout);
    let run = folder.keytide_in(".", &["check", "--report", "json=sub/.gitignore"], &[]);
    assert!(
        run.stderr.contains("the report sub/.gitignore cannot be written: it is not a regular file"),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn a_fifo_deep_in_the_folder_of_git_is_a_fault() {
    for place in
        [".git/objects/00/11", ".git/packed-refs", ".git/info/exclude", ".git/HEAD", ".git/refs/heads/x/y"]
    {
        let world = World::with(&[("leak.env", &leak())]);
        world.commit("one");
        fifo(&world, place);
        for arguments in [&["check", "--staged"][..], &["check", "--history"]] {
            let run = world.keytide_in(".", arguments, &[]);
            assert_eq!(run.code, 3, "{place} {arguments:?}: {}{}", run.stdout, run.stderr);
            let text = run.stdout + &run.stderr;
            assert!(text.contains(place.trim_start_matches(".git/")), "{place} {arguments:?}: {text}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_git_that_prints_without_end_is_a_fault() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    let git = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("git"))
        .find(|git| git.exists())
        .unwrap();
    // The first file that is asked of `cat-file` is the policy file, and without it the command is refused.
    for (command, exit) in [("rev-parse", 3), ("cat-file", 2)] {
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *{command}*) exec tr '\\0' x </dev/zero;; esac\nexec {} \"$@\"\n",
            git.display()
        );
        world.write("bin/git", script.as_bytes());
        let mut mode = std::fs::metadata(world.root.join("bin/git")).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(world.root.join("bin/git"), mode).unwrap();
        let path = format!("{}:{}", world.root.join("bin").display(), std::env::var("PATH").unwrap());
        let run = world.keytide_in(".", &["check", "--staged"], &[("PATH", &path)]);
        assert_eq!(run.code, exit, "{command}: {}{}", run.stdout, run.stderr);
        assert!((run.stdout + &run.stderr).contains(command), "{command}");
    }
}

#[cfg(unix)]
#[test]
fn no_command_reads_through_a_link_out_of_the_repository() {
    let outside = World::folder();
    outside.write("private.yml", b"version: 1\nprivate_word: 1\n");
    let world = World::with(&[("a.txt", "x\n")]);
    std::fs::create_dir(world.root.join(".github")).unwrap();
    let link = world.root.join(".github/keytide.yml");
    std::os::unix::fs::symlink(outside.root.join("private.yml"), &link).unwrap();
    let named = ["--policy", ".github/keytide.yml"];
    let commands = [&["iam-policy", "--for", "audit"][..], &["audit"], &["plan"], &["check"]];
    for arguments in commands {
        for more in [&[][..], &named] {
            let run = world.keytide_in(".", &[arguments, more].concat(), &[]);
            let text = run.stdout + &run.stderr;
            assert_eq!(run.code, 2, "{arguments:?}: {text}");
            assert!(text.contains("link to a file outside"), "{arguments:?}: {text}");
            assert!(!text.contains("private_word"), "{arguments:?}: {text}");
        }
    }
    // A file elsewhere that the user names is read.
    let path = outside.root.join("private.yml");
    let run =
        world.keytide_in(".", &["iam-policy", "--for", "audit", "--policy", path.to_str().unwrap()], &[]);
    assert!(run.stderr.contains("private_word"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_file_that_has_become_a_link_is_not_followed() {
    let outside = World::folder();
    outside.write("leak.env", leak().as_bytes());
    let world = World::with(&[("a.txt", "x\n"), ("b.txt", "x\n")]);
    std::fs::remove_file(world.root.join("a.txt")).unwrap();
    std::os::unix::fs::symlink(outside.root.join("leak.env"), world.root.join("a.txt")).unwrap();
    let run = world.keytide_in(".", &["check"], &[]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("1 tracked file(s) are not in the working tree"), "{}", run.stdout);
}

/// A link or a submodule that is a file now is read as one: what Git's index says of it is of the past.
#[cfg(unix)]
#[test]
fn a_file_in_place_of_something_else_is_read() {
    let world = World::with(&[("a.txt", "x\n")]);
    std::os::unix::fs::symlink("a.txt", world.root.join("link")).unwrap();
    world.git(&["add", "-A"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},module", "1".repeat(40))]);
    for name in ["link", "module"] {
        let _ = std::fs::remove_file(world.root.join(name));
        world.write(name, leak().as_bytes());
        let run = world.keytide_in(".", &["check"], &[]);
        assert_eq!(run.code, 1, "{name}: {}", run.stdout);
        std::fs::remove_file(world.root.join(name)).unwrap();
    }
}

#[test]
fn two_reports_have_two_files() {
    let world = World::with(&[("a.txt", "x\n")]);
    let run = world.keytide_in(".", &["check", "--report", "json=r", "--report", "html=r"], &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(
        run.stderr.contains("the report r cannot be written: another report has this file"),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link_of_the_repository() {
    let outside = World::folder();
    outside.write("kept", b"kept\n");
    let world = World::with(&[("a.txt", "x\n")]);
    let link =
        |to: &std::path::Path, name: &str| std::os::unix::fs::symlink(to, world.root.join(name)).unwrap();
    link(&outside.root.join("kept"), "report.json");
    link(&outside.root.join("new"), "new.json");
    link(&outside.root, "reports");
    link(&outside.root, ".github");
    let absolute = world.root.join("report.json").display().to_string();
    for path in ["report.json", "new.json", "reports/kept", "reports/../report.json", &absolute] {
        let run = world.keytide_in(".", &["check", "--report", &format!("json={path}")], &[]);
        assert_eq!(run.code, 2, "{path}: {}", run.stdout);
        assert!(run.stderr.contains("it is a link"), "{path}: {}", run.stderr);
    }
    let run = world.keytide_in(".", &["init", "--offline"], &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("it is a link"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(outside.root.join("kept")).unwrap(), "kept\n");
    let mut names: Vec<_> =
        outside.root.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".git", "kept"]);
    // What is no link is written, and written over.
    for _ in 0..2 {
        let run = world.keytide_in(
            ".",
            &["check", "--report", "json=own.json", "--report", "json=/dev/stderr"],
            &[],
        );
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert!(run.stderr.starts_with('{') && world.root.join("own.json").exists());
    }
}

#[cfg(unix)]
#[test]
fn the_configuration_of_a_repository_runs_no_program() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    world.write("leak.env", leak().as_bytes());
    world.commit("two");
    let ran = world.root.join("ran");
    let script = world.root.join("script.sh");
    world.write("script.sh", format!("#!/bin/sh\necho \"$0 $*\" >> {}\nexit 1\n", ran.display()).as_bytes());
    let mut mode = std::fs::metadata(&script).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let program = script.to_str().unwrap();
    for (name, value) in [
        ("log.showSignature", "true"),
        ("gpg.program", program),
        ("core.fsmonitor", program),
        ("core.pager", program),
        ("core.sshCommand", program),
        ("diff.external", program),
        ("core.hooksPath", world.root.to_str().unwrap()),
        ("remote.origin.url", &format!("ext::{program} %S")),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialclonefilter", "blob:none"),
        ("protocol.ext.allow", "always"),
        ("extensions.partialClone", "origin"),
        ("core.repositoryFormatVersion", "1"),
    ] {
        world.git(&["config", name, value]);
    }
    // A commit with a signature, and a blob that is missing.
    let tree = world.git(&["rev-parse", "HEAD^{tree}"]);
    let commit = format!(
        "tree {}\nparent {}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\nsigned\n",
        tree.trim(),
        world.git(&["rev-parse", "HEAD"]).trim()
    );
    world.write("commit", commit.as_bytes());
    let id = world.git(&["hash-object", "-w", "-t", "commit", "commit"]);
    world.git(&["update-ref", "refs/heads/main", id.trim()]);
    let blob = world.git(&["rev-parse", "HEAD:a.txt"]);
    let (folder, file) = blob.trim().split_at(2);
    std::fs::remove_file(world.root.join(format!(".git/objects/{folder}/{file}"))).unwrap();
    let _ = std::fs::remove_file(&ran);
    for arguments in [&["check"][..], &["check", "--history"], &["check", "--staged"]] {
        world.keytide_in(".", arguments, &[]);
    }
    assert!(!ran.exists(), "{}", std::fs::read_to_string(&ran).unwrap());
    let run = world.keytide_in(".", &["check", "--history"], &[]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("leak.env:1"), "{}", run.stdout);
}

#[test]
fn an_index_cannot_name_a_file_outside() {
    let world = World::with(&[("sub/aaaaaaaaaaaaa", "x\n"), ("leak.env", &leak())]);
    std::fs::rename(world.root.join("leak.env"), world.root.join("sub/leak.env")).unwrap();
    let inner = World::with(&[("aa/leak.env", "x\n")]);
    let index = inner.root.join(".git/index");
    let mut bytes = std::fs::read(&index).unwrap();
    let at = bytes.windows(11).position(|part| part == b"aa/leak.env").unwrap();
    bytes[at..at + 2].copy_from_slice(b"..");
    std::fs::write(&index, bytes).unwrap();
    std::fs::write(inner.root.parent().unwrap().join("leak.env"), leak()).unwrap();
    let run = inner.keytide_in(".", &["check"], &[]);
    let _ = std::fs::remove_file(inner.root.parent().unwrap().join("leak.env"));
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(
        !run.stdout.contains("plaintext-key") && run.stdout.contains("outside the repository"),
        "{}",
        run.stdout
    );
}

/// An index of this many entries is listed by several threads, and each finds some of what is wrong.
#[test]
fn a_long_index_is_listed_as_a_whole() {
    let world = World::with(&[("z.env", &leak())]);
    let mut bytes = [b"DIRC\0\0\0\x04".as_slice(), &3001_u32.to_be_bytes()].concat();
    let mut dropped = 0;
    let folders = (0..3000).map(|number| (number, if number % 10 == 0 { ".." } else { "ab" }));
    let names = folders.map(|(number, folder)| format!("d{number:04}/{folder}/x"));
    for name in names.chain(["z.env".to_owned()]) {
        bytes.extend([0; 24]);
        bytes.extend(0o100_644_u32.to_be_bytes());
        bytes.extend([0; 12 + 20 + 2]);
        // All of the path before is dropped.
        bytes.push(dropped);
        bytes.extend(name.as_bytes());
        bytes.push(0);
        dropped = u8::try_from(name.len()).unwrap();
    }
    bytes.extend([0; 20]);
    std::fs::write(world.root.join(".git/index"), bytes).unwrap();
    let run = world.keytide_in(".", &["check", "--format", "json"], &[]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let report = run.json();
    let errors = report["faults"].as_array().unwrap();
    assert_eq!(errors.len(), 101, "{errors:?}");
    assert!(errors[100]["message"].as_str().unwrap().contains("200 more files outside"), "{errors:?}");
    assert!(run.stdout.contains("2700 tracked file(s)"), "{}", run.stdout);
    assert!(run.stdout.contains("z.env"), "{}", run.stdout);
}

#[test]
fn the_errors_of_a_policy_file_are_limited() {
    let policy = format!("version: 1\nusers: [{}{{name: ci}}]\n", "{x: 1}, ".repeat(20_000));
    let world = World::with(&[(".github/keytide.yml", &policy)]);
    let run = world.keytide_in(".", &["check", "--format", "json"], &[]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(run.json()["findings"].as_array().unwrap().len(), 101);
    assert!(run.stdout.contains("more errors from here on are not shown"));
}

#[test]
fn a_key_that_was_used_in_the_future_is_no_pass() {
    let world = World::with(&[(
        ".github/keytide.yml",
        "version: 1\naccount: \"123456789012\"\nlimits: { max_unused: 45d }\nusers:\n  - name: ci\n",
    )]);
    let head = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date\n";
    for (created, used, code) in [
        ("2026-10-01T00:00:00Z", "2026-11-20T00:00:00Z", 0),
        ("2026-10-01T00:00:00Z", "2999-01-01T00:00:00Z", 3),
        ("2026-10-01T00:00:00Z", "9999-12-30T21:59:59Z", 3),
        ("9999-12-30T21:59:59Z", "N/A", 3),
    ] {
        let row = format!("ci,arn:aws:iam::123456789012:user/ci,false,true,{created},{used},false,N/A,N/A\n");
        world.write("report.csv", (head.to_owned() + &row).as_bytes());
        let arguments = ["audit", "--credential-report", "report.csv", "--now", "2026-11-21T12:00:00Z"];
        let run = world.keytide_in(".", &arguments, &[]);
        assert_eq!(run.code, code, "{created} {used}: {}{}", run.stdout, run.stderr);
    }
    // The last times that can be named.
    for now in ["9999-12-30T21:59:59Z", "-009999-01-02T01:59:59Z"] {
        let run = world.keytide_in(
            ".",
            &["audit", "--credential-report", "report.csv", &format!("--now={now}")],
            &[],
        );
        assert_eq!(run.code, 2, "{now}: {}", run.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_starter_policy_holds_no_control_characters() {
    let world = World::repository();
    let key = crate::support::check::id();
    for name in ["a\u{9b}31m.txt", "b\u{1b}[31m.txt", "c\u{202e}.txt", "d\u{e0041}.txt"] {
        world.write(name, format!("{key}\n").as_bytes());
    }
    world.git(&["add", "-A"]);
    let run = world.keytide_in(".", &["init", "--offline", "--stdout"], &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("\\u009b31m.txt"), "{}", run.stdout);
    assert!(!run.stdout.chars().any(|c| c != '\n' && keytide::sanitize::is_harmful(c)), "{:?}", run.stdout);
    let run = world.keytide_in(".", &["init", "--offline", "--policy", "x\u{1b}[31m.yml"], &[]);
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
}

#[cfg(unix)]
#[test]
fn the_repository_never_names_the_credentials_of_aws() {
    let world = World::with(&[(
        ".github/keytide.yml",
        "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n",
    )]);
    let ran = world.root.join("ran");
    let profile = format!("[default]\ncredential_process = touch {}\n", ran.display());
    for folder in [".aws", "~/.aws", "sub/.aws"] {
        world.write(&format!("{folder}/config"), profile.as_bytes());
    }
    for home in ["", "sub", "."] {
        let run = world.keytide_in(".", &["audit"], &[("HOME", home), ("AWS_EC2_METADATA_DISABLED", "true")]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("set HOME to an absolute path"), "{}", run.stderr);
    }
    assert!(!ran.exists());
}

/// Neither is a stack filled: a name may be followed by as many attributes as a file of 1 MiB has room for.
#[test]
fn a_long_chain_in_terraform_fills_no_stack() {
    for link in [".b", "[0]", "[*]", ".0"] {
        let chain = link.repeat(300_000 / link.len());
        let text = format!("resource \"aws_iam_access_key\" \"x\" {{\n  user = a{chain}\n}}\n");
        let world = World::with(&[("main.tf", &text)]);
        let run = world.check(&[]);
        assert!(run.code == 0 || run.code == 1, "{link}: {} {}", run.code, run.stderr);
    }
}

/// Folders that name one another are a small repository for which Git takes all the memory there is.
#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_git_has_a_limit() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    let limits = world.root.with_extension("limits");
    let path = std::env::var("PATH").unwrap();
    // keytide sets the limit when the process runs already
    let script = format!(
        "#!/bin/sh\nfor _ in 1 2 3 4 5 6 7 8 9; do [ \"$(ulimit -d)\" = unlimited ] && sleep 0.5; done\nulimit -d >> {}\nPATH={path} exec git \"$@\"\n",
        limits.display()
    );
    world.write("bin/git", script.as_bytes());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.root.join("bin/git"), mode).unwrap();
    let path = format!("{}:{path}", world.root.join("bin").display());
    let run = world.keytide_in(".", &["check", "--history"], &[("PATH", &path)]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let seen = std::fs::read_to_string(&limits).unwrap();
    std::fs::remove_file(&limits).unwrap();
    assert!(!seen.is_empty() && seen.lines().all(|kib| kib == "2097152"), "{seen}");
}
