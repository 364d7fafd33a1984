//! Finds out which account a policy file is for without reading the rest of it: most policy files of a fleet are for another
//! account than the one of the job, and a file with errors still belongs to its account.

use crate::policy::RoleArn;
use crate::policy::scalar::{AccountId, Scalar};
use crate::yaml::strict::{decode_utf8, parse_strict};
use crate::yaml::{NodeKind, YamlNode};

/// The account that `account` names, else that of `role_arn`; `None` if neither can be read.
pub fn find_policy_account(bytes: &[u8]) -> Option<String> {
    let text = decode_utf8(bytes).ok()?;
    let (root, _) = parse_strict(text);
    let root = root?;
    if let Some(account) = field_text(&root, "account").and_then(|text| AccountId::parse(text).ok()) {
        return Some(account.0);
    }
    let role = RoleArn::parse(field_text(&root, "role_arn")?).ok()?;
    Some(role.account_id().to_owned())
}

fn field_text<'n>(root: &'n YamlNode, name: &str) -> Option<&'n str> {
    let NodeKind::Map(fields) = &root.kind else { return None };
    fields.iter().find(|field| field.name() == name)?.value.scalar_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_in_a_file_with_errors_too() {
        for (text, account) in [
            ("version: 1\naccount: \"123456789012\"\nusers: [{ name: a }]\n", Some("123456789012")),
            ("version: 7\naccount: \"123456789012\"\nuser: []\n", Some("123456789012")),
            ("role_arn: arn:aws:iam::210987654321:role/x\n", Some("210987654321")),
            ("account: 12\nrole_arn: arn:aws:iam::210987654321:role/x\n", Some("210987654321")),
            ("version: 1\nusers: []\n", None),
            ("account: [\n", None),
            ("- account\n", None),
            ("", None),
        ] {
            assert_eq!(find_policy_account(text.as_bytes()).as_deref(), account, "{text}");
        }
    }
}
