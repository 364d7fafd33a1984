//! Keeps a command of the AWS CLI that names an access key runnable although the ID is masked: the command looks the ID up
//! by its last four characters, which stay visible.

const KEY_OPTION: &str = "--access-key-id ";
const USER_OPTION: &str = "--user-name ";

/// Replaces the access key ID of each command that names its user too. All other IDs stay.
pub fn look_up_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY_OPTION) {
        let (before, after) = rest.split_at(at + KEY_OPTION.len());
        let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        let (id, tail) = after.split_at(end);
        out.push_str(before);
        match command_user(before).filter(|_| is_key_id(id)) {
            Some(user) => out.push_str(&look_up_command(user, &id[id.len() - 4..])),
            None => out.push_str(id),
        }
        rest = tail;
    }
    out + rest
}

/// The user that a command names before its access key ID.
fn command_user(command: &str) -> Option<&str> {
    let (_, after) = command.rsplit_once(USER_OPTION)?;
    let user = after.split(' ').next().filter(|user| !user.is_empty())?;
    // IAM's own alphabet: nothing in it has a meaning to a shell
    let is_name = user.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c));
    // A backtick ends the command, so the user would be another's
    if is_name && !after.contains('`') { Some(user) } else { None }
}

fn look_up_command(user: &str, last_four: &str) -> String {
    format!(
        "$(aws iam list-access-keys --user-name {user} --query \"AccessKeyMetadata[?ends_with(AccessKeyId,'{last_four}')].AccessKeyId\" --output text)"
    )
}

/// Upper-case letters and digits, 16 to 128 of them, four-letter prefix of a key (IAM's `accessKeyIdType`).
pub fn is_key_id(word: &str) -> bool {
    (16..=128).contains(&word.len())
        && ["AKIA", "ASIA", "ABIA", "ACCA"].iter().any(|prefix| word.starts_with(prefix))
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::look_up_keys;

    #[test]
    fn a_command_looks_up_the_key_that_is_masked() {
        let text = "stop AKIAIOSFODNN7EXAMPLE: `aws iam update-access-key --user-name ci --access-key-id AKIAIOSFODNN7EXAMPLE --status Inactive`";
        let runnable = "stop AKIAIOSFODNN7EXAMPLE: `aws iam update-access-key --user-name ci --access-key-id $(aws iam list-access-keys --user-name ci --query \"AccessKeyMetadata[?ends_with(AccessKeyId,'MPLE')].AccessKeyId\" --output text) --status Inactive`";
        assert_eq!(look_up_keys(text), runnable);
        assert_eq!(look_up_keys(runnable), runnable);
    }

    #[test]
    fn a_command_whose_user_is_unknown_keeps_its_id() {
        for text in [
            "`--access-key-id AKIAIOSFODNN7EXAMPLE`",
            "`--user-name ci` and `--access-key-id AKIAIOSFODNN7EXAMPLE`",
            "`--user-name $(x) --access-key-id AKIAIOSFODNN7EXAMPLE`",
        ] {
            assert_eq!(look_up_keys(text), text);
        }
    }
}
