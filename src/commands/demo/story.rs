//! Three simulated stories for `keytide demo`, day by day: a rotation that ends well, one that is rolled back, and a key that
//! is not needed any more.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::sample_policy::{SampleError, read_sample_policy};
use crate::dates::format_day;
use crate::engine::execute::{self, ChangeBudget, RunOutcome};
use crate::engine::observe::UserRotation;
use crate::iam::sample::SampleAccount;
use crate::repository::RepositoryIdentity;
use crate::rotation::{KeyState, RotationPhase, RotationRequest};
use crate::rules::{self, RuleInput};
use crate::sanitize::{mask_identifiers, unescape_markdown};
use crate::simulator::sample::SampleStores;
use crate::simulator::{Application, Simulation, block_on, sample};
use crate::text_style::TextStyle;

const POLICY: &str = include_str!("story.yml");
/// The age of the key when the story begins, in days.
const AGE: i64 = 101;
const DAYS: usize = 62;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What the lines of the pull request begin with.
const QUOTE: &str = "        | ";

/// A story for a terminal: the lines of the pull request wrap behind their mark.
pub fn wrap_quotes(text: &str, style: TextStyle) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let (mark, line) = line.strip_prefix(QUOTE).map_or(("", line), |quoted| (QUOTE, quoted));
        let lines = if mark.is_empty() { vec![line.to_owned()] } else { style.wrap(mark.len(), line) };
        lines.iter().for_each(|line| out.push_str(&format!("{mark}{line}\n")));
    }
    out
}

/// The text of a rotation, and whether it ended as it should.
pub struct StoryOutcome {
    pub text: String,
    pub is_success: bool,
}

/// The pull request is merged, the old key goes quiet, and is deleted.
pub fn play_rotation(now: Timestamp, seed: u64) -> StoryOutcome {
    let mut writer = StoryWriter::new(now, seed, SampleStores::Sealed);
    writer.add_title("A rotation, from the first finding to the last");
    let before = writer.audit_account();
    for day in 0..DAYS {
        let ran = writer.run_rotation(RotationRequest::default());
        if day == 0 {
            writer.show_pull_request();
        }
        if day == 2 {
            writer.merge_proposal();
        }
        if ran.is_some_and(|ran| ran.last_decision.phase == RotationPhase::Healthy) && day > 2 {
            break;
        }
        writer.advance_day();
    }
    let after = writer.audit_account();
    let violations = writer.world.invariant_violations();
    let is_success = !before && after && violations.is_empty() && writer.count_keys() == 1;
    StoryOutcome { text: writer.text, is_success }
}

/// A job that runs every twelve days has its own copy of the old key. It fails once the key is deactivated.
pub fn play_rollback(now: Timestamp, seed: u64) -> StoryOutcome {
    let mut writer = StoryWriter::new(now, seed, SampleStores::None);
    writer.add_title("A rotation that is rolled back: a forgotten job has a copy of the old key");
    writer.forgotten_job(now);
    let mut saved = false;
    for day in 0..DAYS {
        let broken = writer.job_fails();
        if broken && !saved {
            writer.add_line("the job `forgotten` fails: AWS rejects its copy of the old key");
            writer.add_line("you run: keytide rollback --user ci-deployer");
        }
        let ran =
            writer.run_rotation(RotationRequest { rollback: broken && !saved, ..RotationRequest::default() });
        saved |= broken;
        if day == 2 || saved {
            writer.merge_proposal();
        }
        if ran.is_some_and(|ran| ran.last_decision.phase == RotationPhase::Held) {
            break;
        }
        writer.advance_day();
    }
    let works = saved && !writer.job_fails();
    if works {
        writer.add_line(
            "the job works again. Replace its copy of the key, then run: keytide resume --user ci-deployer --reason TEXT",
        );
    }
    let is_success = works && writer.count_keys() == 1;
    StoryOutcome { text: writer.text, is_success }
}

/// The application signs in with a role from some day on. Its key leaves the repository, goes quiet, and is deleted.
pub fn play_retirement(now: Timestamp, seed: u64) -> StoryOutcome {
    let mut writer = StoryWriter::retiring(now, seed);
    writer.add_title("A key that is not needed any more: `retire` in the policy file");
    let before = writer.audit_account();
    for day in 0..DAYS {
        if day == 2 {
            sample::remove_credential_file(&writer.world);
            writer.add_line("you remove deploy/aws.env.age: the application is to sign in with a role");
        }
        if day == 5 {
            writer.world.with_state(|state| state.apps.clear());
            writer.add_line("the application is restarted, and its copy of the key is gone");
        }
        let ran = writer.run_rotation(RotationRequest::default());
        if ran.is_some_and(|ran| ran.last_decision.phase == RotationPhase::Retired) {
            break;
        }
        writer.advance_day();
    }
    let after = writer.audit_account();
    let violations = writer.world.invariant_violations();
    let is_success = !before && after && violations.is_empty() && writer.count_keys() == 0;
    StoryOutcome { text: writer.text, is_success }
}

struct StoryWriter {
    world: Simulation,
    task: UserRotation,
    start: Timestamp,
    runs: usize,
    text: String,
    /// The last line about the phase, which is not repeated every day.
    last_phase: String,
}

impl StoryWriter {
    fn new(now: Timestamp, seed: u64, stores: SampleStores) -> Self {
        let (world, task) = sample::sample_simulation(seed, now, DAY * AGE as i32, stores);
        Self { world, task, start: now, runs: 0, text: String::new(), last_phase: String::new() }
    }

    fn retiring(now: Timestamp, seed: u64) -> Self {
        let (world, task) = sample::sample_retirement(seed, now, DAY * AGE as i32);
        Self { world, task, start: now, runs: 0, text: String::new(), last_phase: String::new() }
    }

    fn add_title(&mut self, title: &str) {
        let _ = writeln!(self.text, "\n{title}\n{}\n", "=".repeat(title.len()));
    }

    fn add_line(&mut self, text: &str) {
        let day = self.world.current_time().duration_since(self.start).as_hours() / 24;
        let _ = writeln!(self.text, "day {day:>2}  {}", mask_identifiers(text));
    }

    fn advance_day(&self) {
        self.world.advance_time(DAY);
    }

    /// One run of `keytide rotate`: its steps, and the phase after them.
    fn run_rotation(&mut self, asked: RotationRequest) -> Option<RunOutcome> {
        self.runs += 1;
        let task = UserRotation { run: self.runs.to_string().into(), asked, ..self.task.clone() };
        let door = self.world.backend_for_run(self.runs);
        let run = async { execute::run_user(&door, &task, &mut ChangeBudget::default(), &|| false).await };
        let ran = block_on(&self.world, self.runs, run)?;
        for decision in
            // Claims and heartbeats coordinate concurrent runs, of which this story has none.
            ran
                .steps_taken
                .iter()
                .filter(|decision| !matches!(decision.step.name(), "claim" | "touch"))
        {
            self.add_line(&format!("keytide: {}", decision.step));
        }
        let until = ran.last_decision.until.filter(|until| *until > self.world.current_time());
        let why = &ran.last_decision.why;
        // Where the reason names the day already, it would be there twice
        let until = until.map(format_day).filter(|day| !why.contains(day));
        let until = until.map(|day| format!(" (until {day})")).unwrap_or_default();
        let standing = format!("         {}: {why}{until}", ran.last_decision.phase);
        if standing != self.last_phase {
            let _ = writeln!(self.text, "{}", mask_identifiers(&standing));
            self.last_phase = standing;
        }
        Some(ran)
    }

    fn merge_proposal(&mut self) {
        for number in self.world.open_pulls() {
            if self.world.merge_pull_request(number).is_ok() {
                self.add_line(&format!("you merge pull request #{number}"));
            }
        }
    }

    /// Shows the title, the body and the changed files.
    fn show_pull_request(&mut self) {
        let shown = self.world.with_state(|state| {
            let pull = state.body.pulls.last()?;
            let body = unescape_markdown(&pull.body);
            let mut text = format!("#{} {}\n\n{body}\n", pull.number, pull.title);
            let tip = state.body.files_at(&pull.branch)?;
            let main = state.body.files_at("main")?;
            for (path, bytes) in tip.iter().filter(|(path, bytes)| main.get(*path) != Some(bytes)) {
                let old = main.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                text.push_str(&render_diff(
                    path,
                    old.as_deref().unwrap_or_default(),
                    &String::from_utf8_lossy(bytes),
                ));
            }
            Some(text)
        });
        let _ = writeln!(self.text);
        for line in shown.unwrap_or_default().lines() {
            let _ = writeln!(self.text, "{QUOTE}{line}");
        }
        let _ = writeln!(self.text);
    }

    /// Adds a job with a copy of the old key, which no destination mentions.
    fn forgotten_job(&self, now: Timestamp) {
        self.world.with_state(|state| {
            let mut job = Application::new("forgotten", sample::FILE, false, DAY * 12, now + DAY * 3);
            // It never reads a file again, which is what makes the copy a forgotten one.
            job.reload = u32::MAX;
            job.held = state.apps.first().and_then(|app| app.held.clone());
            // At a number of uses of zero it would read the file first.
            job.uses = 1;
            state.apps.push(job);
        });
    }

    fn job_fails(&self) -> bool {
        self.world.with_state(|state| state.apps.last().is_some_and(|app| app.refused.is_some()))
    }

    fn count_keys(&self) -> usize {
        self.world.with_state(|state| state.body.users.get(sample::USER).map_or(0, |user| user.keys.len()))
    }

    /// Audits the user. Returns whether there are no errors.
    fn audit_account(&mut self) -> bool {
        match self.list_findings() {
            Ok(findings) if findings.is_empty() => {
                self.add_line("audit: passed");
                true
            }
            Ok(findings) => {
                findings.iter().for_each(|finding| self.add_line(&format!("audit: {finding}")));
                false
            }
            Err(why) => {
                self.add_line(&format!("the sample cannot be read: {why}"));
                false
            }
        }
    }

    fn list_findings(&self) -> Result<Vec<String>, SampleError> {
        let policy = read_sample_policy(POLICY)?;
        let now = self.world.current_time();
        let inventory = SampleAccount::parse(&self.account_yaml())?.into_inventory(policy.user_names(), now);
        let repository =
            RepositoryIdentity { name: Some(self.task.name.clone()), id: Some(self.task.repository) };
        let facts = RuleInput {
            policy: &policy,
            inventory: Some(&inventory),
            files: None,
            rotations: None,
            repository: &repository,
            fleet: None,
            now,
        };
        let (findings, _) = rules::run_rules(&facts);
        let errors = findings.iter().filter(|finding| finding.severity == rules::Severity::Error);
        Ok(errors.map(|finding| format!("{}: {}", finding.rule, finding.message)).collect())
    }

    /// The account as a sample file for the audit.
    fn account_yaml(&self) -> String {
        let mut text = format!(
            "users:\n  - name: {}\n    owner: \"{}\"\n    keys:\n",
            sample::USER,
            self.task.repository
        );
        self.world.with_state(|state| {
            for key in state.body.users.get(sample::USER).into_iter().flat_map(|user| &user.keys) {
                let status = if key.status == KeyState::Active { "Active" } else { "Inactive" };
                let _ = writeln!(
                    text,
                    "      - id: {}\n        status: {status}\n        created_at: {}",
                    key.id, key.created
                );
                if let Some((used, _)) = key.uses.last() {
                    let _ =
                        writeln!(text, "        last_used: {{ at: {}, service: {} }}", used.at, used.service);
                }
            }
        });
        text
    }
}

/// The first lines that differ, cut to a readable length.
fn render_diff(path: &str, old: &str, new: &str) -> String {
    let mut text = format!("{path}\n");
    for (sign, one, other) in [('-', old, new), ('+', new, old)] {
        let changed: Vec<&str> =
            one.lines().filter(|line| !other.lines().any(|found| found == *line)).collect();
        for line in changed.iter().take(2) {
            let _ = writeln!(text, "{sign} {}", line.chars().take(64).collect::<String>());
        }
        if changed.len() > 2 {
            let _ = writeln!(text, "{sign} ... {} more lines", changed.len() - 2);
        }
    }
    text
}
