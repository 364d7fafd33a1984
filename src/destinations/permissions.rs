//! Collects the permissions on AWS that destinations need beside IAM, for `keytide iam-policy`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::iam::policy_document::{OneOrMany, PolicyStatement};

/// The partition and the account of the ARNs in a printed policy.
#[derive(Debug)]
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

/// What the holder of the permissions does with the destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationAccess {
    /// An audit reads which credential a destination holds.
    Audit,
    /// A rotation writes the new credential.
    Rotate,
    /// The deletion of an old key first reads that no destination holds it any more.
    Delete,
}

/// The question to a destination: its permissions for one purpose.
pub struct PermissionRequest<'a> {
    pub access: DestinationAccess,
    pub scope: &'a ArnScope<'a>,
    pub now: Timestamp,
    /// Reads a file of the working tree; `None` when it is not there.
    pub read_file: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

/// The order of the statements in a printed policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatementOrder {
    Store,
    DataKey,
}

/// The permissions of all destinations, merged by statement.
#[derive(Debug, Default)]
pub struct NeededPermissions {
    statements: BTreeMap<(StatementOrder, &'static str), Statement>,
    notes: Vec<(StatementOrder, String)>,
}

#[derive(Debug, Default)]
struct Statement {
    actions: &'static [&'static str],
    resources: BTreeSet<String>,
}

impl NeededPermissions {
    /// Allows the actions on a resource. Resources of the same statement ID are listed together.
    pub fn allow(
        &mut self,
        order: StatementOrder,
        sid: &'static str,
        actions: &'static [&'static str],
        resource: String,
    ) {
        let statement = self.statements.entry((order, sid)).or_default();
        statement.actions = actions;
        statement.resources.insert(resource);
    }

    /// Adds a note for the person who reads the policy, once.
    pub fn note(&mut self, order: StatementOrder, text: impl Into<String>) {
        let note = (order, text.into());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The statements of the policy.
    pub fn statements(&self) -> Vec<PolicyStatement> {
        let mut statements = Vec::new();
        for ((_, sid), Statement { actions, resources }) in &self.statements {
            let resources = OneOrMany::many(resources.iter().cloned());
            statements.push(PolicyStatement::allow(sid, OneOrMany::many(actions.iter().copied()), resources));
        }
        statements
    }

    /// The notes, in the order of the statements.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        // A stable sort: notes of one statement stay in the order of the destinations.
        let mut sorted: Vec<&(StatementOrder, String)> = self.notes.iter().collect();
        sorted.sort_by_key(|(order, _)| *order);
        sorted.into_iter().map(|(_, text)| text.as_str())
    }
}
