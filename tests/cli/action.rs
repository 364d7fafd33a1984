//! The GitHub action as the runner starts it: inputs with hyphens, files for outputs and summary, no arguments.

use std::path::Path;
use std::process::Command;

use crate::support::emulator::Emulator;
use crate::support::replies::{Reply, Server, answer};
use crate::support::tools::python_tool;
use crate::support::{Keytide, root};

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers: [{ name: alice }]\n";

fn old_key() -> Emulator {
    Emulator::with(&serde_json::json!({"account": "123456789012", "users": [
        {"name": "alice", "keys": [{"id": "AKIA0ALICEALICEALICE", "created_at": "2020-01-01T00:00:00Z"}]}]}))
}

/// Inputs arrive as the runner writes them; the next step reads the outputs with a shell.
#[test]
fn a_step_fails_for_the_right_reason_and_the_next_one_can_read_why() {
    let emulator = old_key();
    let inputs = [
        ("command", "audit"),
        ("policy", "policy.yml"),
        ("fail-on", "error"),
        ("sarif-file", "k.sarif"),
        ("json-file", "k.json"),
        ("key-ids", "masked"),
        ("aws-region", ""),
        ("source", "auto"),
    ];
    let run = Keytide::new(&[])
        .in_action(&inputs)
        .file("policy.yml", POLICY)
        .env("AWS_ENDPOINT_URL", &emulator.url())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let (output, summary, sarif) = (run.path("output"), run.path("summary.md"), run.path("k.sarif"));
    let run = run.run().exits(1);
    assert!(
        run.stdout.contains(
            "::error file=policy.yml,line=3,col=9,title=keytide key-age::alice: access key AKIA…LICE is "
        ),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("AKIA0ALICE"), "masked by default");
    let script = r#"
        set -euo pipefail
        while IFS='=' read -r name value; do declare "${name//-/_}=$value"; done < "$1"
        echo "$result $errors $warnings $sarif_file $json_file ${next_due:0:10}"
    "#;
    let shell = Command::new("bash").args(["-c", script, "step"]).arg(&output).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&shell.stdout),
        "breach 2 0 k.sarif k.json \n",
        "{}",
        String::from_utf8_lossy(&shell.stderr)
    );
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.contains("```mermaid\n---\nconfig:") && summary.contains("| error | key-age | alice |"),
        "{summary}"
    );
    assert!(std::fs::read_to_string(sarif).unwrap().contains("\"key-age\""));
}

/// Outputs and summary are written whatever happens.
#[test]
fn outputs_are_written_on_every_exit_code() {
    let result = |run: Keytide, exit: i32| {
        let (output, summary) = (run.path("output"), run.path("summary.md"));
        run.run().exits(exit);
        assert!(std::fs::read_to_string(summary).unwrap().starts_with("## keytide"));
        std::fs::read_to_string(output).unwrap().lines().next().unwrap().to_owned()
    };
    let broken = Keytide::new(&[]).in_action(&[]).policy("version: 2\n");
    assert_eq!(result(broken, 2), "result=invalid");
    assert_eq!(result(Keytide::new(&[]).in_action(&[]), 2), "result=invalid", "no policy file");
    assert_eq!(
        result(Keytide::new(&[]).in_action(&[("fail-on", "banana")]).policy(POLICY), 2),
        "result=invalid"
    );
    assert_eq!(
        result(Keytide::new(&[]).in_action(&[("command", "rm -rf")]).policy(POLICY), 2),
        "result=invalid"
    );
    assert_eq!(
        result(Keytide::new(&[]).in_action(&[("command", "--help")]).policy(POLICY), 2),
        "result=invalid"
    );
    let young = Emulator::with(&serde_json::json!({"account": "123456789012", "users": [{"name": "alice"}]}));
    let unwritable = Keytide::new(&[]).in_action(&[("sarif-file", "keytide.yml/x.sarif")]).policy(POLICY);
    let unwritable = unwritable.env("AWS_ENDPOINT_URL", &young.url());
    let unwritable = unwritable.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
    assert_eq!(result(unwritable, 2), "result=invalid", "a report that is not there is no pass");
    let unreachable =
        Keytide::new(&[]).in_action(&[]).policy(POLICY).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let unreachable = unreachable.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
    assert_eq!(result(unreachable, 3), "result=incomplete");
    let young = Emulator::with(&serde_json::json!({"account": "123456789012", "users": [{"name": "alice"}]}));
    let pass = Keytide::new(&[]).in_action(&[]).policy(POLICY).env("AWS_ENDPOINT_URL", &young.url());
    assert_eq!(
        result(pass.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x"), 0),
        "result=pass"
    );
}

/// `${{ github.workspace }}` is the runner's folder, which the container has at another place. The steps behind this one,
/// and GitHub's code scanning, need paths from the repository's root.
#[test]
fn paths_below_the_workspace_become_relative() {
    let of_runner = "/home/runner/work/app/app";
    for workspace in [of_runner, "/github/workspace"] {
        let (policy, sarif) = (format!("{workspace}/conf/policy.yml"), format!("{workspace}/out/k.sarif"));
        let json = format!("{workspace}/k.json");
        let inputs =
            [("command", "check"), ("policy", &policy), ("sarif-file", &sarif), ("json-file", &json)];
        let run = Keytide::new(&[])
            .in_action(&inputs)
            .env("GITHUB_WORKSPACE", "/github/workspace")
            .env("RUNNER_WORKSPACE", "/home/runner/work/app")
            .env("GITHUB_REPOSITORY", "acme/app")
            .file("conf/policy.yml", "version: 1\nusers: [{ nam: alice }]\n");
        let init = Command::new("git").args(["init", "--quiet"]).arg(run.path("")).status().unwrap();
        assert!(init.success());
        let (output, report) = (run.path("output"), run.path("out/k.sarif"));
        let ran = run.run().exits(2);
        assert!(ran.stdout.contains("::error file=conf/policy.yml,line=2"), "{}", ran.stdout);
        let output = std::fs::read_to_string(output).unwrap();
        assert!(
            output.contains("\nsarif-file=out/k.sarif\n") && output.contains("\njson-file=k.json\n"),
            "{output}"
        );
        let report = std::fs::read_to_string(report).unwrap();
        assert!(
            report.contains("\"uri\": \"conf/policy.yml\"") && !report.contains("/home/runner"),
            "{report}"
        );
    }
}

/// The offline check runs as a step too: it needs no credentials.
#[test]
fn a_check_runs_as_a_step() {
    let run =
        Keytide::new(&[]).in_action(&[("command", "check")]).policy("version: 1\nusers: [{ nam: alice }]\n");
    let init = Command::new("git").args(["init", "--quiet"]).arg(run.path("")).status().unwrap();
    assert!(init.success());
    let output = run.path("output");
    let run = run.run().exits(2);
    assert!(
        run.stdout.contains(
            "::error file=keytide.yml,line=2,col=11,title=keytide invalid-policy::unknown field `nam`"
        ),
        "{}",
        run.stdout
    );
    assert!(std::fs::read_to_string(output).unwrap().starts_with("result=invalid\n"));
}

/// A wrong input is one annotation, and not a mistake in any file.
#[test]
fn a_wrong_input_is_annotated() {
    let run = Keytide::new(&[]).in_action(&[("fail-on", "banana")]).policy(POLICY);
    let run =
        run.env("GITHUB_WORKFLOW_REF", "acme/app/.github/workflows/keys.yml@refs/heads/main").run().exits(2);
    let start = "::error title=keytide could not finish::invalid value 'banana' for '--fail-on <SEVERITY>'";
    assert!(run.stdout.starts_with(start), "{}", run.stdout);
    assert!(run.stderr.is_empty() && run.stdout.lines().count() == 1, "{}{}", run.stderr, run.stdout);
}

/// What an input holds cannot start a workflow command, whatever complains about it.
#[test]
fn no_input_starts_a_workflow_command() {
    for input in ["fail-on", "command", "policy", "sarif-file", "role-to-assume", "key-ids"] {
        let run =
            Keytide::new(&[]).in_action(&[(input, "x\n::error::forged\n##[error]forged")]).policy(POLICY);
        let run = run.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").run();
        for line in run.stdout.lines().chain(run.stderr.lines()) {
            let forged = line.trim_start().starts_with("::error::forged") || line.contains("##[");
            assert!(!forged, "{input}: {line}");
        }
    }
}

/// A wrong policy file is annotated where it is wrong.
#[test]
fn a_broken_policy_is_annotated_in_its_place() {
    let run = Keytide::new(&[])
        .in_action(&[])
        .policy("version: 1\nlimits:\n  max_agee: 90d\nusers: [{ name: alice }]\n")
        .run()
        .exits(2);
    assert!(
        run.stdout.contains("::error file=keytide.yml,line=3,col=3,title=keytide invalid-policy::unknown field `max_agee`. did you mean `max_age`?"),
        "{}",
        run.stdout
    );
}

/// keytide fetches the workflow's token itself and trades it for credentials of the role.
#[test]
fn a_role_is_assumed_with_the_token_of_the_workflow() {
    let emulator = old_key();
    let github = Server::start(|request| {
        let right = request.path == "/token?api-version=2&audience=sts.amazonaws.com"
            && request.headers.get("authorization").is_some_and(|value| value == "Bearer request-token");
        if right {
            Reply::Answer(200, r#"{"value":"eyJhbGciOi.eyJzdWIiOi.c2ln","count":1}"#.into())
        } else {
            Reply::Answer(403, "{}".into())
        }
    });
    let run = |token: &str| {
        Keytide::new(&[])
            .in_action(&[("role-to-assume", "arn:aws:iam::123456789012:role/keytide")])
            .policy(POLICY)
            .env("AWS_ENDPOINT_URL", &emulator.url())
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?api-version=2", github.url()))
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", token)
            .run()
    };
    assert!(run("request-token").exits(1).stdout.contains("keytide key-age"));
    assert_eq!(emulator.requests()["actions"]["AssumeRoleWithWebIdentity"], 1);
    let refused = run("wrong").exits(3);
    assert!(refused.stdout.contains("GitHub gave no OIDC token: HTTP 403"), "{}", refused.stdout);
    // A reply in the place of AWS's, with a key that no request can hold
    let sts = Server::start(|_| {
        let given = "<AccessKeyId>ASIA&#10;x</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>";
        let end = "<Expiration>2030-01-01T00:00:00Z</Expiration>";
        answer("AssumeRoleWithWebIdentity", &format!("<Credentials>{given}{end}</Credentials>"))
    });
    let unusable = Keytide::new(&[])
        .in_action(&[("role-to-assume", "arn:aws:iam::123456789012:role/keytide")])
        .policy(POLICY)
        .env("AWS_ENDPOINT_URL", &sts.url())
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?api-version=2", github.url()))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token")
        .run()
        .exits(3);
    assert!(unusable.stdout.contains("the access key ID has a blank, a line break"), "{}", unusable.stdout);
    let none = Keytide::new(&[])
        .in_action(&[("role-to-assume", "arn:aws:iam::123456789012:role/keytide")])
        .policy(POLICY)
        .run()
        .exits(2);
    assert!(none.stdout.contains("permissions: id-token: write"), "{}", none.stdout);
}

/// Where the runner does not tell the repository's numeric ID, GitHub does.
#[test]
fn the_repository_id_is_asked_of_github() {
    let emulator = Emulator::with(&serde_json::json!({"account": "123456789012", "users": [
        {"name": "alice", "tags": {"keytide:owner": "43"}}]}));
    let github = Server::start(|request| {
        match (request.path.as_str(), request.headers.get("authorization").map(String::as_str)) {
            ("/repos/acme/app", Some("Bearer ghs_x")) => Reply::Answer(
                200,
                r#"{"id":42,"name":"app","url":"https://api.github.com/repos/acme/app"}"#.into(),
            ),
            _ => Reply::Answer(
                404,
                r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#.into(),
            ),
        }
    });
    let audit = |name: &str| {
        Keytide::new(&["audit", "--format", "json", "--repository", name, "--github-api-url", &github.url()])
            .policy(POLICY)
            .env("GITHUB_TOKEN", "ghs_x")
            .against(&emulator.url())
            .run()
    };
    let run = audit("acme/app").exits(1);
    assert_eq!(
        run.findings(),
        ["owner-mismatch error alice: this user belongs to repository 43; this is acme/app, repository 42"]
    );
    let unknown = audit("acme/other").exits(0);
    assert!(
        unknown.stderr.contains("cannot read the ID of `acme/other`: GitHub: Not Found (404"),
        "{}",
        unknown.stderr
    );
    let skipped = unknown.json()["not_checked"].to_string();
    assert!(skipped.contains("owner-mismatch"), "{skipped}");
}

fn lint(tool: &str, arguments: &[&str]) {
    lint_in(&root(), tool, arguments);
}

fn lint_in(folder: &Path, tool: &str, arguments: &[&str]) {
    let output = Command::new(python_tool(tool)).args(arguments).current_dir(folder).output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{tool}: {printed}");
}

/// What is neither true nor false is refused, and `compromised` says whom it is for.
#[test]
fn switches_are_true_or_false() {
    for (inputs, wanted) in [
        ([("command", "rotate"), ("compromised", "yes")], "the input `compromised` is `yes`"),
        ([("command", "rotate"), ("no-delete", "1")], "the input `no-delete` is `1`"),
        ([("command", "rotate"), ("compromised", "true")], "--user"),
    ] {
        let run = Keytide::new(&[]).in_action(&inputs).run().exits(2);
        assert!(run.stdout.contains(wanted) || run.stderr.contains(wanted), "{}{}", run.stdout, run.stderr);
    }
}

/// The workflows that the pages of the book give to paste: the audit, the rotation, the deletion; the last two with an app's token too.
fn pasted() -> [String; 5] {
    let pages = ["docs/start.md", "docs/rotation.md"]
        .map(|page| std::fs::read_to_string(root().join(page)).unwrap())
        .concat();
    let blocks: Vec<&str> =
        pages.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let block = |begins: &str| *blocks.iter().find(|block| block.starts_with(begins)).expect(begins);
    let app = block("      - uses: actions/create-github-app-token");
    let with_app = |workflow: &str| {
        let (before, after) = workflow.split_once("    steps:\n").unwrap();
        format!(
            "{before}    steps:\n{app}{after}          github-token: ${{{{ steps.app.outputs.token }}}}\n"
        )
    };
    let rotation = ["name: rotate access keys", "name: delete retired access keys"].map(block);
    let [rotate, delete] = rotation;
    let [rotate_app, delete_app] = rotation.map(with_app);
    [block("name: access keys").to_owned(), rotate.to_owned(), delete.to_owned(), rotate_app, delete_app]
}

#[test]
fn what_the_documents_give_to_paste_is_right() {
    let inputs: serde_yaml::Value =
        serde_yaml::from_str(&std::fs::read_to_string(root().join("action.yml")).unwrap()).unwrap();
    let folder = crate::support::folder();
    for (number, text) in pasted().iter().enumerate() {
        let file = folder.join(format!("workflow{number}.yml"));
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        lint("actionlint", &["-shellcheck=", file]);
        lint("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", file]);
        let workflow: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
        for job in workflow["jobs"].as_mapping().unwrap().values() {
            let own = |step: &&serde_yaml::Value| {
                step["uses"].as_str().is_some_and(|action| action.contains("/keytide@v"))
            };
            let step = job["steps"].as_sequence().unwrap().iter().find(own).expect("a step of keytide's");
            for name in step["with"].as_mapping().unwrap().keys() {
                assert!(!inputs["inputs"][name].is_null(), "the action has no input {name:?}");
            }
        }
    }
}

#[test]
fn the_action_and_the_workflows_pass_their_linters() {
    let files = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().flatten();
        let names = entries.map(|entry| format!("{folder}/{}", entry.file_name().to_str().unwrap()));
        names.filter(|name| !name.ends_with("/config.yml")).collect()
    };
    let (workflows, forms) = (files(".github/workflows"), files(".github/ISSUE_TEMPLATE"));
    let one = |name: &str| vec![name.to_owned()];
    for (schema, files) in [
        ("github-actions", &one("action.yml")),
        ("github-workflows", &workflows),
        ("github-issue-forms", &forms),
        ("github-issue-config", &one(".github/ISSUE_TEMPLATE/config.yml")),
        ("dependabot", &one(".github/dependabot.yml")),
    ] {
        let schema = format!("vendor.{schema}");
        let files = files.iter().map(String::as_str);
        lint("check-jsonschema", &["--builtin-schema", &schema].into_iter().chain(files).collect::<Vec<_>>());
    }
    lint("actionlint", &workflows.iter().map(String::as_str).collect::<Vec<_>>());
    // By name: the fixtures have workflows and actions that are bad on purpose
    let ours = workflows.iter().map(String::as_str).chain(["action.yml", ".github/dependabot.yml"]);
    let options = ["--offline", "--no-progress", "--persona", "pedantic"];
    lint("zizmor", &options.into_iter().chain(ours).collect::<Vec<_>>());
}

/// The callers that docs/action.md gives to paste, with the secrets that it adds, call the workflows of this commit: the
/// linter knows their inputs, and the test their permissions.
#[test]
fn a_caller_of_the_reusable_workflows_is_right() {
    let page = std::fs::read_to_string(root().join("docs/action.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let secrets = *blocks.iter().find(|block| block.starts_with("    secrets:\n")).unwrap();
    let folder = crate::support::folder();
    let workflows = folder.join(".github/workflows");
    std::fs::create_dir_all(&workflows).unwrap();
    assert!(Command::new("git").args(["init", "--quiet"]).arg(&folder).status().unwrap().success());
    for (name, begins) in [
        ("audit", "name: access keys"),
        ("rotate", "name: rotate access keys"),
        ("delete", "name: delete retired access keys"),
    ] {
        let ours = std::fs::read_to_string(root().join(format!(".github/workflows/{name}.yml"))).unwrap();
        std::fs::write(workflows.join(format!("{name}.yml")), &ours).unwrap();
        let block = *blocks.iter().find(|block| block.starts_with(begins)).expect(begins);
        let (before, called) = block.split_once("    uses: ").unwrap();
        let (address, after) = called.split_once('\n').unwrap();
        assert!(address.contains(&format!("/keytide/.github/workflows/{name}.yml@v")), "{address}");
        let mut caller = format!("{before}    uses: ./.github/workflows/{name}.yml\n{after}");
        if name == "rotate" {
            caller = format!("{}      app-client-id: x\n{secrets}", caller);
        }
        let file = workflows.join(format!("caller-{name}.yml"));
        std::fs::write(&file, &caller).unwrap();
        lint_in(&folder, "actionlint", &["-shellcheck=", file.to_str().unwrap()]);
        let [caller, ours] =
            [&caller, &ours].map(|text| serde_yaml::from_str::<serde_yaml::Value>(text).unwrap());
        // A called workflow gets at most what its caller has: with less it does not start.
        assert_eq!(caller["jobs"][name]["permissions"], ours["jobs"][name]["permissions"], "{name}");
    }
    // The linter looks into the called workflow: an input that it has not is refused.
    let wrong = workflows.join("wrong.yml");
    std::fs::write(
        &wrong,
        "on: push\njobs:\n  a:\n    uses: ./.github/workflows/audit.yml\n    with:\n      role: x\n",
    )
    .unwrap();
    let output = Command::new(python_tool("actionlint")).arg(&wrong).current_dir(&folder).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"role\" is not defined"));
}

#[test]
fn no_word_is_misspelt() {
    lint("typos", &["--format", "brief"]);
}

/// The runner makes regular files; a link in their place is another program's.
#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_file_of_the_step_is_not_followed() {
    for variable in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let run = Keytide::new(&["check", "--format", "json"]).in_action(&[]);
        let (kept, link) = (run.path("kept"), run.path("link"));
        std::fs::write(&kept, "kept\n").unwrap();
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        let ran = run.env(variable, link.to_str().unwrap()).run().exits(3);
        let said = format!("error: {variable} cannot be written: it is a link");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept\n");
    }
}
