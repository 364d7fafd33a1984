//! `keytide fleet report`: merges the results of all jobs.

use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use super::output;
use crate::commands::cli::FleetReportArgs;
use crate::commands::context::Context;
use crate::error::ExitStatus;
use crate::fleet::merge::FleetMerger;
use crate::system::files;

/// The largest result that is read, in bytes: 5,000 users with ten findings each take about thirty million.
const MAX_RESULT_BYTES: usize = 64 * 1024 * 1024;

/// How many folders below one another are looked into.
const MAX_FOLDER_DEPTH: usize = 3;

/// Runs the subcommand.
pub fn run(context: &Context<'_>, arguments: &FleetReportArgs) -> ExitStatus {
    let mut merger = FleetMerger::default();
    for path in &arguments.files {
        if path.is_dir() {
            add_folder(&mut merger, path);
        } else {
            add_file(&mut merger, path);
        }
    }
    let report = merger.merge(context.now, context.common.fail_on);
    output::deliver_report(context, &arguments.output, &report)
}

/// Adds the JSON files of a folder and of its folders: a download of several artifacts makes one for each. A folder without
/// any is a download that failed.
fn add_folder(merger: &mut FleetMerger, folder: &Path) {
    let (mut results, mut folders) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        let entries = match list_entries(&folder) {
            Ok(entries) => entries,
            Err(reason) => return merger.add_unreadable(&shown(&folder), &reason.to_string()),
        };
        for (path, kind) in entries {
            if kind.is_dir() && depth < MAX_FOLDER_DEPTH {
                folders.push((path, depth + 1));
            } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
                results.push((path, kind));
            }
        }
    }
    if results.is_empty() {
        merger.add_unreadable(&shown(folder), "the folder contains no result (*.json)");
    }
    results.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, kind) in results {
        if kind.is_file() {
            add_file(merger, &path);
        } else {
            merger.add_unreadable(&shown(&path), "it is not a regular file");
        }
    }
}

fn list_entries(folder: &Path) -> io::Result<Vec<(PathBuf, FileType)>> {
    folder
        .read_dir()?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.path(), entry.file_type()?))
        })
        .collect()
}

fn add_file(merger: &mut FleetMerger, path: &Path) {
    match files::read_bounded(path, MAX_RESULT_BYTES) {
        Ok(bytes) => merger.add_file(&shown(path), &bytes),
        Err(reason) => merger.add_unreadable(&shown(path), &reason.to_string()),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
