//! The shape of the code, held by tests: imports point one way, the pure half does no I/O, files stay small.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::root;

/// The modules in the order of `src/lib.rs`, which is the order in which data flows.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let module = |line: &str| Some(line.trim().strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    text.lines().filter_map(module).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The top-level module a file belongs to.
fn module(path: &Path) -> String {
    let inner = path.strip_prefix(root().join("src")).unwrap();
    inner.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// A text without its comments, which may speak of anything.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that a text names as `crate::name` or in `use crate::{...}`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("crate::").skip(1) {
        let names = match part.strip_prefix('{') {
            Some(list) => top_level(list),
            None => vec![part],
        };
        let word =
            |name: &str| name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        found.extend(names.into_iter().map(word));
    }
    found
}

/// The items of a braced list that are not inside another brace.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&list[start..index]);
                return items;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    items
}

#[test]
fn imports_point_one_way() {
    let order = order();
    let floor: BTreeMap<&str, usize> = order.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    for file in sources(&root().join("src")) {
        let own = module(&file);
        let Some(&own_floor) = floor.get(own.as_str()) else { continue };
        for name in imports(&code(&std::fs::read_to_string(&file).unwrap())) {
            let Some(&other) = floor.get(name.as_str()) else { continue };
            assert!(other <= own_floor, "{}: `{own}` must not import `{name}`", file.display());
        }
    }
}

/// Only `clients` names what reaches out; the lints of `clippy.toml` hold the standard library's part of that.
#[test]
fn only_clients_know_the_network() {
    for file in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in ["aws_sdk_", "aws_config", "octocrab", "reqwest", "std::net", "std::fs"] {
            assert!(
                module(&file) == "clients" || !text.contains(name),
                "{}: {name} belongs into clients",
                file.display()
            );
        }
    }
}

#[test]
fn the_program_is_short_and_no_file_is_long() {
    for file in sources(&root().join("src")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        let limit = if file.ends_with("src/main.rs") { 40 } else { 500 };
        assert!(lines <= limit, "{} has {lines} lines", file.display());
    }
}

#[test]
fn the_guard_sees_every_form_of_import() {
    let text = "use crate::policy::Policy;\nuse crate::{report::{Format, Report}, rules};\nlet x = crate::error::Error;";
    assert_eq!(imports(text), ["policy", "report", "rules", "error"]);
}
