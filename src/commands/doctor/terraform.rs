//! Checks whether Terraform manages an access key that keytide would rotate: its next apply would undo the rotation.

use super::check::Check;
use crate::live::LiveBackend;
use crate::ports::{BackendResult, RepositoryContents as _};
use crate::repository::{ACCESS_KEY, ManagedKey, ManagedKeys, find_managed_keys, is_terraform_input};

const NAME: &str = "terraform";
/// More files than this are not read: each is a request.
const MAX_FILES: usize = 60;

/// What the Terraform files of the default branch say.
#[derive(Debug, Default, PartialEq, Eq)]
struct TerraformFacts {
    files: usize,
    unread: usize,
    managed: ManagedKeys,
}

pub async fn check_terraform(backend: &LiveBackend, rotated: &[&str]) -> Check {
    match read_terraform(backend).await {
        Ok(facts) => decide_terraform(&facts, rotated),
        Err(error) => Check::from_read_error(NAME, &error, "give the token `contents: read`"),
    }
}

async fn read_terraform(backend: &LiveBackend) -> BackendResult<TerraformFacts> {
    let head = backend.read_default_head().await?;
    let mut paths = backend.list_paths(&head).await?;
    paths.retain(|path| is_terraform_input(path));
    let mut files = Vec::new();
    for path in paths.iter().take(MAX_FILES) {
        if let Some(bytes) = backend.read_file(&head, path).await? {
            files.push((path.clone(), bytes));
        }
    }
    let unread = paths.len().saturating_sub(MAX_FILES);
    Ok(TerraformFacts { files: files.len(), unread, managed: find_managed_keys(&files) })
}

fn removal_advice(address: &str) -> String {
    format!(
        "first `terraform state rm {address}`, then remove it from the configuration (in the other order the next apply deletes \
         the key), or remove `rotation:`: the next apply would undo a rotation"
    )
}

fn decide_terraform(facts: &TerraformFacts, rotated: &[&str]) -> Check {
    let keys = &facts.managed.keys;
    let mut managed = Vec::new();
    for key in keys {
        let users = key.users.iter().filter(|user| rotated.contains(&user.as_str()));
        managed.extend(users.map(|user| (key, user)));
    }
    if let Some((key, user)) = managed.first() {
        let more = match managed.len() {
            1 => String::new(),
            count => {
                format!("; Terraform manages {count} keys that keytide rotates, which `keytide check` lists")
            }
        };
        let seen = format!("{} of {} manages the access key of `{user}`{more}", key.address, key.file);
        return Check::fail(NAME, seen, removal_advice(&key.address));
    }
    if let Some(ManagedKey { address, file, .. }) = keys.iter().find(|key| key.is_undecided) {
        let seen = format!("{address} of {file} manages an access key: cannot tell whose");
        return Check::warn(
            NAME,
            seen,
            format!("if it is one that keytide rotates: {}", removal_advice(address)),
        );
    }
    if let Some(broken) = facts.managed.unread.first() {
        let seen = format!("cannot tell: {} cannot be read ({})", broken.file, broken.message);
        return Check::warn(NAME, seen, format!("`{ACCESS_KEY}` is in it: see whose key it is"));
    }
    if facts.unread > 0 {
        let seen =
            format!("cannot tell: {} Terraform files were read, and {} were not", facts.files, facts.unread);
        return Check::warn(NAME, seen, format!("`git grep {ACCESS_KEY}` finds such a resource"));
    }
    Check::ok(
        NAME,
        format!("no file manages the keys; Terraform files of the default branch: {}", facts.files),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Warn};

    fn facts(text: &str) -> TerraformFacts {
        let files = [("iam.tf".to_owned(), text.as_bytes().to_vec())];
        TerraformFacts { files: 1, unread: 0, managed: find_managed_keys(&files) }
    }

    #[test]
    fn a_managed_key_is_found_by_its_user() {
        let literal =
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"ci-deployer\" # the deployer\n}\n";
        let named = "resource \"aws_iam_user\" \"u\" {\n  name = \"ci-deployer\"\n  tags = {\n    name = \"x\"\n  }\n}\n\
                     resource \"aws_iam_access_key\" \"ci\" {\n  user = aws_iam_user.u.name\n}\n";
        for text in [literal, named] {
            let check = decide_terraform(&facts(text), &["ci-deployer"]);
            assert_eq!(check.status, Fail, "{text}");
            assert!(check.fix.contains("terraform state rm aws_iam_access_key.ci"), "{}", check.fix);
            assert_eq!(decide_terraform(&facts(text), &["other"]).status, Good, "{text}");
        }
    }

    #[test]
    fn the_number_of_managed_keys_is_said() {
        let key =
            |name: &str| format!("resource \"aws_iam_access_key\" \"{name}\" {{\n  user = \"{name}\"\n}}\n");
        let all = decide_terraform(&facts(&["a", "b", "c"].map(key).concat()), &["a", "b"]);
        assert!(all.seen.contains("Terraform manages 2 keys that keytide rotates"), "{}", all.seen);
        assert!(
            all.fix.starts_with("first `terraform state rm aws_iam_access_key.a`, then remove"),
            "{}",
            all.fix
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in [
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = var.user\n}\n",
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"${var.x}-ci\"\n}\n",
            "resource \"aws_iam_access_key\" \"ci\" {\n  for_each = local.users\n  user = each.key\n}\n",
            "resource \"aws_iam_access_key\" \"ci\" {\n  user =\n",
        ] {
            assert_eq!(decide_terraform(&facts(text), &["ci-deployer"]).status, Warn, "{text}");
        }
        assert_eq!(
            decide_terraform(&facts("# resource \"aws_iam_access_key\" \"x\" {\n"), &["x"]).status,
            Good
        );
        let unread = TerraformFacts { unread: 1, ..TerraformFacts::default() };
        assert_eq!(decide_terraform(&unread, &["x"]).status, Warn);
    }
}
