//! `invalid-policy`: the policy file is wrong.

use super::{Facts, Finding, Input, Location, Rule, Severity, Text, Verdict};
use crate::diagnostic::Diagnostic;

pub struct InvalidPolicy;

static TEXT: Text = Text {
    name: "invalid-policy",
    severity: Severity::Error,
    input: Input::Policy,
    finds: "the policy file is wrong",
    why: "A policy that cannot be read protects nobody, and a field that is misspelt is a limit that does not hold. `keytide check` looks for key material without one as well, and beside a wrong one.",
    fix: "Correct the file at the place that is named; an editor that knows `policies/schema.json` does it as you type.",
};

impl Rule for InvalidPolicy {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    /// A policy that reached the rules was read without a complaint; [`findings`] tells of those that were not.
    fn check(&self, _: &Facts<'_>, _: &mut Verdict<'_>) {}
}

/// What was wrong with a policy file, as findings.
pub fn findings(diagnostics: &[Diagnostic]) -> Vec<Finding> {
    let finding = |diagnostic: &Diagnostic| Finding {
        rule: TEXT.name,
        severity: TEXT.severity,
        user: None,
        access_key_id: None,
        key_ordinal: None,
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone().unwrap_or_else(|| TEXT.fix.to_owned()),
        excerpt: None,
        identity: None,
        location: Location { file: diagnostic.file.clone(), at: diagnostic.at },
        controls: Vec::new(),
        exempted: None,
    };
    diagnostics.iter().map(finding).collect()
}
