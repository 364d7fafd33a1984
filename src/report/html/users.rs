//! The table of users and their keys, the worst first. The script of the page filters and sorts it.

use std::fmt::Write;

use super::ages::class;
use crate::iam::AccessKey;
use crate::report::keys::{age_days, key_name, last_used, last_used_days};
use crate::report::model::Report;
use crate::report::timeline::{BarState, UserStanding, users_worst_first};
use crate::sanitize::escape_html as clean;
use crate::sentences::count_noun;

/// A table with more users is folded: the findings name what is wrong.
const OPEN_USERS: usize = 50;

/// The controls, which the script shows. Without it they would do nothing.
const FILTER: &str = "<p class=\"filter\" hidden><label>Filter <input type=\"search\" name=\"text\"></label>\
<label>State <select name=\"state\"><option value=\"\">all</option><option>error</option><option>warning</option>\
<option>not read</option><option>exempt</option><option>not audited</option><option>no finding</option></select></label>\
<label>Sort <select name=\"sort\"></select></label><output></output></p>\n";

pub fn render_users(report: &Report) -> String {
    let users = users_worst_first(report);
    if users.is_empty() {
        return String::new();
    }
    let has_phases = users.iter().any(|user| user.line.phase.is_some());
    let phase_head = if has_phases { "<th>rotation</th>" } else { "" };
    let class = if has_phases { "users phased" } else { "users" };
    let open = if users.len() <= OPEN_USERS { " open" } else { "" };
    let mut out = format!(
        "<h2>Users</h2>\n<details{open}><summary>{}</summary>\n{FILTER}<table class=\"{class}\">\n<thead><tr><th>user</th>\
         <th>state</th><th>next due</th>{phase_head}<th>access key</th><th>status</th><th>age</th><th>last used</th></tr>\
         </thead>\n",
        count_noun(users.len() as i64, "user")
    );
    for user in users {
        out.push_str(&render_user(report, &user, has_phases));
    }
    out + "</table></details>\n"
}

/// One body of the table for each user, so that the rows of several keys stay together when the table is sorted.
fn render_user(report: &Report, user: &UserStanding<'_>, has_phases: bool) -> String {
    let UserStanding { line, state, due } = user;
    let keys: Vec<&AccessKey> = line.user.keys_by_age().into_iter().map(|(_, key)| key).collect();
    let span = if keys.len() > 1 { format!(" rowspan=\"{}\"", keys.len()) } else { String::new() };
    let mut out = format!(
        "<tbody><tr><td{span}>{}</td><td{span}><i class=\"swatch {}\"></i>{}</td><td{span}>{}</td>",
        clean(&line.user.name),
        class(*state),
        state_word(*state),
        due
    );
    if has_phases {
        let _ = write!(out, "<td{span}>{}</td>", line.phase.map(|phase| phase.name()).unwrap_or_default());
    }
    if keys.is_empty() {
        out.push_str("<td class=\"dim\">none</td><td></td><td></td><td></td></tr>");
    }
    for (row, key) in keys.into_iter().enumerate() {
        if row > 0 {
            out.push_str("\n<tr class=\"more\">");
        }
        out.push_str(&render_key(report, key));
    }
    out + "</tbody>\n"
}

fn render_key(report: &Report, key: &AccessKey) -> String {
    let used_days = match last_used_days(report, key) {
        Some(days) => format!(" data-v=\"{days}\""),
        None => String::new(),
    };
    format!(
        "<td><code>{}</code></td><td>{}</td><td>{} d</td><td{used_days}>{}</td></tr>",
        clean(&key_name(key)),
        clean(&key.status.to_string()),
        age_days(report, key.created_at),
        clean(&last_used(report, key))
    )
}

fn state_word(state: BarState) -> &'static str {
    match state {
        BarState::Fine => "no finding",
        BarState::NotAudited => "not audited",
        BarState::Exempted => "exempt",
        BarState::Unknown => "not read",
        BarState::Warned => "warning",
        BarState::Failed => "error",
    }
}
