//! Finds the access keys that Terraform manages, and their users as far as the files say them.

use std::collections::BTreeMap;

use super::evaluate::Evaluator;
use super::folder::ConfigFolder;
use super::instances::{Instances, Scope};
use super::parse::{ACCESS_KEY, ConfigError, IAM_USER, Resource, is_variable_values, parse_config};
use super::users::is_user_name;
use super::work::WorkBudget;
use crate::diagnostic::Position;

/// How much work the keys of one folder may take, and those of all folders. The users of the rest are unknown.
const FOLDER_WORK: usize = 200_000;
const TOTAL_WORK: usize = 10 * FOLDER_WORK;
/// What each further user of a key costs beside the text of its address: it becomes a finding of its own.
const USER_WORK: usize = 50;

/// What the files say about access keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedKeys {
    pub keys: Vec<ManagedKey>,
    /// The files that name the resource and cannot be read.
    pub unread: Vec<UnreadConfig>,
}

/// A resource that manages access keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedKey {
    pub file: String,
    pub at: Position,
    /// `aws_iam_access_key.NAME`.
    pub address: String,
    pub users: Vec<String>,
    /// The users depend on the defaults of variables.
    pub is_by_default: bool,
    /// It is also, or only, of users that the files do not say.
    pub is_undecided: bool,
}

/// A file that names the resource and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadConfig {
    pub file: String,
    pub at: Position,
    pub message: String,
}

/// Whether a configuration file may manage an access key: most need not be parsed.
pub fn mentions_access_key(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, ACCESS_KEY.as_bytes()).is_some()
}

/// The blocks that an access key, and the name of its user, can come from.
const RELEVANT_BLOCKS: [&str; 4] = [ACCESS_KEY, IAM_USER, "locals", "variable"];

/// Whether a file beside an access key may say something about its user. To parse a file costs a thousand times as much.
fn is_relevant(path: &str, bytes: &[u8]) -> bool {
    is_variable_values(path)
        || RELEVANT_BLOCKS.iter().any(|word| memchr::memmem::find(bytes, word.as_bytes()).is_some())
}

/// Finds the access keys in files of any folders; each folder is a configuration of its own.
pub fn find_managed_keys(files: &[(String, Vec<u8>)]) -> ManagedKeys {
    let mut folders: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
    for (path, bytes) in files {
        folders.entry(folder_of(path)).or_default().push((path.as_str(), bytes.as_slice()));
    }
    let (mut found, total) = (ManagedKeys::default(), WorkBudget::new(TOTAL_WORK));
    for mut files in folders.into_values() {
        if files.iter().any(|(_, bytes)| mentions_access_key(bytes)) {
            files.sort_unstable();
            read_folder(&files, &total, &mut found);
        }
    }
    found
}

/// The folder of a file, without the name: a configuration of Terraform.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn read_folder(files: &[(&str, &[u8])], total: &WorkBudget, found: &mut ManagedKeys) {
    let mut configs = Vec::new();
    for (path, bytes) in files.iter().filter(|(path, bytes)| is_relevant(path, bytes)) {
        match parse_config(path, bytes) {
            Ok(config) => configs.push(((*path).to_owned(), config)),
            Err(ConfigError { at, message }) if mentions_access_key(bytes) => {
                found.unread.push(UnreadConfig { file: (*path).to_owned(), at, message });
            }
            // Its variables and local values are unknown then.
            Err(_) => {}
        }
    }
    let folder = ConfigFolder::from_files(configs);
    let work = WorkBudget::new(FOLDER_WORK.min(total.left()));
    let evaluator = Evaluator::new(&folder, &work);
    for (file, resource) in &folder.resources {
        if resource.kind == ACCESS_KEY && !resource.is_data {
            found.keys.extend(read_key(&evaluator, &work, file, resource));
        }
    }
    total.spend(work.spent());
}

/// `None` for a resource without instances. Where the work is used up, that is not known of any.
fn read_key(
    evaluator: &Evaluator<'_>,
    work: &WorkBudget,
    file: &str,
    resource: &Resource,
) -> Option<ManagedKey> {
    // Not that of the key before
    evaluator.take_used_default();
    let address = resource.address();
    let scopes = match evaluator.list_instances(resource) {
        Instances::One | Instances::Unknown => vec![Scope::default()],
        Instances::Counted(scopes) => scopes,
        Instances::Keyed(scopes) => scopes.into_iter().map(|(_, scope)| scope).collect(),
    };
    if scopes.is_empty() {
        return None;
    }
    let (mut users, mut is_undecided) = (Vec::new(), false);
    for scope in &scopes {
        let user = resource.attribute("user").and_then(|user| evaluator.evaluate(user, scope).to_text());
        match user.filter(|user| is_user_name(user)) {
            Some(user) if users.contains(&user) => {}
            Some(user) if users.is_empty() || work.spend(USER_WORK + address.len()) => users.push(user),
            _ => is_undecided = true,
        }
    }
    Some(ManagedKey {
        file: file.to_owned(),
        at: resource.at,
        address,
        is_by_default: evaluator.take_used_default() && !users.is_empty(),
        users,
        is_undecided,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of `user`, in a file with more before it.
    fn read(before: &str, user: &str) -> ManagedKeys {
        let text = format!("{before}\nresource \"aws_iam_access_key\" \"k\" {{\n  user = {user}\n}}\n");
        find_managed_keys(&[("x/k.tf".to_owned(), text.into_bytes())])
    }

    #[test]
    fn names_over_literals_are_known() {
        let users = "locals {\n  users = [{ name = \"a\", on = true }, { name = \"b\", on = false }]\n}";
        for (before, user, expected) in [
            ("", "\"a\"", "a"),
            ("locals {\n  n = { x = [\"b\", \"a\"] }\n}", "local.n.x[1]", "a"),
            ("locals {\n  n = { x = \"a\" }\n}", "local.n[\"x\"]", "a"),
            (users, "[for u in local.users : u.name if u.on][0]", "a"),
            (users, "{ for u in local.users : upper(u.name) => u.name }[\"B\"]", "b"),
            (users, "one(local.users[*].name)", "?"),
            (users, "join(\"-\", local.users[*].name)", "a-b"),
            (users, "local.users.1.name", "b"),
            (
                "variable \"e\" {\n  default = \"prod\"\n}",
                "var.e == \"prod\" ? \"a\" : \"b\"",
                "a by default",
            ),
            ("variable \"e\" {}", "var.e ? \"a\" : \"a\"", "a"),
            ("variable \"e\" {}", "var.e ? \"a\" : \"b\"", "?"),
            ("", "\"not a name!\"", "?"),
            ("", "module.user.name", "?"),
            ("", "null", "?"),
        ] {
            let found = read(before, user);
            let key = &found.keys[0];
            let mut shown = key.users.join(" ");
            shown.push_str(if key.is_by_default { " by default" } else { "" });
            shown.push_str(if key.is_undecided { "?" } else { "" });
            assert_eq!(shown, expected, "{user}: {found:?}");
        }
    }

    #[test]
    fn values_of_other_files_are_found_and_an_ambiguous_one_is_none() {
        let text = "variable \"u\" {\n  default = \"a\"\n}\nresource \"aws_iam_access_key\" \"k\" {\n  user = var.u\n}\n";
        for (file, expected) in [
            ("x/terraform.tfvars", "b"),
            ("x/z.auto.tfvars", "b"),
            ("x/prod.tfvars", ""),
            ("y/terraform.tfvars", "a"),
        ] {
            let files =
                [("x/k.tf".to_owned(), text.as_bytes().to_vec()), (file.to_owned(), b"u = \"b\"\n".to_vec())];
            let found = find_managed_keys(&files);
            assert_eq!(found.keys[0].users.join(" "), expected, "{file}");
            assert_eq!(found.keys[0].is_undecided, expected.is_empty(), "{file}");
        }
    }

    #[test]
    fn files_that_say_nothing_about_users_are_not_parsed() {
        for (path, text) in [
            ("x/main.tf", "resource \"aws_s3_bucket\" \"b\" {\n  bucket = var.name\n}\n"),
            ("x/provider.tf", "provider \"aws\" {}\n"),
            ("x/out.tf.json", "{ \"output\": {} }"),
        ] {
            assert!(!is_relevant(path, text.as_bytes()), "{path}");
        }
        for (path, text) in [
            ("x/a.tf", "locals {\n}\n"),
            ("x/a.tf.json", "{ \"variable\": {} }"),
            ("x/a.tf", "data \"aws_iam_user\" \"u\" {}\n"),
            ("x/a.tf", "resource \"aws_iam_access_key\" \"k\" {}\n"),
            ("x/a.tfvars", "u = \"b\"\n"),
        ] {
            assert!(is_relevant(path, text.as_bytes()), "{path}");
        }
    }

    /// A small file must not take long, fill the memory or overflow the stack.
    #[test]
    fn hostile_files_end() {
        let mut doubling = "locals {\n  v0 = [\"a\", \"a\"]\n".to_owned();
        for level in 1..60 {
            let inner = level - 1;
            doubling.push_str(&format!(
                "  v{level} = concat(local.v{inner}, [local.v{inner}, local.v{inner}])\n"
            ));
        }
        doubling.push('}');
        assert!(read(&doubling, "local.v59[0]").keys[0].is_undecided);
        assert!(read("locals {\n  a = local.b\n  b = local.a\n}", "local.a").keys[0].is_undecided);
        for (open, close) in
            [("(", ")"), ("[", "]"), ("{ a = ", " }"), ("f(", ")"), ("\"${", "}\""), ("!", ""), ("-", "")]
        {
            for depth in [30, 60, 20_000] {
                let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let found = read("", &deep);
                assert!(found.unread.len() + found.keys.len() == 1, "{open} {depth}");
            }
        }
        let long = format!("{} + 1", "1 + ".repeat(50_000));
        assert_eq!(read("", &long).unread.len(), 1);
        let conditional = format!("{}1", "true ? 1 : ".repeat(5_000));
        assert_eq!(read("", &conditional).unread.len(), 1);
    }

    /// What is known of the last key where `count` keys of the user `user` are before it.
    fn read_last(before: &str, user: &str, count: usize) -> (usize, ManagedKey) {
        let key = format!("resource \"aws_iam_access_key\" \"k\" {{\n  user = {user}\n}}\n");
        let last = "resource \"aws_iam_access_key\" \"last\" {\n  user = \"z\"\n}";
        let mut found = read(&format!("{before}\n{}{last}", key.repeat(count)), "\"y\"").keys;
        found.pop();
        (found.len(), found.pop().unwrap())
    }

    #[test]
    fn all_keys_of_a_folder_share_the_work_and_none_is_left_out() {
        let numbers = (0..150).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
        let before = format!(
            "locals {{\n  n = [{numbers}]\n  x = [for a in local.n : [for b in local.n : aws_iam_user.u.name]]\n}}\nresource \"aws_iam_user\" \"u\" {{\n  name = \"a\"\n}}"
        );
        assert_eq!(read(&before, "local.x[0][0]").keys[0].users, ["a"], "one key has enough");
        let (count, last) = read_last(&before, "local.x[0][0]", 5);
        assert_eq!((count, last.users.len(), last.is_undecided), (6, 0, true), "{last:?}");
        let (count, last) = read_last(&before, "\"a\"", 500);
        assert_eq!((count, last.users, last.is_undecided), (501, vec!["z".to_owned()], false));
    }

    #[test]
    fn all_folders_share_the_work() {
        let numbers = (0..150).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!(
            "locals {{\n  n = [{numbers}]\n}}\nresource \"aws_iam_access_key\" \"k\" {{\n  user = [for a in local.n : [for b in local.n : \"a\"]][0][0]\n}}\n"
        );
        let files: Vec<(String, Vec<u8>)> =
            (0..200).map(|folder| (format!("{folder:03}/k.tf"), text.clone().into_bytes())).collect();
        let keys = find_managed_keys(&files).keys;
        assert_eq!(
            (keys.len(), &keys[0].users[..], keys[0].is_undecided),
            (200, &["a".to_owned()][..], false)
        );
        assert_eq!((keys[199].users.len(), keys[199].is_undecided), (0, true));
    }

    /// Each user of each key becomes a finding.
    #[test]
    fn few_users_of_many_are_listed_and_none_is_left_out() {
        let names = (0..200).map(|number| format!("\"u{number}\"")).collect::<Vec<_>>().join(", ");
        for (count, length) in [(200, 1), (1, FOLDER_WORK)] {
            let key = format!(
                "resource \"aws_iam_access_key\" \"{}\" {{\n  for_each = toset([{names}])\n  user = each.key\n}}\n",
                "k".repeat(length)
            );
            let found = read(&key.repeat(count), "\"a\"").keys;
            let texts: usize =
                found.iter().map(|key| key.users.len().saturating_sub(1) * key.address.len()).sum();
            assert!(texts <= FOLDER_WORK, "{count} keys with names of {length}: {texts} bytes");
            assert_eq!(found.len(), count + 1);
            assert!(found[count].is_undecided);
        }
    }

    /// A value that is small in memory can be large to what looks at all of it. Each of these users would be `a`.
    #[test]
    fn work_within_a_value_counts() {
        let (mut open, mut value) = (String::new(), "1".to_owned());
        for level in 0..6 {
            open.push_str(&format!("[for v{level} in [{value}] : "));
            value = format!("[{}]", vec![format!("v{level}"); 10].join(", "));
        }
        let close = format!("{}{}", "]".repeat(6), "[0]".repeat(6));
        let fields = (0..100).map(|number| format!("k{number} = 1")).collect::<Vec<_>>().join(", ");
        let long = "x".repeat(300);
        for user in [
            format!("{open}{value} == {value} ? \"a\" : \"b\"{close}"),
            format!("{open}length({value}{}) == 10 ? \"a\" : \"b\"{close}", "[*]".repeat(6)),
            format!(
                "[for x in [{{{fields}}}] : length(merge({})) == 100 ? \"a\" : \"b\"][0]",
                ["x"; 3_000].join(", ")
            ),
            format!("\"{long}\" == \"{long}\" ? \"a\" : \"b\""),
            format!("[for x in [\"{}\"] : \"${{x}}${{x}}\" == \"\" ? \"b\" : \"a\"][0]", &long[..200]),
            format!("[for {long} in [1] : \"a\"][0]"),
            format!("{{ {long} = \"a\" }}.{long}"),
        ] {
            assert!(read("", &user).keys[0].is_undecided, "{user}");
        }
    }

    #[test]
    fn a_broken_file_is_unread_at_its_place() {
        let found = read("", "[");
        assert_eq!((found.keys.len(), found.unread[0].at.line > 2), (0, true), "{found:?}");
        let json = b"{ \"resource\": { \"aws_iam_access_key\": [".to_vec();
        assert_eq!(find_managed_keys(&[("k.tf.json".to_owned(), json)]).unread.len(), 1);
        let windows = "\u{feff}resource \"aws_iam_access_key\" \"k\" {\r\n  user = \"a\"\r\n}\r\n";
        let found = find_managed_keys(&[("k.tf".to_owned(), windows.as_bytes().to_vec())]);
        assert_eq!(found.keys[0].users, ["a"], "{found:?}");
    }
}
