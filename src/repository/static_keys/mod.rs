//! Finds the places where the configuration of a CI service passes a static access key, for the rule `static-key-workflow`:
//! GitHub's workflows and actions, GitLab CI/CD, CircleCI.

mod circleci;
mod github;
mod gitlab;
mod key_names;
mod script;
mod usage;

use self::usage::CiKeys;
use crate::diagnostic::{Position, SourceText};
use crate::yaml::read_file;
pub use usage::{InheritedSecrets, StaticKey, StaticKeyUse};

/// The largest file that is parsed; GitHub's own limit is lower.
const MAX_BYTES: usize = 1024 * 1024;
/// Every file with a static key has one of these. Nearly all files have none, and are not parsed.
const MARKS: [&[u8]; 6] =
    [b"ACCESS_KEY", b"access_key", b"access-key", b"ACCESS-KEY", b"AWS_KEY_ID", b"inherit"];

/// The CI service that reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CiService {
    Github,
    Gitlab,
    CircleCi,
}

/// Whether the path is that of a workflow or of an action of GitHub.
pub fn is_workflow(path: &str) -> bool {
    ci_service(path) == Some(CiService::Github)
}

fn ci_service(path: &str) -> Option<CiService> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !name.ends_with(".yml") && !name.ends_with(".yaml") {
        return None;
    }
    // GitHub does not run workflows in folders below this one.
    if folder == ".github/workflows" || matches!(name, "action.yml" | "action.yaml") {
        return Some(CiService::Github);
    }
    if folder == ".circleci" || folder.starts_with(".circleci/") {
        return Some(CiService::CircleCi);
    }
    let is_gitlab = name.ends_with(".gitlab-ci.yml") || name.ends_with(".gitlab-ci.yaml");
    if is_gitlab || folder == ".gitlab" || folder.starts_with(".gitlab/") {
        Some(CiService::Gitlab)
    } else {
        None
    }
}

/// Finds the static keys in a file of a CI service; in any other there are none.
pub fn find_static_keys(path: &str, bytes: &[u8]) -> CiKeys {
    let mut found = CiKeys::default();
    let Some(service) = ci_service(path).filter(|_| has_mark(bytes)) else { return found };
    if bytes.len() > MAX_BYTES {
        found.keys.push(too_large());
        return found;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            let at = SourceText::new(before).position(before.len());
            found.keys.push(unreadable(at, "it is not UTF-8".to_owned()));
            return found;
        }
    };
    // What is complete before a syntax error is looked at.
    let (file, error) = read_file(text, crate::yaml::ReadMode::Inspect);
    let source = SourceText::new(text);
    for root in &file.roots {
        match service {
            CiService::Github => github::collect_keys(&source, root, &mut found),
            CiService::Gitlab => gitlab::collect_keys(&source, root, &mut found),
            CiService::CircleCi => circleci::collect_keys(&source, root, &mut found),
        }
    }
    if let Some(error) = error {
        found.keys.push(unreadable(error.at, format!("it is not valid YAML ({})", error.message)));
    }
    found
}

/// What a part of a file of a CI service says where the file is too large to be read at once.
pub fn find_in_part(path: &str, part: &[u8]) -> Option<StaticKey> {
    let may_pass_key = ci_service(path).is_some() && has_mark(part);
    may_pass_key.then(too_large)
}

fn has_mark(bytes: &[u8]) -> bool {
    MARKS.iter().any(|mark| memchr::memmem::find(bytes, mark).is_some())
}

fn too_large() -> StaticKey {
    unreadable(Position::START, format!("it is larger than {MAX_BYTES} bytes"))
}

/// What a file may pass that cannot be read.
fn unreadable(at: Position, reason: String) -> StaticKey {
    StaticKey { at, usage: StaticKeyUse::Unreadable(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::NAMES_READ;

    fn found(with: &str) -> Vec<StaticKey> {
        let text = format!(
            "jobs:\n  a:\n    steps:\n      - uses: aws-actions/configure-aws-credentials@v4\n        with:\n{with}"
        );
        find_static_keys(".github/workflows/a.yml", text.as_bytes()).keys
    }

    #[test]
    fn a_key_from_a_secret_is_static_and_one_with_a_token_is_not() {
        let key = "          aws-access-key-id: ${{ secrets.ID }}\n";
        let keys = found(key);
        assert_eq!((keys.len(), keys[0].at.line, keys[0].at.column), (1, 6, 11));
        assert_eq!(
            keys[0].usage,
            StaticKeyUse::Action("aws-actions/configure-aws-credentials@v4".to_owned())
        );
        assert_eq!(found(&format!("{key}          aws-session-token: x\n")), []);
        assert_eq!(found("          aws-access-key-id: ${{ steps.a.outputs.id }}\n"), []);
        assert_eq!(found("          role-to-assume: arn # access-key\n"), []);
        let literal = ["AKIA", "QNZGKIQY56JQ7WML"].concat();
        assert_eq!(found(&format!("          aws-access-key-id: {literal}\n")).len(), 1);
        assert_eq!(found("          aws-access-key-id: testing\n"), []);
    }

    #[test]
    fn a_service_is_known_by_the_path() {
        use CiService::{CircleCi, Github, Gitlab};
        for (path, service) in [
            (".github/workflows/ci.yml", Some(Github)),
            ("tools/action.yaml", Some(Github)),
            (".github/workflows/x/ci.yml", None),
            ("ci.yml", None),
            (".gitlab-ci.yml", Some(Gitlab)),
            ("app/.gitlab-ci.yml", Some(Gitlab)),
            (".gitlab/ci/deploy.yml", Some(Gitlab)),
            ("templates/deploy.gitlab-ci.yml", Some(Gitlab)),
            (".circleci/config.yml", Some(CircleCi)),
            (".circleci/README.md", None),
        ] {
            assert_eq!(ci_service(path), service, "{path}");
        }
    }

    #[test]
    fn a_broken_file_has_a_place_and_what_is_before_it() {
        let text = "env:\n  AWS_ACCESS_KEY_ID: ${{ secrets.A }}\njobs: [\n";
        let keys = find_static_keys(".github/workflows/a.yml", text.as_bytes()).keys;
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert_eq!(keys[0].usage, StaticKeyUse::Variable("AWS_ACCESS_KEY_ID".to_owned()));
        assert!(matches!(keys[1].usage, StaticKeyUse::Unreadable(_)) && keys[1].at.line >= 3);
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_may_pass_a_key() {
        let text = "env:\n  AWS_ACCESS_KEY_ID: ${{ secrets.A }}\n";
        let read = |bytes: &[u8]| {
            let keys = find_static_keys(".github/workflows/a.yml", bytes).keys;
            let [StaticKey { at, usage: StaticKeyUse::Unreadable(reason) }] = &keys[..] else {
                panic!("{keys:?}")
            };
            format!("{}:{} {reason}", at.line, at.column)
        };
        let large = format!("{text}{}", "# x\n".repeat(MAX_BYTES / 4));
        assert_eq!(read(large.as_bytes()), "1:1 it is larger than 1048576 bytes");
        assert_eq!(read(&[text.as_bytes(), b"# \xff\n"].concat()), "3:3 it is not UTF-8");
        // Nearly all files pass no key, whatever else they are.
        assert_eq!(find_static_keys(".github/workflows/a.yml", b"on: push # \xff\n"), CiKeys::default());
    }

    /// Each variable is read a few times, however many steps, scripts and actions there are.
    #[test]
    fn the_work_of_many_variables_and_steps_is_linear() {
        const COUNT: usize = 1_000;
        let variables: String = (0..COUNT).map(|n| format!("  V{n}: x\n")).collect();
        let github = format!("env:\n{variables}jobs:\n  a:\n    steps:\n");
        let gitlab = format!("variables:\n{variables}script:\n");
        for (path, head, step, keys) in [
            (".github/workflows/a.yml", &github, "env: {a: b}", 0),
            (".github/workflows/a.yml", &github, "run: AWS_ACCESS_KEY_ID=$X", 0),
            (".github/workflows/a.yml", &github, "{uses: aws/x, with: {access-key-id: '${{env.X}}'}}", COUNT),
            (".gitlab-ci.yml", &gitlab, "AWS_ACCESS_KEY_ID=$X", COUNT),
        ] {
            let text = format!("# access-key\n{head}{}", format!("    - {step}\n").repeat(COUNT));
            let before = NAMES_READ.get();
            assert_eq!(find_static_keys(path, text.as_bytes()).keys.len(), keys, "{step}");
            let read = NAMES_READ.get() - before;
            assert!((COUNT..50 * COUNT).contains(&read), "{step}: {read} names");
        }
    }
}
