//! The rotations: for each user the phases as a line, the reason, what happens next, and what to do.

use std::fmt::Write;

use super::head::render_link;
use crate::report::model::Report;
use crate::report::rotations::{ShownRotation, rotations_worst_first};
use crate::rotation::RotationPhase;
use crate::sanitize::{escape_html as clean, escape_html_keeping_code as with_code};
use crate::sentences::count_noun;

/// How many rotations are shown at once; the others are folded.
const SHOWN: usize = 20;

/// The phases of a retirement that meets no obstacle.
const RETIREMENT: &[RotationPhase] =
    &[RotationPhase::Retiring, RotationPhase::Soaking, RotationPhase::Retired];

/// The phases of a rotation that meets no obstacle.
const ROTATION: &[RotationPhase] = &[
    RotationPhase::Due,
    RotationPhase::Claimed,
    RotationPhase::Proposed,
    RotationPhase::Merged,
    RotationPhase::Grace,
    RotationPhase::Soaking,
    RotationPhase::Healthy,
];

pub fn render_rotations(report: &Report) -> String {
    let (mut quiet, mut under_way) = (Vec::new(), Vec::new());
    for rotation in rotations_worst_first(report) {
        if rotation.phase == RotationPhase::Healthy && !rotation.has("done") && !rotation.has("next") {
            quiet.push(rotation);
        } else {
            under_way.push(rotation);
        }
    }
    if quiet.is_empty() && under_way.is_empty() {
        return String::new();
    }
    let (shown, folded) = under_way.split_at(under_way.len().min(SHOWN));
    let mut out = "<h2>Rotations</h2>\n".to_owned();
    shown.iter().for_each(|rotation| out.push_str(&render_rotation(report, rotation)));
    let more = format!("{} more", folded.len());
    let idle = format!("{}: nothing to do", count_noun(quiet.len() as i64, "user"));
    for (title, rotations) in [(more, folded), (idle, &quiet[..])] {
        if rotations.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<details><summary>{title}</summary>");
        rotations.iter().for_each(|rotation| out.push_str(&render_rotation(report, rotation)));
        out.push_str("</details>\n");
    }
    out
}

fn render_rotation(report: &Report, rotation: &ShownRotation<'_>) -> String {
    let mut out = format!(
        "<section class=\"rotation\"><h3>{}</h3>\n{}<p>{}</p>\n",
        clean(rotation.user),
        render_phases(rotation.phase),
        with_code(rotation.why)
    );
    let mut rows = Vec::new();
    for (word, label) in [
        ("key", "keys"),
        ("done", "done"),
        ("next", "next"),
        ("not before", rotation.label("not before")),
        ("help", "what to do"),
        ("history", "history"),
    ] {
        rows.push((label, rotation.cell(word, with_code, "<br>")));
    }
    rows.push(("pull request", render_pull_request(report, rotation)));
    rows.retain(|(_, text)| !text.is_empty());
    if !rows.is_empty() {
        out.push_str("<dl>");
        for (label, text) in rows {
            let _ = write!(out, "<dt>{label}</dt><dd>{text}</dd>");
        }
        out.push_str("</dl>\n");
    }
    out + "</section>\n"
}

/// The phases up to now, the one of now, and those to come. A phase off the path is shown alone: what has been done before
/// it is not known here.
fn render_phases(phase: RotationPhase) -> String {
    let mut out = "<ol class=\"phases\">".to_owned();
    // The soak is shown as the rotation's: the page does not know which of the two it is of
    let path = if RETIREMENT.contains(&phase) && !ROTATION.contains(&phase) { RETIREMENT } else { ROTATION };
    let Some(now) = place_on_path(path, phase) else {
        let _ = write!(out, "<li class=\"{}\" aria-current=\"step\">{phase}</li>", class_off_path(phase));
        return format!("{out}</ol><p class=\"dim\">{}</p>\n", with_code(phase.describe()));
    };
    for (place, step) in path.iter().enumerate() {
        let name = if place == now { phase } else { *step };
        let _ = match place.cmp(&now) {
            std::cmp::Ordering::Less => write!(out, "<li class=\"past\">{name}</li>"),
            std::cmp::Ordering::Equal => write!(out, "<li class=\"now\" aria-current=\"step\">{name}</li>"),
            std::cmp::Ordering::Greater => write!(out, "<li>{name}</li>"),
        };
    }
    format!("{out}</ol><p class=\"dim\">{}</p>\n", with_code(phase.describe()))
}

/// The colour of a phase off the path: whether something is wrong, or keytide takes a way back by itself.
fn class_off_path(phase: RotationPhase) -> &'static str {
    match phase {
        RotationPhase::Closed | RotationPhase::RollingBack | RotationPhase::Orphan => "back",
        _ => "stop",
    }
}

fn place_on_path(path: &[RotationPhase], phase: RotationPhase) -> Option<usize> {
    let on_path = match phase {
        RotationPhase::Unverified => RotationPhase::Claimed,
        RotationPhase::Conflicting => RotationPhase::Proposed,
        other => other,
    };
    path.iter().position(|step| *step == on_path)
}

/// The page of the pull request, or its number where the page is not known.
fn render_pull_request(report: &Report, rotation: &ShownRotation<'_>) -> String {
    let page = rotation.cell("pull request", render_link, " ");
    if page.starts_with("<a ") {
        return page;
    }
    match rotation.pull_request.map(|number| (number, report.origin.pull_request_url(number))) {
        Some((_, Some(url))) => render_link(&url),
        Some((number, None)) => format!("&#35;{number}"),
        None => page,
    }
}
