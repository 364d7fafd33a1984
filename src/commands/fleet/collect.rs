//! `keytide fleet collect`: the policy files of all repositories, and the jobs that audit the accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secrecy::SecretString;

use super::collect_page::{DecidedRepository, FirstLook, decide_at_once, read_policies};
use super::output;
use super::policies::{self, LoadedFleet};
use crate::commands::cli::FleetCollectArgs;
use crate::commands::connection;
use crate::commands::context::{Context, write_stdout};
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::DEFAULT_PATHS;
use crate::error::{CommandError, ExitStatus};
use crate::fleet::collection::{self, Collection, RepositoryState};
use crate::fleet::file;
use crate::fleet::finding::FleetFinding;
use crate::fleet::matrix::{build_matrix, divide_account};
use crate::fleet::places::{WrittenValue, find_contested_places};
use crate::fleet::render::json::render_document;
use crate::github::policy_files::{FoundRepository, PolicyFileReader, RepositoryPage};
use crate::iam::ReadFault;
use crate::policy::scalar::is_repository;
use crate::repository::RepositoryIdentity;
use crate::rules::{self, FleetFacts, RuleInput};
use crate::sanitize;
use crate::sentences::count_noun;
use crate::system::files;
use crate::system::worktree::WorkTree;

/// The output of a step that has the matrix.
const MATRIX_OUTPUT: &str = "matrix";

/// Runs the subcommand.
pub fn run(context: &Context<'_>, arguments: &FleetCollectArgs) -> ExitStatus {
    match collect(context, arguments) {
        Ok((fleet, collection)) => deliver(context, arguments, &fleet, &collection),
        Err(failure) => output::print_failure(context, &failure),
    }
}

fn collect(
    context: &Context<'_>,
    arguments: &FleetCollectArgs,
) -> Result<(LoadedFleet, Collection), CommandFailure> {
    refuse_format(context)?;
    let fleet = policies::load_fleet_file(context, arguments.fleet.as_deref(), None)?;
    ensure_empty(context, &arguments.out)?;
    let token = SecretString::from(connection::require_github_token(context)?);
    let url = connection::github_api_url(context)?;
    let mut collector = Collector::new(context, &fleet, &arguments.out);
    // The client of GitHub is made where it is used: its connections belong to the runtime.
    connection::run_async(context, async {
        let reader = PolicyFileReader::new(&url, &token, &DEFAULT_PATHS)
            .map_err(|error| CommandError::environment(error.to_string()))?;
        collector.read_all(&reader).await
    })??;
    let collection = collector.finish(arguments.users_per_job as usize);
    Ok((fleet, collection))
}

/// The option of all commands that is about a report, which only the other subcommands have.
fn refuse_format(context: &Context<'_>) -> Result<(), CommandError> {
    if context.common.format.is_none() {
        return Ok(());
    }
    let error = CommandError::invalid("`fleet collect` prints a matrix: --format would do nothing");
    Err(error.with_help("leave it out here; `keytide fleet report` takes it"))
}

/// Files of an earlier collection would be audited with those of this one.
fn ensure_empty(context: &Context<'_>, folder: &Path) -> Result<(), CommandError> {
    let tree = WorkTree::find_repository(context.environment);
    tree.ensure_writable(&folder.join(collection::FILE_NAME)).map_err(|reason| {
        CommandError::invalid(format!("nothing can be written to {}: {reason}", folder.display()))
            .with_help("name a folder that is no link with `--out DIR`")
    })?;
    if !files::is_present(folder) || (is_without(folder, true) && is_without(folder, false)) {
        return Ok(());
    }
    Err(CommandError::invalid(format!("{} is not an empty folder", folder.display()))
        .with_help("remove it, or name another one with `--out DIR`"))
}

fn is_without(folder: &Path, folders: bool) -> bool {
    files::list_names(folder, folders).is_ok_and(|names| names.is_empty())
}

/// What was collected so far.
struct Collector<'a> {
    context: &'a Context<'a>,
    fleet: &'a LoadedFleet,
    out: &'a Path,
    collection: Collection,
    /// The repositories that were seen, in lower case: two entries of the file may lead to the same one.
    seen: BTreeSet<String>,
    /// How many users the policy files of an account list.
    users: BTreeMap<String, usize>,
    /// What the policy files of all repositories write.
    written: Vec<WrittenValue>,
}

impl<'a> Collector<'a> {
    fn new(context: &'a Context<'a>, fleet: &'a LoadedFleet, out: &'a Path) -> Self {
        let collection = Collection::empty(context.now);
        let (seen, users, written) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Self { context, fleet, out, collection, seen, users, written }
    }

    /// Reads everything. What GitHub refuses is a fault of the collection; only a folder that cannot be written ends it.
    async fn read_all(&mut self, reader: &PolicyFileReader) -> Result<(), CommandError> {
        // First, so that a repository that is listed by name is not left out as a fork or as archived.
        let single: Vec<String> =
            self.fleet.file.repositories.iter().map(|entry| entry.value.clone()).collect();
        if !single.is_empty() {
            match reader.read_repositories(&single).await {
                Ok(page) => self.add_page(reader, page, true).await?,
                Err(error) => self.add_fault("repositories", error.what),
            }
        }
        let owners: Vec<String> =
            self.fleet.file.organizations.iter().map(|entry| entry.value.clone()).collect();
        for owner in owners {
            let mut after = None;
            loop {
                self.context
                    .progress
                    .set_text(&format!("reading policy files: {} repositories", self.seen.len()));
                match reader.read_page(&owner, after.as_deref()).await {
                    Ok(mut page) => {
                        after = page.next.take();
                        self.add_page(reader, page, false).await?;
                    }
                    Err(error) => {
                        self.add_fault(&format!("repositories of {owner}"), error.what);
                        break;
                    }
                }
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn add_page(
        &mut self,
        reader: &PolicyFileReader,
        page: RepositoryPage,
        is_named: bool,
    ) -> Result<(), CommandError> {
        page.errors.into_iter().for_each(|error| self.add_fault("repositories", error));
        let mut pending = Vec::new();
        for repository in page.repositories {
            if !is_repository(&repository.name) {
                self.add_fault("repositories", format!("`{}` is not OWNER/NAME", repository.name));
                continue;
            }
            if !self.seen.insert(repository.name.to_lowercase()) {
                continue;
            }
            let left_out = self.left_out_state(&repository, is_named);
            match decide_at_once(repository, left_out) {
                FirstLook::Pending(policy) => pending.push(policy),
                FirstLook::Decided(decided) => self.add_repository(decided),
            }
        }
        let (policies, faults) = read_policies(reader, pending).await;
        faults.into_iter().for_each(|fault| self.collection.faults.push(fault));
        for policy in policies {
            let decided = policy.write(self.out)?;
            self.add_repository(decided);
        }
        Ok(())
    }

    /// Why a repository is left out. One that the file names is meant, whatever it is.
    fn left_out_state(&self, repository: &FoundRepository, is_named: bool) -> Option<RepositoryState> {
        if self.fleet.file.is_excluded(&repository.name) {
            return Some(RepositoryState::Excluded);
        }
        match repository {
            _ if is_named => None,
            FoundRepository { is_archived: true, .. } => Some(RepositoryState::Archived),
            FoundRepository { is_fork: true, .. } => Some(RepositoryState::Fork),
            _ => None,
        }
    }

    fn add_repository(&mut self, decided: DecidedRepository) {
        if let Some(account) = &decided.line.account {
            *self.users.entry(account.clone()).or_default() += decided.users;
        }
        self.written.extend(decided.written);
        self.collection.faults.extend(decided.faults);
        self.collection.repositories.push(decided.line);
    }

    fn add_fault(&mut self, operation: &str, message: String) {
        self.collection.faults.push(ReadFault { user: None, operation: operation.to_owned(), message });
    }

    /// Divides the accounts into jobs, and looks for accounts that no job audits.
    fn finish(mut self, users_per_job: usize) -> Collection {
        self.collection.repositories.sort_by(|a, b| a.name.cmp(&b.name));
        for account in &self.fleet.file.accounts {
            let id = &account.value.id.0;
            let users = self.users.get(id).copied().unwrap_or_default();
            self.collection.jobs.extend(divide_account(id, users, users_per_job));
        }
        self.collection.findings = self.find_foreign_accounts();
        let contested_places = find_contested_places(&self.written);
        let facts = FleetFacts { contested_places, ..FleetFacts::default() };
        self.collection.findings.extend(self.apply_rule("contested-destination", &facts));
        self.collection.complete = self.collection.faults.is_empty();
        self.collection
    }

    /// The accounts that policy files are for and that the fleet's file does not list.
    fn find_foreign_accounts(&self) -> Vec<FleetFinding> {
        let mut foreign: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for repository in &self.collection.repositories {
            if let Some(account) = &repository.account
                && self.fleet.file.find_account(account).is_none()
            {
                foreign.entry(account).or_default().push(repository.name.clone());
            }
        }
        let mut found = Vec::new();
        for (account, repositories) in foreign {
            let facts = FleetFacts { account: account.to_owned(), repositories, ..FleetFacts::default() };
            found.extend(self.apply_rule("uncovered-account", &facts));
        }
        found
    }

    /// The findings of one rule. The exemptions are judged by the jobs, which know the accounts.
    fn apply_rule(&self, rule: &str, facts: &FleetFacts) -> Vec<FleetFinding> {
        let policy = self.fleet.file.to_policy(&self.fleet.name);
        let input = RuleInput {
            policy: &policy,
            inventory: None,
            files: None,
            rotations: None,
            repository: &RepositoryIdentity::default(),
            fleet: Some(facts),
            now: self.context.now,
        };
        let (findings, _) = rules::run_rules(&input);
        findings.into_iter().filter(|finding| finding.rule == rule).map(FleetFinding::from).collect()
    }
}

/// Writes the collection and the fleet's file beside the policy files, so that a job needs this folder alone; prints the matrix.
fn deliver(
    context: &Context<'_>,
    arguments: &FleetCollectArgs,
    fleet: &LoadedFleet,
    collection: &Collection,
) -> ExitStatus {
    let mut exit = if collection.complete { ExitStatus::Done } else { ExitStatus::Incomplete };
    let path = arguments.out.join(collection::FILE_NAME);
    exit = exit.max(output::write_file(context, &path, &render_document(collection)));
    let text = String::from_utf8_lossy(&fleet.bytes);
    exit = exit.max(output::write_file(context, &arguments.out.join(file::FILE_NAME), &text));
    let matrix = build_matrix(&collection.jobs, arguments.max_jobs as usize);
    let matrix = serde_json::to_string(&matrix).unwrap_or_default();
    if let Some(path) = context.environment.get("GITHUB_OUTPUT")
        && let Err(reason) = files::append_to_file(Path::new(path), &format!("{}={matrix}\n", MATRIX_OUTPUT))
    {
        context.print_error(&CommandError::incomplete(format!("GITHUB_OUTPUT cannot be written: {reason}")));
        exit = ExitStatus::Incomplete;
    }
    context.progress.end();
    context.eprint(&describe(collection));
    exit.max(write_stdout(&sanitize::escape_json(&matrix)))
}

/// What became of the repositories, and what could not be read.
fn describe(collection: &Collection) -> String {
    let mut text = String::new();
    for fault in &collection.faults {
        text.push_str(&format!("error: {}: {}\n", fault.operation, fault.message));
    }
    let invalid = count_state(collection, RepositoryState::Invalid);
    let files = count_state(collection, RepositoryState::Collected) + invalid;
    let mut parts = vec![match (count_noun(files as i64, "policy file"), invalid) {
        (files, 0) => files,
        (files, invalid) => format!("{files}, {invalid} of them with errors"),
    }];
    for (state, one, many) in [
        (RepositoryState::Unreadable, "repository not read", "repositories not read"),
        (RepositoryState::NoPolicy, "repository without one", "repositories without one"),
        (RepositoryState::Archived, "archived", "archived"),
        (RepositoryState::Fork, "fork", "forks"),
        (RepositoryState::Excluded, "excluded", "excluded"),
    ] {
        match count_state(collection, state) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            number => parts.push(format!("{number} {many}")),
        }
    }
    format!("{text}{}\n", parts.join("; "))
}

fn count_state(collection: &Collection, state: RepositoryState) -> usize {
    collection.repositories.iter().filter(|repository| repository.state == state).count()
}
