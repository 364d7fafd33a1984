//! `invalid-policy`: the policy file is invalid.

use super::{FileLocation, Finding, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::diagnostic::Diagnostic;

pub struct InvalidPolicy;

static META: RuleMeta = RuleMeta {
    name: "invalid-policy",
    severity: Severity::Error,
    required_input: RequiredInput::Policy,
    summary: "the policy file is invalid",
    rationale: "An invalid policy enforces nothing, and a misspelled field is a limit that does not apply. `keytide check` still searches for key material.",
    remediation: "Fix the file at the given position; an editor that uses `policies/schema.json` shows errors as you type.",
};

impl Rule for InvalidPolicy {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    /// Finds nothing: a policy that reaches the rules is valid, and [`findings_from_diagnostics`] reports an invalid one.
    fn collect_findings(&self, _: &RuleInput<'_>, _: &mut FindingCollector<'_>) {}
}

/// The errors in a policy file as findings.
pub fn findings_from_diagnostics(diagnostics: &[Diagnostic]) -> Vec<Finding> {
    diagnostics.iter().map(finding_from_diagnostic).collect()
}

fn finding_from_diagnostic(diagnostic: &Diagnostic) -> Finding {
    Finding {
        rule: META.name,
        severity: META.severity,
        user: None,
        access_key_id: None,
        key_ordinal: None,
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone().unwrap_or_else(|| META.remediation.to_owned()),
        page: None,
        short_help: None,
        subject: None,
        excerpt: diagnostic.excerpt(),
        identity: None,
        location: FileLocation { file: diagnostic.file.clone(), at: diagnostic.at },
        controls: Vec::new(),
        exempted: None,
    }
}
