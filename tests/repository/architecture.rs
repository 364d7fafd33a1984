//! The shape of the source, held by tests: no cycle of files, input and output in a few rooms, no long file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::documents::matches_part;
use crate::imports::{Graph, Use, graph};
use crate::support::root;

/// The rooms that may reach the network, files and processes. The lints of `clippy.toml` hold the standard library's part
/// of that.
const IO_ROOMS: [&str; 4] = ["src/system/", "src/aws/", "src/github/", "src/live/"];

/// What only those rooms name.
const IO_NAMES: [&str; 6] = ["aws_sdk_", "aws_config", "octocrab", "reqwest", "std::net", "std::fs"];

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

/// The texts of `src`, by their paths below the root.
fn texts() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for file in sources(&root().join("src")) {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        texts.insert(name, std::fs::read_to_string(&file).unwrap());
    }
    // The program's own crate: it imports the library, and nothing imports it.
    texts.remove("src/main.rs");
    texts
}

/// The shortest way from one file to another, as the files on it.
fn way(graph: &Graph, from: &str, to: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        for next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if before.contains_key(next.as_str()) {
                continue;
            }
            before.insert(next, file);
            if next == to {
                let mut files = vec![to.to_owned()];
                let mut at = to;
                while let Some(previous) = before.get(at).filter(|_| files.len() < 2 || at != from) {
                    files.push((*previous).to_owned());
                    at = previous;
                }
                files.reverse();
                return Some(files);
            }
            queue.push_back(next);
        }
    }
    None
}

/// The shortest cycle through each file that is on one, each cycle once.
fn cycles(graph: &Graph) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut cycles = Vec::new();
    for file in graph.keys() {
        let Some(cycle) = way(graph, file, file) else { continue };
        if seen.insert(cycle.iter().cloned().collect::<BTreeSet<String>>()) {
            cycles.push(cycle);
        }
    }
    cycles
}

/// A cycle with the lines that make it.
fn describe(graph: &Graph, cycle: &[String]) -> String {
    let mut text = String::new();
    for pair in cycle.windows(2) {
        let uses: Vec<String> = graph[&pair[0]][&pair[1]]
            .iter()
            .take(3)
            .map(|Use { line, path }| format!("{}:{line} {path}", pair[0]))
            .collect();
        text.push_str(&format!("  {}\n    -> {}\n", uses.join(", "), pair[1]));
    }
    text
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let graph = graph(&texts());
    let found: Vec<String> = cycles(&graph).iter().map(|cycle| describe(&graph, cycle)).collect();
    assert!(found.is_empty(), "{} cycles of files:\n{}", found.len(), found.join("\n"));
}

/// What a kind of destination takes: the files of its own folder, and the others that name something of it.
#[test]
fn the_files_that_a_destination_touches_are_counted() {
    let graph = graph(&texts());
    let mut kinds: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for file in graph.keys() {
        if let Some((kind, _)) = file.strip_prefix("src/destinations/").and_then(|rest| rest.split_once('/'))
        {
            kinds.entry(kind).or_default().0 += 1;
        }
    }
    let mut table =
        "| kind | files in its folder | other source files that name it |\n|---|---|---|\n".to_owned();
    for (kind, (own, others)) in &mut kinds {
        let folder = format!("src/destinations/{kind}/");
        let is_user =
            |uses: &BTreeMap<String, BTreeSet<Use>>| uses.keys().any(|used| used.starts_with(&folder));
        others.extend(
            graph
                .iter()
                .filter(|(file, uses)| !file.starts_with(&folder) && is_user(uses))
                .map(|(file, _)| file.as_str()),
        );
        let names: Vec<String> =
            others.iter().map(|file| format!("`{}`", file.trim_start_matches("src/"))).collect();
        table.push_str(&format!("| `{kind}` | {own} | {} |\n", names.join(", ")));
    }
    matches_part(".github/CONTRIBUTING.md", "destinations", &table);
}

#[test]
fn only_some_rooms_reach_the_outside() {
    for (file, text) in texts() {
        let is_client = file.starts_with("src/destinations/") && file.ends_with("/client.rs");
        if is_client
            || IO_ROOMS
                .iter()
                .any(|room| file.starts_with(room) || file == format!("{}.rs", &room[..room.len() - 1]))
        {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let name = IO_NAMES.iter().find(|name| code.contains(**name));
            assert!(
                name.is_none(),
                "{file}:{} names {}: that belongs in a room that does I/O",
                index + 1,
                name.unwrap()
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

/// A small crate: its files, and `from:line -> to` for each import that is found.
fn edges(files: &[(&str, &str)]) -> Vec<String> {
    let texts = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut edges = Vec::new();
    for (from, uses) in graph(&texts) {
        for (to, lines) in uses {
            edges.extend(lines.iter().map(|one| format!("{from}:{} -> {to}", one.line)));
        }
    }
    edges
}

#[test]
fn every_form_of_import_is_seen() {
    let found = edges(&[
        ("src/lib.rs", "pub mod a;\npub mod b;\n"),
        ("src/a/mod.rs", "mod x;\nmod y;\n/// Not crate::b::Comment.\npub struct Own;\n"),
        (
            "src/a/x.rs",
            "use super::Own;\nuse crate::{\n    b::{self, Deep},\n};\nfn f() { super::y::g(); }\n",
        ),
        ("src/a/y.rs", "pub fn g() { let _ = \"crate::b::Text\"; crate::b::h!('\"', '\\''); }\n"),
        ("src/b.rs", "pub struct Deep;\npub use inner::Thing as Other;\nmod inner { pub struct Thing; }\n"),
    ]);
    assert_eq!(
        found,
        [
            "src/a/x.rs:1 -> src/a/mod.rs",
            "src/a/x.rs:5 -> src/a/y.rs",
            "src/a/x.rs:3 -> src/b.rs",
            "src/a/x.rs:3 -> src/b.rs",
            "src/a/y.rs:1 -> src/b.rs",
        ]
    );
}

/// A parent that only declares and re-exports is passed through; one that its children need is on a cycle.
#[test]
fn a_re_export_leads_to_the_definition() {
    let parent = "mod x;\nmod y;\npub use x::X;\npub use y::*;\n";
    let child = "use super::X;\n#[cfg(test)]\nmod tests { use super::*; use crate::b::B; }\npub struct Y;\n";
    let files = [
        ("src/lib.rs", "mod a;\nmod b;\n"),
        ("src/a/mod.rs", parent),
        ("src/a/x.rs", "pub struct X;\n"),
        ("src/a/y.rs", child),
        ("src/b.rs", "use crate::a::{X, Y};\npub struct B;\n"),
    ];
    let through = [
        "src/a/mod.rs:3 -> src/a/x.rs",
        "src/a/mod.rs:4 -> src/a/y.rs",
        "src/a/y.rs:1 -> src/a/x.rs",
        "src/b.rs:1 -> src/a/x.rs",
        "src/b.rs:1 -> src/a/y.rs",
    ];
    assert_eq!(edges(&files), through);
    let needed = [
        ("src/a/mod.rs", "mod x;\npub use x::X;\npub trait T {}\n"),
        ("src/a/x.rs", "use super::T;\npub struct X;\n"),
    ];
    let texts = needed.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let graph = graph(&texts);
    let found: Vec<String> = cycles(&graph).iter().map(|cycle| describe(&graph, cycle)).collect();
    assert_eq!(
        found,
        ["  src/a/mod.rs:2 x::X\n    -> src/a/x.rs\n  src/a/x.rs:1 super::T\n    -> src/a/mod.rs\n"]
    );
}
