//! Judges the exemptions of `fleet.yml`, which each job sees with the users of one account only.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::FleetFinding;

/// The rules about exemptions that a job applies to those of `fleet.yml`.
const IDLE: &str = "idle-exemption";
const EXPIRED: &str = "expired-exemption";

/// Takes the findings about exemptions out of those of the accounts and returns what is true of the fleet: an exemption is
/// idle if it matches nothing in any account, and one that has expired is one finding. `is_whole`: every part of every account
/// was read.
pub fn lift_exemption_findings<'a>(
    accounts: impl ExactSizeIterator<Item = &'a mut BTreeSet<FleetFinding>>,
    is_whole: bool,
) -> BTreeSet<FleetFinding> {
    let (count, mut times) = (accounts.len(), BTreeMap::<FleetFinding, usize>::new());
    for findings in accounts {
        for finding in std::mem::take(findings) {
            if [IDLE, EXPIRED].contains(&&*finding.rule) {
                *times.entry(finding).or_default() += 1;
            } else {
                findings.insert(finding);
            }
        }
    }
    // A part of an account says nothing of idle exemptions, so that such an account is never counted
    times.retain(|finding, times| finding.rule == EXPIRED || (is_whole && *times == count));
    times.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Position;
    use crate::rules::{FileLocation, Severity};

    fn finding(rule: &str) -> FleetFinding {
        FleetFinding {
            severity: Severity::Warning,
            rule: rule.to_owned(),
            user: None,
            access_key_id: None,
            message: "of `admin`".to_owned(),
            help: String::new(),
            location: FileLocation { file: "fleet.yml".to_owned(), at: Position::START },
            exempted: false,
            exemption_reason: None,
            fingerprint: None,
        }
    }

    /// What is lifted out of accounts with these findings; the other findings stay.
    fn lift(accounts: &[&[&str]], is_whole: bool) -> Vec<String> {
        let mut found = Vec::new();
        for rules in accounts {
            found.push(rules.iter().map(|rule| finding(rule)).collect::<BTreeSet<FleetFinding>>());
        }
        let lifted = lift_exemption_findings(found.iter_mut(), is_whole);
        assert!(found.iter().flatten().all(|left| left.rule == "orphan-user"));
        lifted.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn the_rules_have_these_names() {
        assert!([IDLE, EXPIRED].iter().all(|name| crate::rules::find_rule(name).is_some()));
    }

    #[test]
    fn an_exemption_is_judged_once_for_all_accounts() {
        let (idle, both): (&[&str], &[&str]) = (&[IDLE], &[IDLE, EXPIRED, "orphan-user"]);
        assert_eq!(lift(&[both, both], true), [EXPIRED, IDLE]);
        assert_eq!(lift(&[both, &[EXPIRED]], true), [EXPIRED], "used in one account");
        assert_eq!(lift(&[idle, idle], false), [""; 0], "another account may use it");
        assert_eq!(lift(&[], true), [""; 0]);
    }
}
