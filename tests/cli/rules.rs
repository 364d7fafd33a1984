//! Each rule on small accounts: `tests/fixtures/rules/<rule>/<case>.yml` and, beside it, what the rule says.

use std::collections::BTreeMap;

use keytide::diagnostic::Position;
use keytide::iam::sample::SampleAccount;
use keytide::policy::{PolicySource, read_policy};
use keytide::repository::RepositoryIdentity;
use keytide::rotation::RotationPhase;
use keytide::rotation::waiting::RotationWait;
use keytide::rules::{
    self, ContestedPlace, FleetFacts, FleetUser, PlaceWriter, RotationStatus, RuleInput, UnusableKey,
    UserListing,
};
use serde::Deserialize;

use crate::support::{blessing, matches_file, root};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    now: jiff::Timestamp,
    repository_id: Option<u64>,
    policy: String,
    account: serde_yaml::Value,
    #[serde(default)]
    rotations: BTreeMap<String, SampleStanding>,
    fleet: Option<SampleFleet>,
}

/// An account of a fleet, as a case writes it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SampleFleet {
    account: String,
    listed_at: Option<Position>,
    repositories: Vec<String>,
    unread: Option<String>,
    users: Vec<SampleUser>,
    contested: Vec<SamplePlace>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SamplePlace {
    values: Vec<String>,
    writers: Vec<SampleListing>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SampleUser {
    name: String,
    keys: usize,
    owner: Option<String>,
    claimed_by: Vec<String>,
    listings: Vec<SampleListing>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SampleListing {
    repository: String,
    id: Option<u64>,
    line: u32,
    named: bool,
}

impl SampleFleet {
    fn facts(&self) -> FleetFacts {
        let listing = |sample: &SampleListing| UserListing {
            repository: sample.repository.clone(),
            repository_id: sample.id,
            file: ".github/keytide.yml".to_owned(),
            line: sample.line,
            is_by_name: sample.named,
        };
        let user = |sample: &SampleUser| FleetUser {
            name: sample.name.clone(),
            keys: sample.keys,
            listings: sample.listings.iter().map(listing).collect(),
            claimed_by: sample.claimed_by.clone(),
            owner: sample.owner.clone(),
        };
        let writer = |sample: &SampleListing| PlaceWriter {
            repository: sample.repository.clone(),
            file: ".github/keytide.yml".to_owned(),
            line: sample.line,
        };
        let place = |sample: &SamplePlace| ContestedPlace {
            values: sample.values.clone(),
            writers: sample.writers.iter().map(writer).collect(),
        };
        FleetFacts {
            account: self.account.clone(),
            listed_at: self.listed_at,
            repositories: self.repositories.clone(),
            users: self.users.iter().map(user).collect(),
            unread: self.unread.clone(),
            contested_places: self.contested.iter().map(place).collect(),
        }
    }
}

/// How a rotation stands, as a case writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleStanding {
    phase: String,
    why: String,
    #[serde(default)]
    under_way: bool,
    waits_since: Option<jiff::Timestamp>,
    touched: Option<jiff::Timestamp>,
    soaking: Option<(String, jiff::Timestamp)>,
    #[serde(default)]
    unusable: Vec<(String, String, String)>,
}

impl SampleStanding {
    fn standing(&self) -> RotationStatus {
        let phase = RotationPhase::ALL.into_iter().find(|phase| phase.name() == self.phase).unwrap();
        RotationStatus {
            phase,
            reason: self.why.clone(),
            help: None,
            under_way: self.under_way,
            retires: false,
            pull_request_url: None,
            wait: self.waits_since.map(|since| match phase {
                RotationPhase::Soaking => RotationWait::for_deletion(since),
                _ => RotationWait::since(since),
            }),
            last_entry_at: self.touched,
            deactivated_key: self.soaking.clone(),
            unusable_keys: self.unusable.iter().map(unusable).collect(),
            unread_destinations: Vec::new(),
        }
    }
}

fn unusable((place, key, state): &(String, String, String)) -> UnusableKey {
    let states = ["is inactive", "does not exist", "holds no access key of this user"];
    let state = states.into_iter().find(|known| known == state).unwrap();
    let access_key_id = Some(key.clone()).filter(|key| !key.is_empty());
    UnusableKey { destination: place.clone(), access_key_id, state }
}

/// What one rule says of a case, a line each.
fn verdict(rule: &str, case: &Case) -> String {
    let source = PolicySource {
        file: "keytide.yml",
        bytes: case.policy.as_bytes(),
        read_base: &|_| keytide::repository::FileContent::Absent,
    };
    let policy = read_policy(&source, &rules::exemptible_rules()).unwrap_or_else(|faults| {
        panic!(
            "{}",
            faults.iter().map(|f| f.render(keytide::text_style::TextStyle::default())).collect::<String>()
        )
    });
    let account = SampleAccount::parse(&serde_yaml::to_string(&case.account).unwrap()).unwrap();
    let inventory = account.into_inventory(policy.user_names(), case.now);
    let repository = RepositoryIdentity { name: None, id: case.repository_id };
    let standing = |(user, sample): (&String, &SampleStanding)| (user.clone(), sample.standing());
    let rotations = case.rotations.iter().map(standing).collect();
    let fleet = case.fleet.as_ref().map(SampleFleet::facts);
    let facts = RuleInput {
        policy: &policy,
        inventory: Some(&inventory),
        files: None,
        rotations: Some(&rotations),
        repository: &repository,
        fleet: fleet.as_ref(),
        now: case.now,
    };
    let (findings, skipped) = rules::run_rules(&facts);
    let mut out = format!("# {}\n", case.about);
    for finding in findings.iter().filter(|finding| finding.rule == rule) {
        let (at, user) = (finding.location.at, finding.user.as_deref().unwrap_or("-"));
        let exempt = finding
            .exempted
            .as_ref()
            .map(|accepted| format!(" (exempted: {})", accepted.reason))
            .unwrap_or_default();
        let severity = finding.severity.as_str();
        out.push_str(&format!("{}:{} {severity} {user}: {}{exempt}\n", at.line, at.column, finding.message));
    }
    for skipped in skipped.iter().filter(|skipped| skipped.rule == rule) {
        out.push_str(&format!("not fully checked: {}\n", skipped.reason));
    }
    out
}

#[test]
fn every_case_says_what_is_written_beside_it() {
    for rule in rules::ALL_RULES.iter().map(|rule| rule.rule_meta().name) {
        let mut files: Vec<_> = cases(rule).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let case: Case =
                serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            matches_file(&file.with_extension("txt"), &verdict(rule, &case));
        }
    }
}

/// A rule without a case that it finds something in, and one line in which it stays silent, is not tested.
#[test]
fn every_rule_has_cases() {
    // Rules about files have their cases in `tests/cli/check_rules.rs`, where there are files.
    let account = rules::ALL_RULES
        .iter()
        .map(|rule| rule.rule_meta())
        .filter(|text| text.required_input != rules::RequiredInput::Files);
    for rule in account.map(|text| text.name).filter(|name| *name != "invalid-policy") {
        let found = cases(rule).any(|file| {
            let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
            expected.lines().any(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        });
        // While it is blessed, another test writes what this one reads
        let is_blessed = blessing();
        assert!(found || is_blessed, "tests/fixtures/rules/{rule}/ needs a case with a finding");
    }
}

fn cases(rule: &str) -> impl Iterator<Item = std::path::PathBuf> {
    let folder =
        std::fs::read_dir(root().join("tests/fixtures/rules").join(rule)).into_iter().flatten().flatten();
    folder
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
}
