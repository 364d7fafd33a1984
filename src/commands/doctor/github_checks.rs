//! Checks what GitHub allows: the token, journals, pull requests, and the rules for the branches of rotations.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, PullRequests as _, RotationBranches as _};

const WRITE_HELP: &str =
    "give it `contents: write` and `pull-requests: write` (a classic token: the scope `repo`)";
const OPEN_PULLS_HELP: &str = "allow it under Settings, Actions, General, Workflow permissions: Allow GitHub Actions to \
                               create and approve pull requests (an organization's owner may have to allow it first); or use the \
                               token of an app with `pull-requests: write`";
/// The types of rules that refuse nothing that a rotation does, or that are compared with it (`find_branch_blocker`). Any other
/// may refuse a step, also one that GitHub adds later.
const DECIDED_RULES: [&str; 9] = [
    "creation",
    "file_extension_restriction",
    "file_path_restriction",
    "max_file_path_length",
    "max_file_size",
    "non_fast_forward",
    "pull_request",
    "required_linear_history",
    "update",
];

/// The kind of a token, by its first letters (GitHub, "Token formats").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `GITHUB_TOKEN`, or the token of an app.
    Installation,
    FineGrained,
    Classic,
    OAuth,
    Unknown,
}

impl TokenKind {
    pub fn of(token: &str) -> Self {
        let kinds = [
            ("ghs_", Self::Installation),
            ("github_pat_", Self::FineGrained),
            ("ghp_", Self::Classic),
            ("gho_", Self::OAuth),
            ("ghu_", Self::OAuth),
        ];
        kinds.iter().find(|(prefix, _)| token.starts_with(prefix)).map_or(Self::Unknown, |(_, kind)| *kind)
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Installation => "GITHUB_TOKEN or the token of an app",
            Self::FineGrained => "a fine-grained token of a person",
            Self::Classic => "a classic token of a person",
            Self::OAuth => "an OAuth token of a person",
            Self::Unknown => "a token of unknown kind",
        }
    }

    /// Whether the setting for `GITHUB_TOKEN` does not apply to it.
    fn is_personal(self) -> bool {
        matches!(self, Self::FineGrained | Self::Classic | Self::OAuth)
    }
}

pub async fn check_token(backend: &LiveBackend, kind: TokenKind) -> Check {
    let push = backend.read_push_permission().await;
    decide_token(backend.repository_name(), kind, push, backend.token_scopes().as_deref())
}

fn decide_token(
    repository: &str,
    kind: TokenKind,
    push: BackendResult<Option<bool>>,
    scopes: Option<&str>,
) -> Check {
    const NAME: &str = "github-token";
    let push = match push {
        Ok(push) => push,
        Err(error) => return Check::from_read_error(NAME, &error, WRITE_HELP),
    };
    let about = format!("{}, for {repository}", kind.describe());
    if kind == TokenKind::Classic
        && let Some(scopes) = scopes
        && !scopes.split(',').any(|scope| matches!(scope.trim(), "repo" | "public_repo"))
    {
        return Check::fail(NAME, format!("{about}: its scopes are `{scopes}`"), WRITE_HELP);
    }
    match push {
        // What GitHub shows there for an app says nothing about the app's permissions.
        _ if kind == TokenKind::Installation => {
            Check::ok(NAME, format!("{about}; GitHub does not show its permissions"))
        }
        Some(false) => Check::fail(NAME, format!("{about}: it may not write to the repository"), WRITE_HELP),
        Some(true) => Check::ok(NAME, format!("{about}: it may write to the repository")),
        None => Check::ok(NAME, format!("{about}; GitHub does not show its permissions")),
    }
}

pub async fn check_journals(backend: &LiveBackend) -> Check {
    decide_journals(backend.list_reference_names("keytide/").await)
}

fn decide_journals(names: BackendResult<Vec<String>>) -> Check {
    const NAME: &str = "journal-reference";
    match names {
        Err(error) => Check::from_read_error(NAME, &error, "give the token `contents: write`"),
        Ok(names) => {
            let journals = names.iter().filter(|name| !name.starts_with("keytide/doctor/")).count();
            Check::ok(NAME, format!("refs/keytide can be read; journals: {journals}"))
        }
    }
}

pub async fn check_pull_requests(backend: &LiveBackend, kind: TokenKind) -> Check {
    let facts = PullRequestFacts {
        is_archived: backend.is_archived(),
        attempt: backend.ensure_may_open().await,
        setting: backend.read_may_workflows_open_pulls().await,
    };
    decide_pull_requests(kind, &facts)
}

struct PullRequestFacts {
    is_archived: bool,
    /// The refusal of an attempt that can open nothing.
    attempt: BackendResult<()>,
    /// Whether the repository lets `GITHUB_TOKEN` open pull requests.
    setting: BackendResult<bool>,
}

fn decide_pull_requests(kind: TokenKind, facts: &PullRequestFacts) -> Check {
    const NAME: &str = "pull-requests";
    if facts.is_archived {
        return Check::fail(NAME, "the repository is archived, so it is read-only", "unarchive it");
    }
    if let Err(error) = &facts.attempt {
        return Check::fail(NAME, error.message.clone(), OPEN_PULLS_HELP);
    }
    match &facts.setting {
        Ok(false) if !kind.is_personal() => {
            let seen = "the repository's setting is off: GITHUB_TOKEN may not open pull requests, the token of an app may";
            Check::warn(NAME, seen, OPEN_PULLS_HELP)
        }
        Ok(false) => Check::ok(NAME, "the setting for GITHUB_TOKEN is off, which this token does not need"),
        Ok(true) => Check::ok(NAME, "the repository lets GitHub Actions open pull requests"),
        Err(error) if is_refusal(error) => Check::ok(
            NAME,
            "GitHub did not refuse an attempt that opens nothing; the token may not read the setting",
        ),
        Err(error) => Check::unknown(NAME, error.message.clone()),
    }
}

/// Whether GitHub answered, and refused.
pub fn is_refusal(error: &BackendError) -> bool {
    matches!(error.kind, ErrorKind::Rejected | ErrorKind::NotFound)
}

/// The branch of a rotation.
pub struct RotationBranch {
    pub name: String,
    /// The files that it will change. Their sizes are not known here.
    pub files: BTreeMap<String, usize>,
}

/// The rules that apply to the branches of rotations.
struct BranchFacts {
    /// Why a branch could not be created or changed.
    blocker: BackendResult<Option<String>>,
    /// The types of all rules.
    types: BackendResult<Vec<String>>,
    /// The existing branches of rotations that are protected; `None`: there is no branch of a rotation.
    protected: BackendResult<Option<Vec<String>>>,
}

/// `branches` are those of the next rotations, each with the files that it will change.
pub async fn check_branch_rules(backend: &LiveBackend, branches: &[RotationBranch]) -> Check {
    let mut facts =
        BranchFacts { blocker: Ok(None), types: Ok(Vec::new()), protected: find_protected(backend).await };
    for RotationBranch { name, files } in branches {
        facts.blocker = backend.find_branch_blocker(name, files).await;
        match (backend.list_branch_rules(name).await, &mut facts.types) {
            (Ok(found), Ok(types)) => types.extend(found),
            (found, types) => *types = found,
        }
        // One branch with a fault is enough for the check to fail
        if !matches!((&facts.blocker, &facts.types), (Ok(None), Ok(_))) {
            break;
        }
    }
    decide_branch_rules(&facts)
}

/// Classic branch protection is visible only at a branch that exists.
async fn find_protected(backend: &LiveBackend) -> BackendResult<Option<Vec<String>>> {
    let names = backend.list_reference_names("heads/keytide/").await?;
    let mut protected = Vec::new();
    // A sample: the pattern of a protection covers all branches of rotations alike
    for name in names.iter().take(10) {
        let branch = name.trim_start_matches("heads/");
        if backend.is_protected_branch(branch).await? {
            protected.push(branch.to_owned());
        }
    }
    Ok(if names.is_empty() { None } else { Some(protected) })
}

fn decide_branch_rules(facts: &BranchFacts) -> Check {
    const NAME: &str = "branch-rules";
    let fix = "except `keytide/**/*` from the rule, or let the token's owner bypass it (Settings, Rules, or Settings, Branches)";
    match &facts.blocker {
        Ok(Some(blocker)) => return Check::fail(NAME, blocker.clone(), fix),
        Err(error) => return Check::from_read_error(NAME, error, "give the token `contents: read`"),
        Ok(None) => {}
    }
    match &facts.protected {
        Ok(Some(protected)) if !protected.is_empty() => {
            let seen = format!("these branches of rotations are protected: {}", protected.join(", "));
            return Check::warn(NAME, seen, fix);
        }
        // A refusal is no fault: a token needs no right to see the protection in order to rotate
        Err(error) if !is_refusal(error) => return Check::unknown(NAME, error.message.clone()),
        _ => {}
    }
    let types = match &facts.types {
        Ok(types) => types,
        Err(error) if is_refusal(error) => {
            return Check::skip(NAME, format!("rulesets are not visible: {}", error.message), "");
        }
        Err(error) => return Check::unknown(NAME, error.message.clone()),
    };
    let risky: BTreeSet<&str> =
        types.iter().map(String::as_str).filter(|rule| !DECIDED_RULES.contains(rule)).collect();
    if !risky.is_empty() {
        let risky = Vec::from_iter(risky).join(", ");
        let seen = format!("these rules apply to `keytide/**` and may refuse a step of a rotation: {risky}");
        return Check::warn(NAME, seen, fix);
    }
    let classic = if matches!(facts.protected, Ok(None) | Err(_)) {
        "; a classic branch protection rule is visible only once such a branch exists"
    } else {
        ""
    };
    Check::ok(NAME, format!("no ruleset restricts `keytide/**`{classic}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{self, Fail, Ok as Good, Skip, Warn};

    fn refused(what: &str) -> BackendError {
        BackendError::new(ErrorKind::Rejected, what)
    }

    fn lost() -> BackendError {
        BackendError::new(ErrorKind::NotApplied, "GitHub did not answer")
    }

    #[test]
    fn a_token_is_judged_by_what_github_shows() {
        let decide = |token: &str, push, scopes| decide_token("a/b", TokenKind::of(token), push, scopes);
        type Case<'a> = (&'a str, BackendResult<Option<bool>>, Option<&'a str>, CheckStatus, bool);
        let cases: [Case<'_>; 8] = [
            ("ghp_x", Ok(Some(true)), Some("repo, workflow"), Good, false),
            ("ghp_x", Ok(Some(true)), Some("read:org"), Fail, false),
            ("ghp_x", Ok(Some(true)), Some(""), Fail, false),
            ("github_pat_x", Ok(Some(false)), None, Fail, false),
            ("ghs_x", Ok(Some(false)), None, Good, false),
            ("x", Ok(None), None, Good, false),
            ("x", Err(refused("no")), None, Fail, false),
            ("x", Err(lost()), None, Skip, true),
        ];
        for (token, push, scopes, status, is_incomplete) in cases {
            let check = decide(token, push, scopes);
            assert_eq!((check.status, check.is_incomplete), (status, is_incomplete), "{token}: {check:?}");
        }
    }

    #[test]
    fn the_setting_for_pull_requests_holds_for_workflows_only() {
        let decide = |token: &str, is_archived, attempt, setting| {
            decide_pull_requests(TokenKind::of(token), &PullRequestFacts { is_archived, attempt, setting })
                .status
        };
        assert_eq!(decide("ghs_x", false, Ok(()), Ok(true)), Good);
        assert_eq!(decide("ghs_x", false, Ok(()), Ok(false)), Warn);
        assert_eq!(decide("ghp_x", false, Ok(()), Ok(false)), Good);
        assert_eq!(decide("ghs_x", false, Err(refused("no")), Ok(true)), Fail);
        assert_eq!(decide("ghs_x", true, Ok(()), Ok(true)), Fail);
        assert_eq!(decide("ghs_x", false, Ok(()), Err(refused("no"))), Good);
        assert_eq!(decide("ghs_x", false, Ok(()), Err(lost())), Skip);
    }

    #[test]
    fn branch_rules_are_judged_by_what_they_refuse() {
        let decide = |blocker, types: BackendResult<Vec<&str>>, protected| {
            let types = types.map(|types| types.into_iter().map(str::to_owned).collect());
            decide_branch_rules(&BranchFacts { blocker, types, protected })
        };
        assert_eq!(decide(Ok(None), Ok(vec!["non_fast_forward", "update"]), Ok(None)).status, Good);
        for kind in ["deletion", "code_scanning", "one_of_a_later_year"] {
            assert_eq!(decide(Ok(None), Ok(vec![kind]), Ok(None)).status, Warn, "{kind}");
        }
        assert!(decide(Ok(None), Ok(vec![]), Ok(None)).seen.contains("classic"));
        assert!(!decide(Ok(None), Ok(vec![]), Ok(Some(vec![]))).seen.contains("classic"));
        assert_eq!(decide(Ok(None), Ok(vec!["required_signatures"]), Ok(None)).status, Warn);
        assert_eq!(decide(Ok(None), Ok(vec![]), Ok(Some(vec!["keytide/a/1".into()]))).status, Warn);
        assert_eq!(decide(Ok(Some("a rule".into())), Ok(vec![]), Ok(None)).status, Fail);
        let unknown = decide(Err(lost()), Ok(vec![]), Ok(None));
        assert!(unknown.status == Skip && unknown.is_incomplete);
        let invisible = decide(Ok(None), Err(refused("no")), Err(refused("no")));
        assert!(invisible.status == Skip && !invisible.is_incomplete);
    }
}
