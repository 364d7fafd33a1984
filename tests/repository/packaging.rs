//! What a release publishes agrees with Cargo.toml: version, address, hooks, and the action for an image.

use std::process::Command;

use crate::support::{matches_file, root};

/// The files that name this repository's address or its version.
const NAMING: [&str; 6] = [
    ".github/ISSUE_TEMPLATE/config.yml",
    ".pre-commit-hooks.yaml",
    "README.md",
    "docs/book.toml",
    "packaging/python/pyproject.toml",
    "pyproject.toml",
];

/// Those files and the pages of the book.
fn naming() -> Vec<String> {
    NAMING.iter().map(|&name| name.to_owned()).chain(crate::documents::pages()).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn cargo_value(name: &str) -> String {
    let text = read("Cargo.toml");
    let prefix = format!("{name} = \"");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).expect(name);
    line.trim_end_matches('"').to_owned()
}

/// Replaces what follows a marker: the longest run of `of` that `is_meant` accepts with its continuation.
fn replace_after(
    text: &str,
    marker: &str,
    of: impl Fn(char) -> bool,
    replacement: impl Fn(&str, &str) -> Option<String>,
) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(marker) {
        let (before, after) = rest.split_at(at + marker.len());
        let (found, continuation) = after.split_at(after.find(|c| !of(c)).unwrap_or(after.len()));
        replaced += before;
        replaced += &replacement(found, continuation).unwrap_or_else(|| found.to_owned());
        rest = continuation;
    }
    replaced + rest
}

#[test]
fn one_address_is_named_everywhere() {
    let repository = cargo_value("repository");
    assert_eq!(cargo_value("homepage"), repository);
    let owner = repository.strip_prefix("https://github.com/").unwrap().strip_suffix("/keytide").unwrap();
    for name in naming() {
        let mut text = read(&name);
        for marker in ["github.com/", "githubusercontent.com/", "uses: ", "--repo ", "ghcr.io/"] {
            // A registry takes no capitals.
            let owner = if marker == "ghcr.io/" { owner.to_lowercase() } else { owner.to_owned() };
            text = replace_after(
                &text,
                marker,
                |c| c.is_ascii_alphanumeric() || c == '-',
                |_, continuation| continuation.starts_with("/keytide").then(|| owner.clone()),
            );
        }
        matches_file(&root().join(&name), &text);
    }
}

#[test]
fn one_version_is_named_everywhere() {
    let version = cargo_value("version");
    let major = version.split('.').next().unwrap();
    for name in naming() {
        let mut text = read(&name);
        for marker in ["/keytide@v", ".yml@v", "rev: v", "/keytide:", "\"keytide==", "\nversion = \""] {
            text = replace_after(
                &text,
                marker,
                |c| c.is_ascii_digit() || c == '.',
                |found, _| Some(if found.contains('.') { &version } else { major }.to_owned()),
            );
        }
        matches_file(&root().join(&name), &text);
    }
    assert!(
        read("pyproject.toml").contains(&format!("\"keytide=={version}\"")),
        "the hook requires the wheel"
    );
}

/// A file of a commit is never an option, in whatever way the hook is installed.
#[test]
fn every_hook_checks_files_and_nothing_else() {
    let hooks: serde_yaml::Value = serde_yaml::from_str(&read(".pre-commit-hooks.yaml")).unwrap();
    let hooks = hooks.as_sequence().unwrap();
    let of = |name: &str| hooks.iter().map(|hook| hook[name].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("id"), ["keytide", "keytide-system", "keytide-docker", "keytide-src"]);
    assert_eq!(of("language"), ["python", "system", "docker_image", "rust"]);
    for hook in hooks {
        assert!(hook["entry"].as_str().unwrap().ends_with(" check"), "{hook:?}");
        assert_eq!(hook["args"].as_sequence().unwrap(), &["--"], "{hook:?}");
        assert_eq!(hook["require_serial"], true, "{hook:?}");
    }
}

fn package(words: &[&str]) -> std::process::Output {
    let script = root().join("scripts/package");
    Command::new("python3").arg(script).args(words).output().expect("python3 runs")
}

#[test]
fn a_release_changes_one_line_of_the_action() {
    let image = format!("ghcr.io/acme/keytide@sha256:{}", "0a".repeat(32));
    let output = package(&["action", &image]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = read("action.yml");
    assert_eq!(
        read("target/package/action.yml"),
        ours.replace("  image: Dockerfile\n", &format!("  image: docker://{image}\n"))
    );
    assert_ne!(read("target/package/action.yml"), ours);
}

/// What is no digest could be moved to another image later.
#[test]
fn an_action_is_only_made_for_a_digest() {
    for image in
        ["ghcr.io/acme/keytide:0.1.0", "ghcr.io/acme/keytide@sha256:0a", "a@sha256:0\n  entrypoint: x"]
    {
        let output = package(&["action", image]);
        assert!(!output.status.success(), "{image}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("NAME@sha256:DIGEST"), "{image}");
    }
}

/// The tables of the inputs and outputs, for those who read the documents and not the action.
#[test]
fn the_document_of_the_action_has_its_inputs_and_outputs() {
    let action: serde_yaml::Value = serde_yaml::from_str(&read("action.yml")).unwrap();
    let mut text = read("docs/action.md");
    for section in ["inputs", "outputs"] {
        let entries = action[section].as_mapping().unwrap();
        let rows: String = entries.iter().map(|(name, entry)| row(name, entry)).collect();
        let head = if section == "inputs" {
            "| input | default | what it is |"
        } else {
            "| output | | what it is |"
        };
        let (begin, end) =
            (format!("<!-- {section}: generated by cargo bless -->\n"), format!("<!-- /{section} -->"));
        let (before, rest) = text.split_once(&begin).expect("a place for the table");
        let (_, after) = rest.split_once(&end).expect("which ends");
        text = format!("{before}{begin}{head}\n|---|---|---|\n{rows}{end}{after}");
    }
    matches_file(&root().join("docs/action.md"), &text);
}

fn row(name: &serde_yaml::Value, entry: &serde_yaml::Value) -> String {
    let default = entry["default"].as_str().map(|value| format!("`{value}`")).unwrap_or_default();
    let description = entry["description"].as_str().unwrap();
    format!("| `{}` | {default} | {description} |\n", name.as_str().unwrap())
}

/// The image that anyone builds of the source has the program of the release.
#[test]
fn the_dockerfile_has_the_flags_of_the_release() {
    let (script, dockerfile) = (read("scripts/package"), read("Dockerfile"));
    let flags: Vec<&str> = script.split('"').filter(|word| word.starts_with("-C")).collect();
    assert!(flags.len() >= 4, "{flags:?}");
    for flag in flags {
        // A path is written for the place where the build finds it.
        let constant = flag.split('{').next().unwrap();
        assert!(dockerfile.contains(constant), "the Dockerfile has no {constant}");
    }
    assert!(dockerfile.contains("-T,/src/packaging/no-unwind-tables.ld"));
}

/// The test of the image starts a step with the inputs that GitHub's runner reads out of the action.
#[test]
fn the_test_of_the_image_gives_the_defaults_of_the_action() {
    let script = "import json, runpy; print(json.dumps(runpy.run_path('scripts/image-test')['inputs']()))";
    let output = Command::new("python3")
        .args(["-B", "-c", script])
        .current_dir(root())
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let given: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let action: serde_yaml::Value = serde_yaml::from_str(&read("action.yml")).unwrap();
    for (name, entry) in action["inputs"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        if !["github-token", "sarif-file", "json-file"].contains(&name) {
            let variable = format!("INPUT_{}", name.to_uppercase());
            assert_eq!(given[&variable], entry["default"].as_str().unwrap_or_default(), "{name}");
        }
    }
}

/// What pip gets for the hook: no code, and the wheel of this version as its only requirement.
#[test]
fn the_hook_requires_the_wheel_of_its_version() {
    let script = "import sys, zipfile\n\
                  sys.path.insert(0, 'packaging/hook')\n\
                  import placeholder\n\
                  wheel = zipfile.ZipFile(sys.argv[1] + '/' + placeholder.build_wheel(sys.argv[1]))\n\
                  print(*wheel.namelist(), sep='\\n')\n\
                  print(wheel.read(wheel.namelist()[0]).decode())";
    let folder = crate::support::folder();
    let output = Command::new("python3")
        .args(["-B", "-c", script])
        .arg(&folder)
        .current_dir(root())
        .output()
        .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = cargo_value("version");
    let info = format!("keytide_hook-{version}.dist-info");
    assert!(text.starts_with(&format!("{info}/METADATA\n{info}/WHEEL\n{info}/RECORD\n")), "{text}{output:?}");
    assert!(text.contains(&format!("Requires-Dist: keytide=={version}\n")), "{text}");
}
