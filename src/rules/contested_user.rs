//! `contested-user`: the policy files of two repositories list the same IAM user.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, UserListing};

pub struct ContestedUser;

static META: RuleMeta = RuleMeta {
    name: "contested-user",
    severity: Severity::Error,
    required_input: RequiredInput::Fleet,
    summary: "the policy files of two repositories list the same IAM user",
    rationale: "Each repository applies limits of its own, and both may rotate the key: neither knows what the other delivers.",
    remediation: "Keep the entry in the repository that owns the user, and remove it from the others.",
};

/// How many entries a message names.
const SHOWN: usize = 3;

impl Rule for ContestedUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(fleet) = input.fleet else { return };
        for user in &fleet.users {
            let rivals = user.rival_listings();
            if rivals.len() < 2 {
                continue;
            }
            let message = format!("this user is listed by {}", describe_listings(&rivals));
            let finding = findings.add_user_finding(&META, &user.name, fleet.position(), message);
            if let Some(owner) = user.owner.as_deref().and_then(|tag| find_owner(&rivals, tag)) {
                finding.set_help(format!(
                    "The tag `keytide:owner` names {owner}: keep its entry, and remove the user from the others."
                ));
            }
        }
    }
}

/// The repository whose numeric ID the owner's tag holds.
fn find_owner<'a>(listings: &[&'a UserListing], tag: &str) -> Option<&'a str> {
    let id: u64 = tag.parse().ok()?;
    let owner = listings.iter().find(|listing| listing.repository_id == Some(id))?;
    Some(&owner.repository)
}

fn describe_listings(listings: &[&UserListing]) -> String {
    let (shown, rest) = listings.split_at(listings.len().min(SHOWN));
    let mut places: Vec<String> = shown
        .iter()
        .map(|listing| format!("{} ({}:{})", listing.repository, listing.file, listing.line))
        .collect();
    if !rest.is_empty() {
        places.push(format!("{} more", rest.len()));
    }
    let last = places.pop().unwrap_or_default();
    format!("{} and {last}", places.join(", "))
}
