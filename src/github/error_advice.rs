//! Names the permission that a token lacks, by the path of the request that GitHub refused: GitHub's reply does not.

/// What to do about a refusal if GitHub does not say it: which permission the token lacks, by the path of the request.
pub(super) fn error_advice(path: &str, writes: bool, said: &str) -> &'static str {
    if said.contains("not permitted to create or approve pull requests") {
        return "; an owner allows it under Settings, Actions, General, Workflow permissions; or give the token of an app";
    }
    if said.contains("(401)") {
        return "; the token is wrong, or it has expired";
    }
    if !said.contains("not accessible by") {
        return "";
    }
    if path.contains("/secrets") {
        return secrets_advice(path);
    }
    if path.contains("/issues") && !path.ends_with("/labels") {
        return "; the token needs `issues: write`";
    }
    if (path.contains("/pulls") || path.contains("/issues/")) && !writes {
        return "; the token needs `pull-requests: read`";
    }
    if path.contains("/pulls") || path.contains("/issues/") {
        return "; the token needs `pull-requests: write`";
    }
    if path.ends_with("/dispatches") {
        return "; the token needs `actions: write`: in the workflow's `permissions:`, or as a permission of the app";
    }
    if path.contains("/actions/") {
        return "; the token needs `actions: read`";
    }
    // The request does not say whether it is for a branch or for a journal; `references` knows.
    if path.ends_with("/git/refs") || path.contains("/git/refs/") {
        return "";
    }
    if writes { "; the token needs `contents: write`" } else { "; the token needs `contents: read`" }
}

/// Which token may write the secrets at a path, with the permission that an app needs (GitHub, "Permissions required for
/// GitHub Apps").
fn secrets_advice(path: &str) -> &'static str {
    if path.contains("/codespaces/") {
        return "; GitHub lets no app write Codespaces secrets: this needs a person's token, a personal access token";
    }
    if path.contains("/environments/") {
        return "; this needs the token of an app or a person that may write secrets (permission Environments): \
                GITHUB_TOKEN may not";
    }
    if path.contains("/dependabot/") {
        return "; this needs the token of an app or a person that may write secrets (permission Dependabot secrets): \
                GITHUB_TOKEN may not";
    }
    if path.starts_with("/orgs/") {
        return "; this needs the token of an app or a person that may write secrets (permission Secrets of the \
                organization): GITHUB_TOKEN may not";
    }
    "; this needs the token of an app or a person that may write secrets (permission Secrets): GITHUB_TOKEN may not"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_token_lacks() {
        let refused = "GitHub: Resource not accessible by integration (403)";
        for (path, wanted) in [
            ("/repos/a/b/git/trees", "`contents: write`"),
            ("/repos/a/b/pulls", "`pull-requests: write`"),
            ("/repos/a/b/actions/workflows/x/runs", "`actions: read`"),
            ("/repos/a/b/actions/workflows/x/dispatches", "`actions: write`"),
            ("/repos/a/b/environments/x/secrets/public-key", "an app or a person"),
        ] {
            assert!(error_advice(path, true, refused).contains(wanted), "{path}");
        }
        let expired = error_advice("/repos/a/b", false, "GitHub: Bad credentials (401)");
        assert_eq!(expired, "; the token is wrong, or it has expired");
        assert!(error_advice("/repos/a/b/git/trees/x", false, refused).contains("`contents: read`"));
        assert_eq!(error_advice("/repos/a/b/git/refs", true, "GitHub: Reference already exists (422)"), "");
    }

    #[test]
    fn a_refused_secret_names_the_permission_of_its_kind() {
        let refused = "GitHub: Resource not accessible by integration (403)";
        for (path, wanted) in [
            (
                "/repos/a/b/actions/secrets/public-key",
                "an app or a person that may write secrets (permission Secrets)",
            ),
            ("/repos/a/b/environments/x/secrets/public-key", "(permission Environments)"),
            ("/repos/a/b/dependabot/secrets/public-key", "(permission Dependabot secrets)"),
            ("/orgs/a/actions/secrets/public-key", "(permission Secrets of the organization)"),
            ("/repos/a/b/codespaces/secrets/public-key", "a person's token"),
            ("/orgs/a/codespaces/secrets/public-key", "a person's token"),
        ] {
            assert!(error_advice(path, true, refused).contains(wanted), "{path}");
        }
    }
}
