//! The partition and the account of the ARNs in a printed policy.

pub struct ArnScope<'a> {
    pub partition: &'a str,
    pub account: &'a str,
}

impl ArnScope<'_> {
    /// The ARN of IAM users; `path_and_name` begins with a slash.
    pub fn user_arn(&self, path_and_name: &str) -> String {
        format!("arn:{}:iam::{}:user{path_and_name}", self.partition, self.account)
    }
}
