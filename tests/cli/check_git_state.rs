//! Which files a check reads when variables name the repository, or Git keeps its state in an uncommon way.

use crate::support::check::{World, id, secret};

fn leak() -> String {
    format!("aws_secret_access_key={}\n", secret())
}

/// A check with variables, and what it printed.
fn check(world: &World, folder: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let run = world.keytide_in(folder, &[&["check"], arguments].concat(), variables);
    (run.code, run.stdout + &run.stderr)
}

#[test]
fn the_index_that_a_hook_is_given_is_relative_to_the_root() {
    let world = World::with(&[("server/leak.env", &leak())]);
    let (code, text) = check(&world, "server", &[], &[("GIT_INDEX_FILE", ".git/index")]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("server/leak.env:1"), "{text}");
    let (code, text) = check(&world, "server", &["--staged"], &[("GIT_INDEX_FILE", ".git/index")]);
    assert_eq!(code, 1, "{text}");
}

#[test]
fn an_index_that_is_not_there_is_no_pass() {
    let world = World::with(&[("leak.env", &leak())]);
    let (code, text) = check(&world, ".", &[], &[("GIT_INDEX_FILE", "nowhere")]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("GIT_INDEX_FILE") && text.contains("leak.env:1"), "{text}");
    world.commit("one");
    std::fs::remove_file(world.root.join(".git/index")).unwrap();
    let (code, text) = check(&world, ".", &[], &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("commits and no index"), "{text}");
}

#[test]
fn the_variables_that_name_a_repository_are_followed() {
    let world = World::with(&[("home/leak.env", &leak())]);
    std::fs::rename(world.root.join(".git"), world.root.join("dotfiles")).unwrap();
    std::fs::create_dir_all(world.root.join("home/deep")).unwrap();
    let variables = [("GIT_DIR", "../../dotfiles"), ("GIT_WORK_TREE", "../..")];
    for arguments in [&[][..], &["--staged"]] {
        let (code, text) = check(&world, "home/deep", arguments, &variables);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("home/leak.env:1"), "{text}");
    }
    // Without a variable for the working tree it is the working folder.
    let (code, text) = check(&world, ".", &[], &[("GIT_DIR", "dotfiles")]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = check(&world, ".", &[], &[("GIT_DIR", "nowhere")]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("is not a repository"), "{text}");
}

#[test]
fn a_folder_that_is_no_repository_does_not_hide_the_one_around_it() {
    let world = World::with(&[("leak.env", &leak()), ("sub/a.txt", "x\n")]);
    std::fs::create_dir_all(world.root.join("sub/.git")).unwrap();
    let (code, text) = check(&world, "sub", &[], &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("leak.env:1"), "{text}");
}

#[test]
fn a_split_index_is_read_as_a_whole_one() {
    let inner = World::with(&[("a.txt", "x\n")]);
    inner.commit("one");
    let world = World::with(&[("a.txt", "x\n")]);
    world.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "sub"]);
    #[cfg(unix)]
    {
        let outside = inner.root.join("leak.env");
        std::fs::write(&outside, leak()).unwrap();
        std::os::unix::fs::symlink(&outside, world.root.join("link")).unwrap();
    }
    world.git(&["add", "-A"]);
    let whole = check(&world, ".", &[], &[]);
    world.git(&["update-index", "--split-index"]);
    assert_eq!(check(&world, ".", &[], &[]), whole);
    assert!(whole.0 == 0 && whole.1.contains("1 submodule(s)"), "{}", whole.1);
    // Without the Git program no one knows which files are tracked.
    let run = world.check_in(".", &[], "/nonexistent");
    assert_eq!(run.code, 3, "{}", run.stdout);
}

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n    destinations:\n      - sops: { file: deploy/s.yaml, access_key_id: id, secret_access_key: secret }\n";

#[test]
fn what_a_sparse_checkout_leaves_out_is_reported_and_not_missing() {
    let sealed = "ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]";
    let metadata =
        "kms:\n        - enc: YQ==\n    lastmodified: \"2026-01-01T00:00:00Z\"\n    version: 3.11.0";
    let file = format!("id: {sealed}\nsecret: {sealed}\nsops:\n    {metadata}\n    mac: {sealed}\n");
    let world = World::with(&[
        (".github/keytide.yml", POLICY),
        ("deploy/s.yaml", &file),
        ("app/leak.env", &leak()),
        ("kept/a.txt", "x\n"),
    ]);
    world.commit("one");
    for arguments in [&["--cone", "kept"][..], &["--cone", "--sparse-index", "kept"]] {
        world.git(&[&["sparse-checkout", "set"], arguments].concat());
        let (code, text) = check(&world, ".", &[], &[]);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        assert!(text.contains("not checked out (sparse checkout)"), "{text}");
        // The policy file itself is left out as well, and counts.
        assert!(!text.contains("there is no policy file") && !text.contains("missing-destination"), "{text}");
        let (code, text) = check(&world, ".", &["kept"], &[]);
        assert!(code == 0 && !text.contains("sparse checkout"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_sparse_checkout_without_any_file_is_no_pass() {
    let world = World::with(&[("app/leak.env", &leak())]);
    world.commit("one");
    world.git(&["sparse-checkout", "set", "--cone", "nowhere"]);
    let (code, text) = check(&world, ".", &[], &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("none of the tracked files is in the working tree"), "{text}");
}

#[test]
fn tracked_files_that_are_gone_are_reported() {
    let world = World::with(&[("a.txt", "x\n"), ("folder/b.txt", "x\n"), ("kept.txt", "x\n")]);
    std::fs::remove_file(world.root.join("a.txt")).unwrap();
    std::fs::remove_dir_all(world.root.join("folder")).unwrap();
    let (code, text) = check(&world, ".", &[], &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("2 tracked file(s) are not in the working tree"), "{text}");
    std::fs::remove_file(world.root.join("kept.txt")).unwrap();
    let (code, text) = check(&world, ".", &[], &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("none of the tracked files"), "{text}");
}

#[test]
fn a_hook_of_a_linked_working_tree_reads_it_from_every_folder() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    world.git(&["worktree", "add", "-q", "linked"]);
    world.write("linked/sub/leak.env", leak().as_bytes());
    world.git(&["-C", "linked", "add", "-A"]);
    let git = world.git(&["-C", "linked", "rev-parse", "--absolute-git-dir"]);
    for arguments in [&[][..], &["--staged"]] {
        let (code, text) = check(&world, "linked/sub", arguments, &[("GIT_DIR", git.trim())]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("sub/leak.env:1"), "{text}");
    }
}

#[test]
fn a_repository_without_files_is_no_pass() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    world.git(&["clone", "-q", "--bare", ".", "bare.git"]);
    let ceiling = world.root.to_str().unwrap();
    let (code, text) = check(&world, "bare.git", &[], &[("GIT_CEILING_DIRECTORIES", ceiling)]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("repository without files"), "{text}");
}

#[test]
fn a_conflict_in_the_index_is_no_pass() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    let blob = world.git(&["rev-parse", "HEAD:a.txt"]);
    let line = format!("100644 {} 2\ta.txt\n", blob.trim());
    world.git(&["rm", "-q", "--cached", "a.txt"]);
    world.write("stages", line.as_bytes());
    let mut command = std::process::Command::new("git");
    command.current_dir(&world.root).args(["update-index", "--index-info"]);
    command.stdin(std::fs::File::open(world.root.join("stages")).unwrap());
    assert!(command.status().unwrap().success());
    let (code, text) = check(&world, ".", &["--staged"], &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("merge conflict"), "{text}");
}

#[test]
fn a_missing_object_is_not_fetched_and_no_pass() {
    let source = World::with(&[("a.txt", "1\n")]);
    source.commit("one");
    for text in ["2\n", "3\n"] {
        source.write("a.txt", text.as_bytes());
        source.commit("more");
    }
    source.git(&["config", "uploadpack.allowFilter", "true"]);
    source.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let world = World::repository();
    let url = format!("file://{}", source.root.display());
    world.git(&["clone", "-q", "--filter=blob:none", &url, "part"]);
    let missing = || world.git(&["-C", "part", "rev-list", "--objects", "--all", "--missing=print"]);
    let before = missing();
    assert_eq!(before.lines().filter(|line| line.starts_with('?')).count(), 2, "{before}");
    let (code, text) = check(&world, "part", &["--history"], &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("does not have the object"), "{text}");
    assert_eq!(missing(), before);
}

#[test]
fn a_repository_of_another_user_is_no_pass_and_says_why() {
    let world = World::with(&[("leak.env", &leak())]);
    let other = [("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")];
    for arguments in [&["--staged"][..], &["--history"]] {
        let (code, text) = check(&world, ".", arguments, &other);
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("dubious ownership") && text.contains("safe.directory"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_hides_no_leak_in_the_history() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::repository();
    let name = std::ffi::OsStr::from_bytes(b"leak\xff.env");
    if std::fs::write(world.root.join(name), leak()).is_err() {
        return; // A file system of Unicode names only.
    }
    world.commit("one");
    std::fs::remove_file(world.root.join(name)).unwrap();
    world.write("a.txt", b"x\n");
    world.commit("two");
    let (code, text) = check(&world, ".", &["--history"], &[]);
    assert_eq!(code, 1, "{text}");
}

#[test]
fn a_blob_that_only_a_tag_names_is_part_of_the_history() {
    let world = World::with(&[("a.txt", "x\n")]);
    world.commit("one");
    world.write("leak.env", leak().as_bytes());
    let blob = world.git(&["hash-object", "-w", "leak.env"]);
    world.git(&["tag", "kept", blob.trim()]);
    assert_eq!(check(&world, ".", &["--history"], &[]).0, 1);
}

#[test]
fn the_policy_file_of_the_root_counts_in_every_folder() {
    let policy = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n";
    let world = World::with(&[(".github/keytide.yml", policy), ("sub/a.txt", &id())]);
    for arguments in
        [&["check"][..], &["iam-policy", "--for", "audit"], &["audit", "--credential-report", "x"]]
    {
        let run = world.keytide_in("sub", arguments, &[]);
        let text = run.stdout + &run.stderr;
        assert!(!text.contains("no policy file"), "{arguments:?}: {text}");
    }
    // A file that is named is relative to the working folder.
    world.write("sub/own.yml", policy.as_bytes());
    let run = world.keytide_in("sub", &["iam-policy", "--for", "audit", "--policy", "own.yml"], &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// A repository whose first commit holds a key that the second takes away.
fn former_leak() -> World {
    let world = World::with(&[("leak.env", &leak()), ("a.txt", "x\n")]);
    world.commit("one");
    world.write("leak.env", b"gone\n");
    world.commit("two");
    world
}

/// Writes a commit graph in which no commit has parents.
fn forge_commit_graph(world: &World) {
    world.git(&["commit-graph", "write", "--reachable"]);
    let path = world.root.join(".git/objects/info/commit-graph");
    let mut graph = std::fs::read(&path).unwrap();
    let number = |at: usize, graph: &[u8]| u32::from_be_bytes(graph[at..at + 4].try_into().unwrap()) as usize;
    // The table of chunks: a name, and the place in 8 bytes.
    let chunk = (0..usize::from(graph[6])).map(|chunk| 8 + 12 * chunk);
    let data = chunk.clone().find(|at| &graph[*at..at + 4] == b"CDAT").unwrap();
    let (start, end) = (number(data + 8, &graph), number(data + 20, &graph));
    for commit in (start..end).step_by(36) {
        graph[commit + 20..commit + 24].copy_from_slice(&0x7000_0000_u32.to_be_bytes());
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, graph).unwrap();
}

/// A way to hide a commit: its name, and what does it.
type Hiding = (&'static str, fn(&World));

/// Git has several ways to show less of the history than the commits hold: none is followed.
#[test]
fn nothing_in_the_folder_of_git_hides_the_history() {
    let hiding: [Hiding; 3] = [
        ("grafts", |world| {
            world.write(".git/info/grafts", world.git(&["rev-parse", "HEAD"]).as_bytes());
        }),
        ("commit graph", forge_commit_graph),
        ("replace", |world| {
            let tree = world.git(&["rev-parse", "HEAD^{tree}"]);
            let other = world.git(&["commit-tree", "-m", "x", tree.trim()]);
            world.git(&["replace", "HEAD~1", other.trim()]);
        }),
    ];
    for (what, hide) in hiding {
        let world = former_leak();
        let leaked = world.git(&["rev-parse", "HEAD~1:leak.env"]);
        hide(&world);
        // Git itself is misled, so that the check below can fail.
        let listed = world.git(&["rev-list", "--objects", "--all"]);
        assert!(!listed.contains(leaked.trim()), "{what}: {listed}");
        let (code, text) = check(&world, ".", &["--history"], &[]);
        assert_eq!(code, 1, "{what}: {text}");
        assert!(text.contains("leak.env:1") && text.contains("in the history"), "{what}: {text}");
    }
}

/// The file `commondir` names the folder from which Git takes the history: only a linked working tree has it.
#[test]
fn a_common_folder_of_another_repository_is_no_pass() {
    let world = former_leak();
    world.git(&["worktree", "add", "-q", "linked"]);
    let (code, text) = check(&world, "linked", &["--history"], &[]);
    assert_eq!(code, 1, "{text}");
    world.git(&["init", "-q", "empty"]);
    for named in ["../empty/.git", "nowhere", ".."] {
        world.write(".git/commondir", named.as_bytes());
        let (code, text) = check(&world, ".", &["--history"], &[]);
        assert_eq!(code, 3, "{named}: {text}");
        assert!(text.contains("commondir"), "{named}: {text}");
    }
}

/// What Git's own files say about paths, attributes and objects changes nothing that is searched.
#[test]
fn nothing_in_the_folder_of_git_hides_a_file() {
    let other = "\n[core]\n\tsparseCheckout = true\n\tattributesFile = all\n[index]\n\tsparse = true\n";
    for (path, text) in [
        ("info/attributes", "* binary -diff working-tree-encoding=UTF-16 filter=x ident export-ignore\n"),
        ("info/exclude", "*\n"),
        ("info/sparse-checkout", "/other/\n"),
        ("objects/info/alternates", "/nowhere\n"),
        ("config", other),
    ] {
        let world = World::with(&[("leak.env", &leak()), ("a.txt", "x\n")]);
        let file = world.root.join(".git").join(path);
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        world.write(&format!(".git/{path}"), format!("{before}{text}").as_bytes());
        for arguments in [&[][..], &["--staged"]] {
            let (code, found) = check(&world, ".", arguments, &[]);
            assert!([1, 3].contains(&code) && found.contains("leak.env"), "{path} {arguments:?}: {found}");
        }
        world.git(&["commit", "-q", "-m", "one"]);
        let (code, found) = check(&world, ".", &["--history"], &[]);
        assert!([1, 3].contains(&code) && found.contains("leak.env"), "{path}: {found}");
    }
}
