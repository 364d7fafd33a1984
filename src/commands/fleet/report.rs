//! `keytide fleet report`: merges the results of all jobs.

use std::path::Path;

use super::output;
#[cfg(feature = "online")]
use super::{notify, policies};
use crate::commands::cli::FleetReportArgs;
use crate::commands::context::Context;
use crate::error::ExitStatus;
use crate::fleet::merge::{FleetMerger, FleetReport};
use crate::system::files;

/// The largest result that is read, in bytes: 5,000 users with ten findings each take about thirty million.
const MAX_RESULT_BYTES: usize = 64 * 1024 * 1024;

/// How many folders below one another are looked into.
const MAX_FOLDER_DEPTH: usize = 3;

/// Runs the subcommand.
#[cfg(feature = "online")]
pub fn run(context: &Context<'_>, arguments: &FleetReportArgs) -> ExitStatus {
    if !arguments.notify {
        return output::deliver_report(context, &arguments.output, &merge(context, arguments));
    }
    // Never the copy among the collected files: whoever can write one of these must not choose where issues are opened.
    let fleet = match policies::load_fleet_file(context, arguments.fleet.as_deref(), None) {
        Ok(fleet) => fleet,
        Err(failure) => return output::print_failure(context, &failure),
    };
    let mut report = merge(context, arguments);
    notify::notify_repositories(context, &fleet.file, &mut report);
    output::deliver_report(context, &arguments.output, &report)
}

/// Runs the subcommand.
#[cfg(not(feature = "online"))]
pub fn run(context: &Context<'_>, arguments: &FleetReportArgs) -> ExitStatus {
    if arguments.notify {
        return output::refuse_offline(context);
    }
    output::deliver_report(context, &arguments.output, &merge(context, arguments))
}

fn merge(context: &Context<'_>, arguments: &FleetReportArgs) -> FleetReport {
    let mut merger = FleetMerger::default();
    for path in &arguments.files {
        if path.is_dir() {
            add_folder(&mut merger, path);
        } else {
            add_file(&mut merger, path);
        }
    }
    merger.merge(context.now, context.common.fail_on)
}

/// Adds the JSON files of a folder and of its folders: a download of several artifacts makes one for each. A folder without
/// any is a download that failed.
fn add_folder(merger: &mut FleetMerger, folder: &Path) {
    let found = match files::list_below(folder, MAX_FOLDER_DEPTH) {
        Ok(found) => found,
        Err(reason) => return merger.add_unreadable(&shown(folder), &reason.to_string()),
    };
    let is_json =
        |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    // Whatever its name is, a link may be to results
    let results: Vec<_> = found.iter().filter(|(path, is_regular)| is_json(path) || !is_regular).collect();
    if results.is_empty() {
        merger.add_unreadable(&shown(folder), "the folder contains no result (*.json)");
    }
    for (path, is_regular) in results {
        if *is_regular {
            add_file(merger, path);
        } else {
            merger.add_unreadable(&shown(path), "it is not a regular file");
        }
    }
}

fn add_file(merger: &mut FleetMerger, path: &Path) {
    // By its kind: to read a pipe would wait for its writer.
    match files::read_linked(path, MAX_RESULT_BYTES) {
        Ok(bytes) => merger.add_file(&shown(path), &bytes),
        Err(reason) => merger.add_unreadable(&shown(path), &reason.to_string()),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
