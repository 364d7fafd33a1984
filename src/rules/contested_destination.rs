//! `contested-destination`: the policy files of two repositories name the same place for a credential.

use super::{
    ContestedPlace, FindingCollector, PlaceWriter, RequiredInput, Rule, RuleInput, RuleMeta, Severity,
};

pub struct ContestedDestination;

static META: RuleMeta = RuleMeta {
    name: "contested-destination",
    severity: Severity::Error,
    required_input: RequiredInput::Fleet,
    summary: "the policy files of two repositories write their credentials to the same place",
    rationale: "Each rotation overwrites the key that the other delivered: the applications of the other repository get the wrong key, or one that is already deleted.",
    remediation: "Keep the destination in one of the repositories, and give the other's users a place of their own.",
};

/// How many repositories or values a message names.
const SHOWN: usize = 3;

impl Rule for ContestedDestination {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(fleet) = input.fleet else { return };
        for place in &fleet.contested_places {
            let verb = if place.values.len() == 1 { "is" } else { "are" };
            let values = name_some(place.values.iter().cloned());
            let writers = name_some(place.writers.iter().map(describe_writer));
            let message = format!("{values} {verb} written by {writers}");
            let finding = findings.add_finding(&META, fleet.position(), message);
            finding.identity = Some(identify(place));
        }
    }
}

fn describe_writer(writer: &PlaceWriter) -> String {
    format!("{} ({}:{})", writer.repository, writer.file, writer.line)
}

/// The first items, and how many more there are.
fn name_some(items: impl ExactSizeIterator<Item = String>) -> String {
    let rest = items.len().saturating_sub(SHOWN);
    let mut named: Vec<String> = items.take(SHOWN).collect();
    if rest > 0 {
        named.push(format!("{rest} more"));
    }
    match named.pop() {
        Some(last) if !named.is_empty() => format!("{} and {last}", named.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// What stays the same when lines move.
fn identify(place: &ContestedPlace) -> String {
    let repositories = place.writers.iter().map(|writer| writer.repository.as_str());
    let values = place.values.iter().map(String::as_str);
    [META.name].into_iter().chain(values).chain(repositories).collect::<Vec<_>>().join("\u{1f}")
}
