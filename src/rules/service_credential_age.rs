//! `service-credential-age`: an active service-specific credential is older than `max_service_credential_age`, or within
//! `warn_before` of it (a warning).

use super::age_limit::AgeLimit;
use super::input::describe_status_doubt;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::dates::format_day;
use crate::iam::{IamUser, ServiceCredential, SourcedFact, UnknownReason};

pub struct ServiceCredentialAge;

static META: RuleMeta = RuleMeta {
    name: "service-credential-age",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "an active service-specific credential (CodeCommit, Keyspaces, Bedrock) is older than `max_service_credential_age`, or within `warn_before` of it (a warning)",
    rationale: "Such a credential is a password or an API key that works until it is replaced, and neither the credential report nor a rotation of access keys covers it.",
    remediation: "Create a second credential (`aws iam create-service-specific-credential`), deploy it, deactivate the old one, wait, delete it; keytide does not rotate it. Better, remove it: a role can use CodeCommit by `git-remote-codecommit`, Keyspaces by its SigV4 plugin, and Bedrock by short-term API keys.",
};

impl Rule for ServiceCredentialAge {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(max) = entry.limits.max_service_credential_age else { continue };
            for credential in usable_credentials(&META, user, input, findings) {
                let age = input.age_since(credential.created_at);
                let limit = AgeLimit { max, warn_before: entry.limits.warn_before };
                let Some(problem) = limit.find_problem(input, age) else { continue };
                if problem.severity == Severity::Warning && ends_within(credential, max.0) {
                    continue;
                }
                let name = describe_service_credential(credential);
                let message = format!("{name} is {} old; {}", problem.age, problem.limit);
                findings
                    .add_credential_finding(&META, (user, credential), entry.at, message)
                    .set_severity(problem.severity);
            }
        }
    }
}

/// Whether a credential ends before it is older than this: then it never exceeds the limit.
fn ends_within(credential: &ServiceCredential, max: jiff::SignedDuration) -> bool {
    credential.expires_at.is_some_and(|end| end.duration_since(credential.created_at) <= max)
}

/// The credentials of a user that its services may accept, the oldest first. Records why they are not known, unless a
/// fault of the report says so already.
pub fn usable_credentials<'u>(
    rule: &'static RuleMeta,
    user: &'u IamUser,
    input: &RuleInput<'_>,
    findings: &mut FindingCollector<'_>,
) -> Vec<&'u ServiceCredential> {
    if let SourcedFact::Unknown(UnknownReason::NotInSource) = user.service_credentials {
        findings.skip_rule(
            rule,
            "the credential report does not hold service-specific credentials: use `--source auto` or `iam`",
        );
    }
    let mut credentials = user.service_credentials_by_age();
    credentials.retain(|credential| credential.is_usable(input.now));
    credentials
}

/// A credential in a sentence: its ID and its service, and its end if it has one.
pub fn describe_service_credential(credential: &ServiceCredential) -> String {
    let ServiceCredential { id, service, status, expires_at, .. } = credential;
    let end = expires_at.map(|end| format!(" (expires {})", format_day(end))).unwrap_or_default();
    format!("service-specific credential {id} for {service}{end}{}", describe_status_doubt(status))
}
