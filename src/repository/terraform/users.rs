//! Finds the IAM users that a Terraform file creates, for `keytide init`. A name that Terraform computes is reported as
//! undecided.

use super::evaluate::Evaluator;
use super::folder::ConfigFolder;
use super::instances::{Instances, Scope};
use super::parse::{IAM_USER, Resource, parse_config};
use super::work::WorkBudget;

/// How much work the names of one file may take.
const MAX_WORK: usize = 20_000;

/// What one file says about IAM users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerraformUsers {
    /// The names, each with the line of its resource.
    pub named: Vec<(String, u32)>,
    /// The resources whose names cannot be read, each with its line.
    pub undecided: Vec<(String, u32)>,
}

/// Reads the users of one file.
pub fn find_iam_users(path: &str, bytes: &[u8]) -> TerraformUsers {
    let mut users = TerraformUsers::default();
    // Nearly all files create no user, and are not parsed.
    if memchr::memmem::find(bytes, b"aws_iam_user\"").is_none() {
        return users;
    }
    let config = match parse_config(path, bytes) {
        Ok(config) => config,
        Err(error) => {
            users.undecided.push((format!("{IAM_USER} ({})", error.message), error.at.line));
            return users;
        }
    };
    let folder = ConfigFolder::from_files(vec![(path.to_owned(), config)]);
    let work = WorkBudget::new(MAX_WORK);
    let evaluator = Evaluator::new(&folder, &work);
    for (_, resource) in &folder.resources {
        if resource.kind != IAM_USER || resource.is_data {
            continue;
        }
        match read_names(&evaluator, resource) {
            Some(names) => users.named.extend(names.into_iter().map(|name| (name, resource.at.line))),
            None => users.undecided.push((resource.address(), resource.at.line)),
        }
    }
    users
}

/// Returns the names of the users that a resource creates; `None` when one of them is computed.
fn read_names(evaluator: &Evaluator<'_>, resource: &Resource) -> Option<Vec<String>> {
    let name = resource.attribute("name")?;
    let scopes = match evaluator.list_instances(resource) {
        Instances::One => vec![Scope::default()],
        Instances::Counted(scopes) => scopes,
        Instances::Keyed(scopes) => scopes.into_iter().map(|(_, scope)| scope).collect(),
        Instances::Unknown => return None,
    };
    let names = scopes.iter().map(|scope| evaluator.evaluate(name, scope).to_text());
    names.map(|name| name.filter(|name| is_user_name(name))).collect()
}

/// As [`crate::policy`] takes the name of a user.
pub fn is_user_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}
#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let TerraformUsers { named, undecided } = find_iam_users("x.tf", text.as_bytes());
        let named = named.into_iter().map(|(name, line)| format!("{line} {name}"));
        named.chain(undecided.into_iter().map(|(name, line)| format!("{line} {name}?"))).collect()
    }

    #[test]
    fn literal_names_are_read() {
        let text = "# resource \"aws_iam_user\" \"no\" { name = \"no\" }\nresource \"aws_iam_user\" \"ci\" {\n  name = \"ci-deployer\" // the deployer\n  path = \"/ci/\"\n  tags = { name = \"x\" }\n}\nresource \"aws_iam_user\" \"b\" { name = \"b\" }\n";
        assert_eq!(found(text), ["2 ci-deployer", "7 b"]);
    }

    #[test]
    fn loops_over_literals_are_read() {
        for (each, name) in [
            ("for_each = toset([\"a\", \"b\",])", "each.key"),
            ("for_each = toset([\n    \"a\", # first\n    \"b\"\n  ])", "each.value"),
            ("for_each = { a = \"/x/\", \"b\" = \"/y/\" }", "each.key"),
            ("for_each = {\n    one = { name = \"a\" }\n    two : { name = \"b\" }\n  }", "each.value.name"),
            ("for_each = local.users", "each.value"),
            ("for_each = toset(local.names)", "each.key"),
        ] {
            let text = format!(
                "resource \"aws_iam_user\" \"x\" {{\n  {each}\n  name = \"svc-${{{name}}}\"\n}}\nlocals {{\n  users = {{ k1 = \"a\", k2 = \"b\" }}\n  names = [\"a\", \"b\"]\n}}\n"
            );
            assert_eq!(found(&text), ["1 svc-a", "1 svc-b"], "{each}");
            let bare = text.replace(&format!("\"svc-${{{name}}}\""), name);
            assert_eq!(found(&bare), ["1 a", "1 b"], "{each}");
        }
        let count = "resource \"aws_iam_user\" \"x\" {\n  count = 2\n  name = \"n${count.index}\"\n}\n";
        assert_eq!(found(count), ["1 n0", "1 n1"]);
    }

    #[test]
    fn computed_names_are_undecided() {
        for body in [
            "name = var.name",
            "name = \"${var.prefix}-ci\"",
            "for_each = var.users\n  name = each.key",
            "for_each = local.loop\n  name = each.key",
            "for_each = { for u in local.users : u => u }\n  name = each.key",
            "count = 1000000\n  name = \"n${count.index}\"",
            "count = var.on ? 1 : 0\n  name = \"x\"",
            "name = format(\"%s-ci\", \"a\")",
            "name = \"has space\"",
            "name = \"%{ if true }a%{ endif }\"",
            "path = \"/\"",
            "name = <<EOT\nci\nEOT",
        ] {
            let text = format!(
                "locals {{\n  loop = local.loop\n}}\nresource \"aws_iam_user\" \"x\" {{\n  {body}\n}}\n"
            );
            assert_eq!(found(&text), ["4 aws_iam_user.x?"], "{body}");
        }
    }
}
