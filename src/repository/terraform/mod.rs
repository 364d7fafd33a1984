//! Reads Terraform and OpenTofu files for two questions: which IAM users they create (`keytide init`), and whose access keys
//! they manage (`check`, `plan`, `doctor`). What only `terraform apply` knows is reported as undecided, never guessed.
//!
//! [`parse`] reads one file, [`folder`] puts the files of a folder together, [`evaluate`] computes values over literals.
//! [`work`] bounds what that costs, whatever the files say, and [`object_size`] what the parser takes.

mod evaluate;
mod folder;
mod functions;
mod instances;
mod managed_keys;
mod object_size;
mod parse;
mod users;
mod value;
mod work;

pub use managed_keys::{
    ManagedKey, ManagedKeys, UnreadConfig, find_managed_keys, folder_of, mentions_access_key,
};
pub use parse::{ACCESS_KEY, is_terraform, is_terraform_input};
pub use users::{TerraformUsers, find_iam_users};
