//! Finds the IAM users that Terraform files create, for `keytide init`: literal names, and `for_each` and `count` over
//! literals. A name that Terraform computes is reported as undecided, not guessed.

use super::hcl::{self, Block, Part, Value};

/// The largest file that is read, and the most users that one resource may create.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_USERS: usize = 100;

/// What one file says about IAM users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerraformUsers {
    /// The names, each with the line of its resource.
    pub named: Vec<(String, u32)>,
    /// The resources whose names cannot be read, each with its line.
    pub undecided: Vec<(String, u32)>,
}

/// One pass of `for_each` or `count`.
struct Instance {
    key: String,
    value: Value,
}

/// Whether the path is that of a Terraform or OpenTofu file.
pub fn is_terraform(path: &str) -> bool {
    path.ends_with(".tf") || path.ends_with(".tofu")
}

/// Reads the users of one file.
pub fn find_iam_users(bytes: &[u8]) -> TerraformUsers {
    let mut users = TerraformUsers::default();
    // Nearly all files create no user, and are not parsed.
    if bytes.len() > MAX_BYTES || memchr::memmem::find(bytes, b"aws_iam_user\"").is_none() {
        return users;
    }
    let blocks = hcl::parse_blocks(&String::from_utf8_lossy(bytes));
    let locals: Vec<&(String, Value)> =
        blocks.iter().filter(|block| block.kind == "locals").flat_map(|block| &block.attributes).collect();
    for block in &blocks {
        let [kind, name] = &block.labels[..] else { continue };
        if block.kind != "resource" || kind != "aws_iam_user" {
            continue;
        }
        match read_names(block, &locals) {
            Some(names) => users.named.extend(names.into_iter().map(|name| (name, block.line))),
            None => users.undecided.push((format!("aws_iam_user.{name}"), block.line)),
        }
    }
    users
}

/// Returns the names of the users that a resource creates; `None` when one of them is computed.
fn read_names(block: &Block, locals: &[&(String, Value)]) -> Option<Vec<String>> {
    let name = block.attribute("name")?;
    let instances = match (block.attribute("for_each"), block.attribute("count")) {
        (None, None) => vec![Instance { key: String::new(), value: Value::Unknown }],
        (Some(each), None) => read_for_each(each, locals)?,
        (None, Some(Value::Number(count))) => count_instances(*count)?,
        _ => return None,
    };
    let mut names = Vec::new();
    for instance in &instances {
        let name = read_name(name, instance)?;
        if !is_user_name(&name) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn count_instances(count: u64) -> Option<Vec<Instance>> {
    if count > MAX_USERS as u64 {
        return None;
    }
    Some((0..count).map(|index| Instance { key: index.to_string(), value: Value::Unknown }).collect())
}

/// Reads the elements of a literal, or of a local value that is one.
fn read_for_each(each: &Value, locals: &[&(String, Value)]) -> Option<Vec<Instance>> {
    match each {
        Value::Call(function, inner) if function == "toset" => read_for_each(inner, locals),
        Value::Reference(path) => {
            let name = path.strip_prefix("local.")?;
            let (_, value) = locals.iter().find(|(known, _)| known == name)?;
            // A local value that names another one is not followed: it could name itself.
            if matches!(value, Value::Reference(_)) { None } else { read_for_each(value, &[]) }
        }
        Value::List(items) if items.len() <= MAX_USERS => {
            items.iter().map(|item| Some(Instance { key: item.literal()?, value: item.clone() })).collect()
        }
        Value::Map(fields) if fields.len() <= MAX_USERS => {
            let mut instances = Vec::new();
            for (key, value) in fields {
                instances.push(Instance { key: key.clone(), value: value.clone() });
            }
            Some(instances)
        }
        _ => None,
    }
}

fn read_name(name: &Value, instance: &Instance) -> Option<String> {
    match name {
        Value::Text(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(text.clone()),
                Part::Reference(path) => follow_reference(path, instance),
            })
            .collect(),
        Value::Reference(path) => follow_reference(path, instance),
        _ => None,
    }
}

fn follow_reference(path: &str, instance: &Instance) -> Option<String> {
    match path {
        "each.key" | "count.index" if !instance.key.is_empty() => Some(instance.key.clone()),
        "each.value" => instance.value.literal(),
        _ => {
            let field = path.strip_prefix("each.value.")?;
            let Value::Map(fields) = &instance.value else { return None };
            fields.iter().find(|(name, _)| name == field)?.1.literal()
        }
    }
}

/// As [`crate::policy`] takes the name of a user.
fn is_user_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let TerraformUsers { named, undecided } = find_iam_users(text.as_bytes());
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
