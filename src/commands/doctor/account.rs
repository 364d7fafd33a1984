//! Connects to the AWS account, and checks that it is the policy's.

use super::check::{Check, CheckStatus};
use crate::aws::connect::{self, AwsAccount, CallerAccount};
use crate::aws::iam::IamClient;
use crate::commands::cli::AwsArgs;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::error::{CommandError, ExitStatus};
use crate::live::LiveBackend;
use crate::policy::Policy;

const CREDENTIALS: &str = "aws-credentials";
const ACCOUNT: &str = "aws-account";
/// AWS's words for credentials that it does not accept; any other failure can be one of the network.
const REFUSALS: [&str; 9] = [
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
    "no AWS credentials were found",
    "GitHub gave no OIDC token",
    "Not authorized to perform",
];

/// The account of the credentials.
pub struct Account {
    connected: AwsAccount,
    iam: IamClient,
}

impl Account {
    pub fn caller(&self) -> &CallerAccount {
        &self.connected.caller
    }

    pub fn iam(&self) -> &IamClient {
        &self.iam
    }

    /// Gives the backend the account, for the destinations that are in AWS.
    pub fn add_to(&self, backend: LiveBackend) -> LiveBackend {
        backend.with_account(self.connected.config.clone(), &self.caller().account)
    }
}

/// How the run connects.
pub struct AccountRequest<'a> {
    pub aws: &'a AwsArgs,
    pub policy: Option<&'a Policy>,
    /// Whether variables may name AWS's endpoints; not in a run that writes.
    pub trusts_environment: bool,
}

/// The account, if it may be asked, and the checks of it.
pub async fn connect_account(
    context: &Context<'_>,
    request: &AccountRequest<'_>,
) -> (Option<Account>, Vec<Check>) {
    let account = match open_account(context, request).await {
        Ok(account) => account,
        Err(error) => return (None, vec![explain_connection(&error)]),
    };
    let credentials = Check::ok(CREDENTIALS, account.caller().arn.clone());
    let check = match request.policy {
        Some(policy) => {
            decide_account(policy.account.as_ref().map(|id| id.0.as_str()), &account.caller().account)
        }
        None => Check::skip(ACCOUNT, "no policy file could be read", "see `policy-file`"),
    };
    // The credentials may belong to an account that the policy is not for: it is asked nothing more.
    let may_ask = check.status != CheckStatus::Fail;
    (if may_ask { Some(account) } else { None }, vec![credentials, check])
}

async fn open_account(context: &Context<'_>, request: &AccountRequest<'_>) -> Result<Account, CommandError> {
    let role = request.policy.and_then(|policy| policy.role_arn.clone());
    let access = connection::prepare_access(context, role, request.aws, request.trusts_environment).await?;
    let connected = connect::connect_account(&access).await?;
    let iam = IamClient::new(connect::iam_client(&connected.config));
    Ok(Account { connected, iam })
}

fn explain_connection(error: &CommandError) -> Check {
    let is_refused = REFUSALS.iter().any(|words| error.message.contains(words));
    if error.exit == ExitStatus::Invalid || is_refused {
        let fix = error.help.clone().unwrap_or_default();
        return Check::fail(CREDENTIALS, error.message.clone(), fix);
    }
    Check::unknown(CREDENTIALS, error.message.clone())
}

fn decide_account(wanted: Option<&str>, found: &str) -> Check {
    match wanted {
        Some(wanted) if wanted == found => Check::ok(ACCOUNT, format!("{found}, as the policy file says")),
        Some(wanted) => Check::fail(
            ACCOUNT,
            format!("the credentials belong to account {found}, and the policy file is for {wanted}"),
            "use credentials of that account, or correct `account` in the policy file",
        ),
        None => Check::warn(
            ACCOUNT,
            format!("{found}; the policy file names no account"),
            "add `account` to the policy file, so that no other account is ever changed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Warn};

    #[test]
    fn another_account_is_a_failure() {
        assert_eq!(decide_account(Some("123456789012"), "123456789012").status, Good);
        assert_eq!(decide_account(Some("123456789012"), "210987654321").status, Fail);
        assert_eq!(decide_account(None, "123456789012").status, Warn);
    }

    #[test]
    fn no_answer_is_no_refusal() {
        let refused = CommandError::incomplete("sts:GetCallerIdentity failed: ExpiredToken: x");
        assert_eq!(explain_connection(&refused).status, Fail);
        let lost = CommandError::incomplete("sts:GetCallerIdentity failed: no usable answer in time");
        assert!(explain_connection(&lost).is_incomplete);
    }
}
