//! Renders the pull request that brings a migration. Pure.

use std::fmt::Write;

use super::files::PlannedFiles;
use super::render::Migration;
use crate::policy::RotationPolicy;
use crate::rotation::pull_request::{PullRequestText, push_rest, render_to_fit};
use crate::sanitize::{escape_issue_text as clean, escape_line, markdown_code};

/// The pull request of a migration. `rotation`: the settings that name its labels and reviewers.
pub fn render_proposal(migration: &Migration, rotation: &RotationPolicy) -> PullRequestText {
    render_to_fit(|longest| PullRequestText {
        title: escape_line(&render_title(migration)),
        body: render_body(migration, longest),
        labels: rotation.labels.clone(),
        reviewers: rotation.reviewers.clone(),
    })
}

/// Whether the workflows came to the role before, so that only the policy file changes.
fn only_retires(migration: &Migration) -> bool {
    migration.retires && migration.planned.changed.iter().all(|file| file.path == migration.policy_file)
}

fn render_title(migration: &Migration) -> String {
    if only_retires(migration) {
        format!("Retire the access key of {}", migration.user)
    } else {
        format!("Assume a role in place of the access key of {}", migration.user)
    }
}

fn render_body(migration: &Migration, longest: usize) -> String {
    if only_retires(migration) {
        return format!(
            "The workflows of this repository assume the role {} in place of an access key of the IAM user **{}**. With this pull \
             request keytide retires the key.\n{}",
            markdown_code(&migration.role_arn),
            clean(&migration.user),
            render_steps_after(migration, longest)
        );
    }
    let mut body = format!(
        "Workflows of this repository use an access key of the IAM user **{}**. With this pull request they assume the role \
         {} by OIDC: its credentials last an hour, and GitHub stores no long-lived key any more.\n\n",
        clean(&migration.user),
        markdown_code(&migration.role_arn)
    );
    push_list(&mut body, longest, &migration.planned.changed, "files", |file| markdown_code(&file.path));
    body.push_str(&render_steps_before(migration, longest));
    body.push_str(&render_steps_after(migration, longest));
    body.push_str(&render_left_places(&migration.planned, longest));
    if !migration.notes.is_empty() {
        body.push_str("\n### Notes\n\n");
        push_list(&mut body, longest, &migration.notes, "notes", |note| clean(note));
    }
    body
}

fn render_steps_before(migration: &Migration, longest: usize) -> String {
    let mut text = format!(
        "\n### Before the merge\n\n- [ ] create the role, else these workflows fail: {} prints a script for it (for CloudFormation or \
         Terraform: `--format cloudformation`, `--format terraform`)\n\nThe role has the permissions of the user, and trusts:\n\n",
        markdown_code(&migration.script_command)
    );
    push_list(&mut text, longest, &migration.events, "subjects", |event| markdown_code(event));
    text
}

fn render_steps_after(migration: &Migration, longest: usize) -> String {
    let mut text = "\n### After the merge\n\n".to_owned();
    if !only_retires(migration) {
        text.push_str("- [ ] run each of these workflows once; the key still works\n");
    }
    if !migration.others.is_empty() {
        text.push_str("\nThe key is also used here, so it is not retired:\n\n");
        push_list(&mut text, longest, &migration.others, "places", |other| clean(other));
    } else if migration.planned.left.is_empty() {
        text.push_str("- [ ] delete the secrets that hold the key from GitHub:\n");
        for removal in migration.removals.iter().take(longest) {
            let _ = writeln!(text, "  - {removal}");
        }
        push_rest(&mut text, migration.removals.len(), longest, "secrets");
    }
    if migration.retires {
        let Migration { quiet, soak, .. } = migration;
        let _ = write!(
            text,
            "\nKeytide deactivates the key when nothing in the repository has named it and nothing has used it for {quiet}, and \
             deletes it {soak} later; until then {} brings it back.\n",
            markdown_code(&format!("keytide rollback --user {}", migration.user))
        );
    }
    text
}

fn render_left_places(planned: &PlannedFiles, longest: usize) -> String {
    if planned.left.is_empty() {
        return String::new();
    }
    let mut text =
        "\n### Left alone\n\nHere the key is still used; a person has to change this:\n\n".to_owned();
    push_list(&mut text, longest, &planned.left, "places", |(file, place)| {
        let at = format!("{file}:{}:{}", place.at.line, place.at.column);
        format!("{}: {}", markdown_code(&at), clean(&place.reason))
    });
    text
}

fn push_list<T>(text: &mut String, longest: usize, items: &[T], what: &str, render: impl Fn(&T) -> String) {
    for item in items.iter().take(longest) {
        let _ = writeln!(text, "- {}", render(item));
    }
    push_rest(text, items.len(), longest, what);
}

#[cfg(test)]
mod tests {
    use super::super::outcome::ChangesOutcome;
    use super::*;
    use crate::policy::{RETIREMENT_QUIET, RETIREMENT_SOAK};

    #[test]
    fn a_retirement_is_promised_where_the_policy_file_has_one() {
        let mut migration = Migration {
            user: "ci".into(),
            planned: PlannedFiles::default(),
            others: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
            role_arn: "arn:aws:iam::123456789012:role/ci".into(),
            script_command: "keytide migrate".into(),
            events: Vec::new(),
            policy_file: ".github/keytide.yml".into(),
            retires: false,
            removals: vec!["`gh secret delete KEY --repo acme/app --env production`".into()],
            quiet: RETIREMENT_QUIET,
            soak: RETIREMENT_SOAK,
            outcome: ChangesOutcome::Shown,
        };
        let by_hand = render_body(&migration, 100);
        assert!(by_hand.contains(
            "hold the key from GitHub:\n  - `gh secret delete KEY --repo acme/app --env production`\n"
        ));
        assert!(!by_hand.contains("deactivates"));
        migration.retires = true;
        assert!(render_body(&migration, 100).contains("used it for 14 days, and deletes it 30 days later"));
    }
}
