//! `service-credential-count`: a user has more active service-specific credentials than `max_active_service_credentials`.

use super::service_credential_age::usable_credentials;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct ServiceCredentialCount;

static META: RuleMeta = RuleMeta {
    name: "service-credential-count",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "a user has more active service-specific credentials (CodeCommit, Keyspaces, Bedrock) than `max_active_service_credentials`",
    rationale: "Each active credential can leak on its own, and IAM does not say when one was last used, so that a forgotten one stays.",
    remediation: "Find out which credential the application uses, deactivate the others (`aws iam update-service-specific-credential`), wait until you are sure that nothing breaks, then delete them.",
};

impl Rule for ServiceCredentialCount {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(max) = entry.limits.max_active_service_credentials else { continue };
            let active = usable_credentials(&META, user, input, findings);
            if active.len() > max as usize {
                let list: Vec<String> =
                    active.iter().map(|one| format!("{} ({})", one.id, one.service)).collect();
                let plural = if active.len() == 1 { "" } else { "s" };
                let message = format!(
                    "{} active service-specific credential{plural}; the limit is {max}: {}",
                    active.len(),
                    list.join(", ")
                );
                findings.add_user_finding(&META, &user.name, entry.at, message);
            }
        }
    }
}
