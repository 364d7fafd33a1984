//! The HTML page and the step summary for a large account: size, order, colours, and what the page may run.

use std::collections::BTreeMap;
use std::fmt::Write;

use keytide::hash::sha256_base64;
use keytide::iam::ReadFault;
use keytide::rules::Finding;

use crate::support::tools::look_at_page;
use crate::support::{Keytide, Ran, folder};

/// 300 users with two keys each, in many ages; every third exceeds the limit of 90 days.
fn large_account(format: &str) -> Ran {
    let mut report = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
                      access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,\
                      access_key_2_last_rotated,access_key_2_last_used_date\n"
        .to_owned();
    for number in 0..300 {
        let month = if number % 3 == 0 { 1 + number % 7 } else { 10 };
        let _ = writeln!(
            report,
            "service-account-{number:03},arn:aws:iam::123456789012:user/service-account-{number:03},false,true,\
             2026-{month:02}-{:02}T00:00:00Z,2026-11-20T00:00:00Z,eu-west-1,s3,true,2026-11-{:02}T00:00:00Z,N/A",
            1 + number % 28,
            1 + number % 20,
        );
    }
    Keytide::new(&[
        "audit",
        "--credential-report",
        "r.csv",
        "--now",
        "2026-11-21T12:00:00Z",
        "--format",
        format,
    ])
    .policy("version: 1\nusers: [{ match: \"*\", allow: { regions: [eu-west-1] } }]\n")
    .file("r.csv", report)
    .run()
    .exits(1)
}

#[test]
fn a_page_of_300_users_is_small_and_begins_with_the_findings() {
    let page = large_account("html").stdout;
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("class=\"tiles\"") < at("<h2>Findings") && at("<h2>Findings") < at("<h2>Active keys by age"));
    // What precedes the findings are the head and one row of tiles: no drawing and no table
    let before = &page[at("<body>")..at("<h2>Findings")];
    assert!(
        !before.contains("<table") && !before.contains("<svg") && before.matches("<li>").count() < 16,
        "{before}"
    );
    let bars = page.split("<ol class=\"bars\">").nth(1).unwrap().split("</ol>").next().unwrap();
    assert_eq!(bars.matches("<li>").count(), 20);
    assert!(page.contains("<summary>580 more keys</summary>"));
    let states: Vec<&str> =
        page.split("<tbody><tr>").skip(1).map(|row| row.split("<td").nth(2).unwrap()).collect();
    assert_eq!(states.len(), 300);
    let errors = states.iter().take_while(|state| state.contains("error")).count();
    assert!(errors >= 100 && states[errors..].iter().all(|state| !state.contains(">error")), "{errors}");
    assert_eq!(page.matches("Rotate the key").count(), 1, "the advice is there once");
    let text = large_account("text").stdout;
    assert_eq!(text.matches("Rotate the key").count(), 1, "{}", &text[text.len() - 3000..]);
}

/// The summary of a step has the findings in the page's order, and one fold of keys.
#[test]
fn a_summary_of_300_users_begins_with_the_oldest_keys() {
    let text = large_account("markdown").stdout;
    let section = text.split("`key-age`").nth(1).unwrap().split("**").next().unwrap();
    let mut days = Vec::new();
    for line in section.lines() {
        days.extend(
            line.split_once(" days old")
                .map(|(before, _)| before.rsplit(' ').next().unwrap().parse::<i64>().unwrap()),
        );
    }
    assert!(days.len() >= 100 && days.is_sorted_by(|a, b| a >= b), "{days:?}");
    assert_eq!(text.matches(" more keys</summary>").count(), 1);
}

/// An advice stands above the findings of a rule if it is that of all, or the rule's own: never that of a few.
#[test]
fn the_advice_of_a_few_findings_is_not_shown_as_that_of_all() {
    let mut report = super::reports::report(None, true);
    let age = report.findings.iter().find(|finding| finding.rule == "key-age").unwrap().clone();
    report.findings.retain(|finding| finding.rule != "key-age");
    for help in ["for one user", "for two users", "for two users"] {
        report.findings.push(Finding { help: help.to_owned(), ..age.clone() });
    }
    let page = |report: &_| super::reports::render(report, keytide::report::ReportFormat::Html);
    assert!(!page(&report).contains("<p class=\"help\">for"), "{}", page(&report));
    report.findings.push(age);
    assert!(page(&report).contains("<p class=\"help\">Rotate the key"), "{}", page(&report));
}

/// A column of users is there if a finding has one; the root user and whom an exemption covers are named in it.
#[test]
fn the_column_of_users_is_never_empty() {
    let check = |format: &str| {
        let arguments = ["check", "--format", format, "config.env"];
        Keytide::new(&arguments).file("config.env", "AWS_ACCESS_KEY_ID=AKIAYVP4CIPPERUVIFXG\n").run().stdout // keytide: allow exposed-key-id -- a sample
    };
    let page = check("html");
    assert!(page.contains("<table class=\"findings no-user\">") && !page.contains("<th>user</th>"), "{page}");
    assert!(check("markdown").contains("| severity | rule | what | where | what to do |\n"));
    let demo = Keytide::new(&["demo", "--format", "html"]).run().exits(0).stdout;
    assert!(demo.contains("<tr><td>root user</td>"), "{demo}");
}

/// In both widths and colour schemes: nothing is wider than the window, no tile breaks a word, the first finding is on the first screen, no request
/// is made, and the script filters and sorts.
#[test]
fn a_browser_shows_the_page_and_its_script_works() {
    let demo = Keytide::new(&["demo", "--format", "html"]).run().exits(0).stdout;
    let plan = super::reports::render(&super::reports::plan(), keytide::report::ReportFormat::Html);
    let fleet = super::fleet_report::render_sample_page();
    let large = large_account("html").stdout;
    for (name, page) in [("demo", demo), ("large", large), ("plan", plan), ("fleet", fleet)] {
        let folder = folder();
        let file = folder.join("page.html");
        std::fs::write(&file, page.split("</html>").next().unwrap()).unwrap();
        look_at_page(&file, &folder.join(name));
    }
}

#[test]
fn a_summary_of_300_users_fits_and_its_pictures_can_be_drawn() {
    let summary = large_account("markdown").stdout;
    assert!(summary.len() < 1_000_000, "{} bytes", summary.len());
    // By rule, with the advice once; what is long is folded.
    let advice = "Find the idle key by its last use";
    assert!(
        summary.contains(&format!("\n\n**300 errors** `active-key-count`: {advice}")),
        "{}",
        &summary[..900]
    );
    assert_eq!(summary.matches(advice).count(), 1);
    for folded in ["290 more", "90 more", "280 more users"] {
        assert!(summary.contains(&format!("<details><summary>{folded}</summary>\n\n| user |")), "{folded}");
    }
    let pictures: Vec<&str> =
        summary.split("```mermaid").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let bars: Vec<usize> = pictures.iter().map(|picture| picture.matches(" :").count()).collect();
    assert_eq!(bars, [40, 200, 200, 160]);
    for picture in &pictures {
        assert!(picture.len() < 50_000 && !picture.contains("section"), "{}", picture.len());
    }
    assert!(pictures[0].lines().filter(|line| line.contains(" :")).all(|line| line.contains(":crit")));
}

/// The policy of the page allows exactly the script and the style that are in it.
#[test]
fn the_page_runs_its_own_script_alone() {
    let page = large_account("html").stdout;
    let csp = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    for (element, directive) in [("script", "script-src"), ("style", "style-src")] {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        assert_eq!(page.matches(&open).count(), 1, "{element}");
        let content = page.split(&open).nth(1).unwrap().split(&close).next().unwrap();
        let allowed = format!("{directive} 'sha256-{}'", sha256_base64(content.as_bytes()));
        assert!(csp.split("; ").any(|part| part == allowed), "{csp}");
    }
    assert!(csp.starts_with("default-src 'none'; ") && !csp.contains("unsafe"), "{csp}");
}

/// WCAG 2.1, 1.4.3: text has a contrast of 4.5:1, in both colour schemes, also where it is the background of a phase.
#[test]
fn every_colour_can_be_read_on_both_backgrounds() {
    let page = large_account("html").stdout;
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let schemes: Vec<BTreeMap<&str, f64>> = style.split(":root {").skip(1).map(read_colours).collect();
    assert_eq!(schemes.len(), 2);
    for colours in schemes {
        assert_eq!(colours.len(), 10, "{colours:?}");
        for name in ["text", "dim", "ok", "warn", "bad", "note", "plain"] {
            for back in ["back", "card"] {
                let (a, b) = (colours[name], colours[back]);
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{name} on {back}: {contrast:.2}");
            }
        }
    }
}

/// The relative luminance of each colour of a scheme.
fn read_colours(scheme: &str) -> BTreeMap<&str, f64> {
    let mut colours = BTreeMap::new();
    for part in scheme.split('}').next().unwrap().split(';') {
        if let Some((name, hex)) = part.trim().strip_prefix("--").and_then(|part| part.split_once(": #")) {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            colours.insert(name, 0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4));
        }
    }
    colours
}

/// Every finding about a user counts, also one that is about no key: quarantined, in another region, or not read.
#[test]
fn no_user_with_a_finding_is_green() {
    let mut report = super::reports::report(None, true);
    report.faults.push(ReadFault {
        user: Some("title".to_owned()),
        operation: "iam:GetAccessKeyLastUsed".to_owned(),
        message: "AccessDenied".to_owned(),
    });
    let page = super::reports::render(&report, keytide::report::ReportFormat::Html);
    let state = |user: &str| {
        let row = page.split("<tbody>").skip(1).find(|row| row.contains(&format!(">{user}</td>"))).unwrap();
        row.split("swatch ").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(["ann", "bob", "title"].map(state), ["bar-failed", "bar-failed", "bar-unknown"]);
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("<h2>Could not be read") < at("<h2>Findings"), "before them: more of them may be missing");
    assert!(page.contains("<title>keytide · failed: ") && page.contains("<line class=\"halo\""));
}

#[test]
fn a_rotation_shows_the_phases_behind_and_ahead() {
    let statuses = super::reports::soaking();
    let page = super::reports::render(
        &super::reports::report(Some(&statuses), true),
        keytide::report::ReportFormat::Html,
    );
    let phases = page.split("<ol class=\"phases\">").nth(1).unwrap().split("</ol>").next().unwrap();
    assert!(phases.contains(
        "<li class=\"past\">grace</li><li class=\"now\" aria-current=\"step\">soaking</li><li>healthy</li>"
    ));
}
