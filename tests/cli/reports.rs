//! What reports show: JSON byte for byte as scripts know it, the timeline, and rotations in every format for people.

use std::collections::BTreeMap;

use keytide::iam::sample::SampleAccount;
use keytide::policy::{Policy, PolicySource, read_policy};
use keytide::report::{FailOn, PerformedStep, Report, ReportFormat, RotationLine};
use keytide::repository::FileContent;
use keytide::repository::RepositoryIdentity;
use keytide::rotation::RotationPhase;
use keytide::rules::{RotationStatus, RotationStatuses, RuleInput, exemptible_rules, run_rules};
use keytide::text_style::TextStyle;

use crate::support::{Keytide, matches_file, root};

const NOW: &str = "2026-11-21T12:00:00Z";

/// Two users whose keys cross in age, one of them over the limit of 90 days, one exempted.
const ACCOUNT: &str = "users:
  - name: ann
    keys:
      - { id: AKIA0ANNANNANNANNAN1, created_at: 2026-08-01T00:00:00Z, last_used: { at: 2026-11-20T00:00:00Z, service: s3 } }
      - { id: AKIA0ANNANNANNANNAN2, created_at: 2026-11-18T00:00:00Z, last_used: { at: 2026-11-20T00:00:00Z, service: s3 } }
  - name: bob
    keys:
      - { id: AKIA0BOBBOBBOBBOBBO1, created_at: 2026-10-01T00:00:00Z }
  - name: title
    keys:
      - { id: AKIA0TITLETITLETITLE, created_at: 2026-01-01T00:00:00Z, last_used: { at: 2026-11-20T00:00:00Z, service: s3 } }
";

const POLICY: &str = "version: 1
account: \"123456789012\"
users: [{ name: ann }, { name: bob }, { name: title }]
exemptions:
  - { user: title, rules: [key-age], until: 2027-01-31, reason: appliance }
";

fn policy() -> Policy {
    let source =
        PolicySource { file: "keytide.yml", bytes: POLICY.as_bytes(), read_base: &|_| FileContent::Absent };
    read_policy(&source, &exemptible_rules()).unwrap()
}

/// The report of an audit, or of a plan, which applies none of an audit's rules.
pub fn report(rotations: Option<&RotationStatuses>, with_rules: bool) -> Report {
    let (policy, now) = (policy(), NOW.parse().unwrap());
    let inventory = SampleAccount::parse(ACCOUNT).unwrap().into_inventory(policy.user_names(), now);
    let repository = RepositoryIdentity::default();
    let input = RuleInput {
        policy: &policy,
        inventory: Some(&inventory),
        files: None,
        rotations,
        repository: &repository,
        fleet: None,
        now,
    };
    let found = if with_rules { run_rules(&input) } else { (Vec::new(), Vec::new()) };
    let report = Report::of_audit(&policy, inventory.clone(), found, now, FailOn::Error);
    rotations.map_or(report.clone(), |rotations| report.with_phases(rotations))
}

pub fn soaking() -> RotationStatuses {
    let status = RotationStatus {
        phase: RotationPhase::Soaking,
        reason: "old key AKIA0ANNANNANNANNAN1 is inactive, deleted after 5 Dec".to_owned(),
        help: None,
        under_way: true,
        retires: false,
        pull_request_url: None,
        wait: None,
        last_entry_at: None,
        deactivated_key: None,
        unusable_keys: Vec::new(),
        unread_destinations: Vec::new(),
    };
    RotationStatuses::from([("ann".to_owned(), status)])
}

pub fn plan() -> Report {
    let line = |user: &str, phase, next: Option<&str>, pull_request| RotationLine {
        error_from: None,
        user: user.to_owned(),
        phase,
        done: vec![
            PerformedStep { text: "claim the user for this run".to_owned(), is_bookkeeping: true },
            PerformedStep { text: "begin the rotation".to_owned(), is_bookkeeping: false },
        ],
        next: next.map(str::to_owned),
        why: "112 days old (rotates from 75)".to_owned(),
        help: Some("merge the pull request".to_owned()),
        not_before: Some("2026-11-22T16:00:00Z".parse().unwrap()),
        pull_request,
        pull_request_url: pull_request.map(|number| format!("https://github.com/acme/app/pull/{number}")),
        keys: Vec::new(),
        history: None,
    };
    let lines = vec![
        line("ann", RotationPhase::Due, Some("create a second key and open a pull request"), None),
        line("bob", RotationPhase::Proposed, None, Some(7)),
    ];
    report(None, false).with_rotations(lines)
}

pub fn render(report: &Report, format: ReportFormat) -> String {
    report.render(format, TextStyle::default())
}

/// Scripts read these files: a field may be added, and none may change or go.
#[test]
fn json_stays_byte_for_byte() {
    let demo = Keytide::new(&["demo", "--format", "json"]).run().exits(0).stdout;
    let check = Keytide::new(&["check", "--format", "json", "--now", NOW, "config.env"])
        .file("config.env", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nNAME=1\n")
        .run()
        .stdout;
    let error = Keytide::new(&["audit", "--format", "json", "--now", NOW]).run().exits(2).stdout;
    let plan = render(&plan(), ReportFormat::Json);
    for (name, text) in [("audit", demo), ("check", check), ("error", error), ("plan", plan)] {
        let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version), "{name}: {text}");
        let text = text.replace(&version, "\"version\": \"VERSION\"");
        matches_file(&root().join(format!("tests/fixtures/report/{name}.json")), &text);
    }
}

/// Mermaid draws a section's label once: a label for each bar would shift. A line that begins with the name `title` would
/// be a command.
#[test]
fn each_bar_of_the_timeline_names_its_user() {
    let markdown = render(&report(None, true), ReportFormat::Markdown);
    let diagram = markdown.split("```").nth(1).unwrap();
    assert!(!diagram.contains("section"), "{diagram}");
    let bars: Vec<&str> = diagram.lines().filter(|line| line.contains(" :")).map(str::trim).collect();
    assert_eq!(
        bars,
        [
            "112 d ann AKIA0ANNANNANNANNAN1 :crit, 2026-08-01, 112d",
            "51 d bob AKIA0BOBBOBBOBBOBBO1 unused-key :crit, 2026-10-01, 51d",
            "3 d ann AKIA0ANNANNANNANNAN2 active-key-count :crit, 2026-11-18, 3d",
            "324 d title AKIA0TITLETITLETITLE exempt :done, 2026-01-01, 324d",
        ]
    );
}

/// A plan has no findings about ages: its drawing still knows the limit, and the page shows the rotations.
#[test]
fn a_plan_is_drawn_with_its_rotations() {
    let html = render(&plan(), ReportFormat::Html);
    assert!(html.contains("<h2>Rotations</h2>") && html.contains("create a second key"), "{html}");
    let bar = |key: &str| {
        let line = html.lines().find(|line| line.contains("<rect") && line.contains(key)).unwrap();
        line.split("<rect class=\"").nth(1).unwrap().split('"').next().unwrap()
    };
    assert_eq!(["ANNAN1", "ANNAN2", "BOBBO1"].map(bar), ["bar-failed", "bar-unaudited", "bar-unaudited"]);
    for format in [ReportFormat::Text, ReportFormat::Markdown, ReportFormat::Html] {
        let text = render(&plan(), format);
        assert!(text.contains("begin the rotation") && !text.contains("claim the user"), "{text}");
        assert!(text.contains("22 Nov 2026, 16:00 UTC"), "{text}");
    }
    let text = render(&plan(), ReportFormat::Text);
    assert!(text.ends_with("action needed: pull request #7 is waiting for your merge\n"), "{text}");
    let mut back = plan();
    for line in back.rotations.iter_mut().flatten() {
        (line.phase, line.next, line.pull_request) = (RotationPhase::RollingBack, None, None);
    }
    let text = render(&back, ReportFormat::Text);
    assert!(text.contains("continue the rollbacks of 2 users, which end in the phase `held`"), "{text}");
}

#[test]
fn an_audit_shows_the_phase_and_does_not_advise_to_rotate_again() {
    let idle = report(None, true);
    let statuses = soaking();
    let rotating = report(Some(&statuses), true);
    for format in [ReportFormat::Text, ReportFormat::Markdown, ReportFormat::Html] {
        let text = render(&rotating, format);
        assert!(text.contains("soaking") && text.matches("deleted after 5 Dec").count() == 1, "{text}");
        assert!(text.contains("under way") && text.contains("see the rotation of this user"), "{text}");
    }
    let advice = |report: &Report| {
        let mut about_ann = report.findings.iter().filter(|finding| finding.user.as_deref() == Some("ann"));
        about_ann.find(|finding| finding.rule == "key-age").unwrap().help.clone()
    };
    assert!(advice(&idle).starts_with("Rotate the key"), "{}", advice(&idle));
    let help = advice(&rotating);
    assert!(help.starts_with("A rotation of this key is under way (soaking): old key"), "{help}");
}

/// A rotation that has stopped: its finding has the reason and the steps, so the text points there, and names the page.
#[test]
fn a_stopped_rotation_is_told_once() {
    let mut statuses = soaking();
    let status = statuses.get_mut("ann").unwrap();
    status.phase = RotationPhase::Held;
    status.help = Some("1. write the old key; 2. `keytide resume`".to_owned());
    status.pull_request_url = Some("https://github.com/acme/app/pull/7".to_owned());
    let report = report(Some(&statuses), true);
    let text = render(&report, ReportFormat::Text);
    assert!(text.contains("ann (held): see `stalled-rotation` below for the 2 steps\n"), "{text}");
    assert_eq!(text.matches("1. write the old key").count(), 1, "{text}");
    let html = render(&report, ReportFormat::Html);
    let findings = html.split("<h2>Findings").nth(1).unwrap().split("<h2>").next().unwrap();
    let link = "pull request: <a href=\"https://github.com/acme/app/pull/7\">";
    assert!(findings.contains(link) && findings.contains("1. write the old key<br>2. "), "{findings}");
    let markdown = render(&report, ReportFormat::Markdown);
    assert!(markdown.contains("<br>pull request: [#7](https://github.com/acme/app/pull/7) |"), "{markdown}");
}

/// An audit says of a rotation what a run would do next, and what a person can do.
#[test]
fn an_audit_shows_the_next_step_of_a_rotation() {
    let mut statuses = soaking();
    statuses.get_mut("ann").unwrap().help = Some("nothing to do; to go back: `keytide rollback`".to_owned());
    let mut report = report(Some(&statuses), true);
    report.add_next_steps(&BTreeMap::from([("ann".to_owned(), "delete the old key".to_owned())]));
    for format in [ReportFormat::Text, ReportFormat::Markdown, ReportFormat::Html] {
        let text = render(&report, format);
        assert!(text.contains("delete the old key") && text.contains("nothing to do; to go back"), "{text}");
    }
}

/// Overdue and exempted keys have no next day; the column says `overdue`.
#[test]
fn the_next_day_is_never_past_nor_of_an_exempted_key() {
    let report = report(None, true);
    let due: Vec<Option<String>> =
        report.user_lines().map(|line| line.next_due.map(|due| due.to_string())).collect();
    assert_eq!(due, [None, Some("2026-12-30T00:00:00Z".to_owned()), None]);
    assert_eq!(report.next_due().map(|due| due.to_string()).as_deref(), Some("2026-12-30T00:00:00Z"));
    let markdown = render(&report, ReportFormat::Markdown);
    assert!(markdown.contains("| 112 d | 1 day ago \\(s3\\) | overdue |"), "{markdown}");
    assert!(
        markdown.contains("\n| | | AKIA0ANNANNANNANNAN2 | active | 3 d |"),
        "once for a user: {markdown}"
    );
    assert!(markdown.starts_with("## keytide · failed: "), "{markdown}");
}

/// The time for a rotation has come: the key has no next day and is not overdue, and both would leave the column empty.
#[test]
fn a_key_whose_time_has_come_is_due_now() {
    let audit = |format: &str| {
        let report = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
                      access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date\n\
                      svc-due,arn:aws:iam::123456789012:user/svc-due,false,true,2026-09-02T12:00:00Z,2026-11-20T00:00:00Z,false,N/A,N/A\n";
        let arguments = ["audit", "--credential-report", "r.csv", "--now", NOW, "--format", format];
        let policy = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: svc-due\n    rotation: {}\n    destinations:\n      \
                      - github_secret: { repository: acme/app, access_key_id: A, secret_access_key: B }\n";
        Keytide::new(&arguments).policy(policy).file("r.csv", report).run().stdout
    };
    let html = audit("html");
    assert!(html.contains("<td>now</td>") && html.contains(">1</b> due now: svc-due</li>"), "{html}");
    let markdown = audit("markdown");
    assert!(markdown.contains(" | now |\n"), "{markdown}");
}

#[test]
fn long_lines_wrap_at_words_for_a_narrow_terminal() {
    let wide = |line: &&str| line.chars().count() > 72 && !line.starts_with(' ') && line.contains(": ");
    let plain = Keytide::new(&["demo"]).run().exits(0).stdout;
    assert!(plain.lines().any(|line| wide(&line)), "a pipe gets whole lines");
    let run = Keytide::new(&["demo"]).env("COLUMNS", "72").run().exits(0);
    let (audit, stories) = run.stdout.split_once("A rotation, from the first").unwrap();
    let table: Vec<&str> = audit.lines().take_while(|line| !line.starts_with("error ")).skip(2).collect();
    assert!(table[0].starts_with("USER ") && !table[0].contains("OLDEST ACTIVE KEY"), "{table:#?}");
    assert!(table.iter().all(|line| line.chars().count() <= 72), "no row breaks: {table:#?}");
    let mut quoted = stories.lines().filter(|line| line.starts_with("        | ") && line.contains(' '));
    assert!(quoted.all(|line| line.chars().count() <= 72 || !line[10..].contains(' ')), "{stories}");
    let findings = audit.split_once("error    ").unwrap().1;
    let long: Vec<&str> = findings.lines().filter(|line| line.chars().count() > 72).collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(
        findings.contains("\n         [key-age]\n") || findings.contains("\n         access key AKIA"),
        "{findings}"
    );
}
