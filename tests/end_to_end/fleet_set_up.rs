//! The roles of a fleet as `iam-policy --for fleet` prints them, and the jobs of its workflow as the action runs them.

use std::process::Command;

use serde_json::{Value, json};

use crate::set_up::lint_templates;
use crate::support::emulator::Emulator;
use crate::support::tools::python_tool;
use crate::support::{Keytide, folder, root};

fn template(arguments: &[&str]) -> Keytide {
    let all = ["iam-policy", "--for", "fleet", "--repository", "acme/security", "--format", "cloudformation"];
    Keytide::new(&[&all, arguments].concat())
        .env("GITHUB_REPOSITORY_ID", "42")
        .env("GITHUB_REPOSITORY_OWNER_ID", "7")
}

#[test]
fn the_template_passes_its_linter_and_needs_no_policy_file() {
    let forms = [
        &["--subject", "immutable"][..],
        &["--subject", "both", "--role-prefix", "sec", "--environment", "fleet"],
    ];
    lint_templates(&folder(), forms.map(|arguments| template(arguments).run().exits(0).stdout));
    let run = template(&[]).run();
    assert!(run.stdout.contains("repo:acme@7/security@42:ref:refs/heads/main"), "{}", run.stdout);
    let run = Keytide::new(&["iam-policy", "--for", "fleet", "--repository", "acme/security"]).run().exits(2);
    assert!(run.stderr.contains("`--for fleet` needs `--format cloudformation`"), "{}", run.stderr);
}

/// The workflow's role may assume the roles of the accounts and nothing else; those trust it alone. No job of a pull request
/// gets it: it reads every account.
#[test]
fn the_roles_trust_one_branch_and_one_role() {
    let text = template(&["--subject", "immutable"]).run().exits(0).stdout;
    let template: Value = serde_yaml::from_str(&text).unwrap();
    let role = |name: &str| template["Resources"][name]["Properties"].clone();
    let statement = |role: &Value| role["AssumeRolePolicyDocument"]["Statement"][0].clone();
    let hub = role("FleetRole");
    assert_eq!(hub["RoleName"], "keytide-fleet");
    assert_eq!(template["Resources"]["FleetRole"]["Condition"], "IsCentralAccount");
    assert_eq!(
        statement(&hub)["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"],
        json!(["repo:acme@7/security@42:ref:refs/heads/main"])
    );
    let permissions = &hub["Policies"][0]["PolicyDocument"]["Statement"];
    assert_eq!(permissions.as_array().unwrap().len(), 1);
    assert_eq!(permissions[0]["Action"], json!(["sts:AssumeRole"]));
    assert_eq!(
        permissions[0]["Resource"]["Fn::Sub"],
        "arn:${AWS::Partition}:iam::*:role/keytide-fleet-audit"
    );
    let audit = role("FleetAuditRole");
    assert_eq!(audit["RoleName"], "keytide-fleet-audit");
    assert_eq!(template["Resources"]["FleetAuditRole"].get("Condition"), None);
    let trust = statement(&audit);
    assert_eq!(trust["Principal"]["AWS"]["Fn::Sub"], "arn:${AWS::Partition}:iam::${CentralAccount}:root");
    assert_eq!(
        trust["Condition"]["ArnEquals"]["aws:PrincipalArn"]["Fn::Sub"],
        "arn:${AWS::Partition}:iam::${CentralAccount}:role/keytide-fleet"
    );
    let actions = audit["Policies"][0]["PolicyDocument"]["Statement"].to_string();
    for change in ["Create", "Update", "Delete", "Put", "Attach", "Tag"] {
        assert!(!actions.contains(&format!("iam:{change}")), "{actions}");
    }
}

/// The actions of a real audit are those of the role.
#[test]
fn the_role_has_the_actions_of_an_audit() {
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": [
        {"name": "app", "tags": {"keytide:owner": "1"}, "keys": [{"created_at": "2020-01-01T00:00:00Z"}]}]}));
    emulator.forget_requests();
    Keytide::new(&["fleet", "audit", "--account", "123456789012", "--policies", "policies"])
        .file("fleet.yml", "version: 1\norganizations: [acme]\naccounts: [{ id: \"123456789012\" }]\n")
        .file(
            "policies/acme/app/keytide.yml",
            "version: 1\naccount: \"123456789012\"\nusers: [{ name: app }, { name: gone }]\n",
        )
        .against(&emulator.url())
        .run()
        .exits(1);
    let text = template(&["--subject", "immutable"]).run().exits(0).stdout;
    let requests = emulator.requests();
    for action in
        requests["actions"].as_object().unwrap().keys().filter(|action| *action != "GetCallerIdentity")
    {
        assert!(text.contains(&format!("iam:{action}\n")), "{action}");
    }
}

/// The inputs of the action are the arguments of the jobs.
#[test]
fn the_action_runs_the_jobs_of_a_fleet() {
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": [
        {"name": "app", "keys": [{"created_at": "2020-01-01T00:00:00Z"}]}]}));
    let inputs = [
        ("command", "fleet-audit"),
        ("account", "123456789012"),
        ("part", "1/1"),
        ("policies", "p"),
        ("results", "r"),
    ];
    let run = Keytide::new(&[])
        .in_action(&inputs)
        .file("p/fleet.yml", "version: 1\norganizations: [acme]\naccounts: [{ id: \"123456789012\" }]\n")
        .file("p/acme/app/keytide.yml", "version: 1\naccount: \"123456789012\"\nusers: [{ name: app }]\n")
        .env("AWS_ENDPOINT_URL", &emulator.url())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let (result, outputs) = (run.path("r/123456789012-1-1.json"), run.path("output"));
    run.run().exits(1);
    assert!(std::fs::read_to_string(outputs).unwrap().contains("result=breach\nerrors="));
    let inputs = [
        ("command", "fleet-report"),
        ("policies", "p"),
        ("results", "r"),
        ("html-file", "out/r.html"),
        ("fail-on", "never"),
    ];
    let run = Keytide::new(&[]).in_action(&inputs).file("r/1.json", std::fs::read(result).unwrap());
    let page = run.path("out/r.html");
    // Without the file of the collection the report is incomplete: it is not known which results are missing.
    let ran = run.run().exits(3);
    assert!(ran.stdout.contains("p/collection.json"), "{}", ran.stdout);
    assert!(std::fs::read_to_string(page).unwrap().contains("key-age"));
    let run =
        Keytide::new(&[]).in_action(&[("command", "fleet-collect"), ("github-token", "")]).run().exits(2);
    assert!(run.stderr.contains("fleet.yml cannot be read"), "{}", run.stderr);
}

/// The caller that docs/fleet.md gives to paste: the linter knows the inputs of the called workflow, and the test its
/// permissions. A called workflow gets at most what its caller has.
#[test]
fn the_caller_of_the_workflow_is_right() {
    let page = std::fs::read_to_string(root().join("docs/fleet.md")).unwrap();
    let mut blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.find(|block| block.starts_with("name: fleet\n")).unwrap();
    let ours = std::fs::read_to_string(root().join(".github/workflows/fleet.yml")).unwrap();
    let folder = folder();
    let workflows = folder.join(".github/workflows");
    std::fs::create_dir_all(&workflows).unwrap();
    assert!(Command::new("git").args(["init", "--quiet"]).arg(&folder).status().unwrap().success());
    let caller =
        block.replace("OWNER/keytide/.github/workflows/fleet.yml@v0", "./.github/workflows/fleet.yml");
    assert_ne!(caller, block);
    std::fs::write(workflows.join("fleet.yml"), &ours).unwrap();
    std::fs::write(workflows.join("caller.yml"), &caller).unwrap();
    let output = Command::new(python_tool("actionlint"))
        .args(["-shellcheck=", ".github/workflows/caller.yml"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let [caller, ours] = [&caller, &ours].map(|text| serde_yaml::from_str::<Value>(text).unwrap());
    let granted = caller["jobs"]["fleet"]["permissions"].as_object().unwrap();
    let mut used = std::collections::BTreeMap::new();
    for job in ours["jobs"].as_object().unwrap().values() {
        used.extend(job["permissions"].as_object().unwrap().clone());
    }
    assert_eq!(granted.iter().collect::<Vec<_>>(), used.iter().collect::<Vec<_>>());
}
