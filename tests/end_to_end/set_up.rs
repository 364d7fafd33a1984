//! The set-ups that `iam-policy` prints: run, deployed and read by other people's programs, and lived with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::aws_cli::offer_aws_cli;
use crate::support::emulator::Emulator;
use crate::support::replies::{Reply, Server};
use crate::support::tools::{python, python_tool};
use crate::support::{Keytide, folder};

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci-deployer\n    rotation: {}\n    \
                      destinations:\n      - secrets_manager: { secret_id: prod/aws, region: eu-west-1, \
                      access_key_id: key_id, secret_access_key: secret }\n  - { match: \"svc-*\", path: /services/ }\n";
const ROLES: [&str; 3] = ["keytide-audit", "keytide-rotate", "keytide-delete"];
pub const GITHUB: &str = "token.actions.githubusercontent.com";

/// `iam-policy` for the repository `acme/app`, whose numbers are known.
fn print(arguments: &[&str]) -> Keytide {
    print_with(POLICY, arguments)
}

fn print_with(policy: &str, arguments: &[&str]) -> Keytide {
    Keytide::new(&[&["iam-policy", "--repository", "acme/app"], arguments].concat())
        .env("GITHUB_REPOSITORY_ID", "42")
        .env("GITHUB_REPOSITORY_OWNER_ID", "7")
        .policy(policy)
}

fn set_up(format: &str, arguments: &[&str]) -> String {
    let arguments = [&["--for", "all", "--subject", "immutable", "--format", format], arguments].concat();
    let run = print(&arguments).run().exits(0);
    let about_kms = "note: a secret that is encrypted with a KMS key of your own";
    assert!(run.stderr.lines().all(|line| line.starts_with(about_kms)), "{}", run.stderr);
    run.stdout
}

/// What the JSON format prints of each role: its trust and its permissions.
fn documents(arguments: &[&str]) -> Vec<(Value, Value)> {
    let all = ["--for", "all"];
    let trusts = [&all[..], &["--trust", "--subject", "immutable"], arguments].concat();
    let (trusts, permissions) = (print(&trusts).run().exits(0).json(), print(&all).run().exits(0).json());
    let of = |name: &str| (trusts[name].clone(), permissions[name].clone());
    ["audit", "rotate", "delete"].map(of).to_vec()
}

/// A program that finds the AWS CLI, and AWS at the emulator.
pub fn on_aws(program: impl Into<PathBuf>, aws: &Emulator) -> Command {
    let folder = folder();
    let mut command = Command::new(program.into());
    command.current_dir(&folder).env_clear().env("HOME", &folder);
    offer_aws_cli(&mut command, &std::env::var_os("PATH").unwrap_or_default());
    command.env("AWS_ENDPOINT_URL", aws.url()).env("AWS_DEFAULT_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn aws(emulator: &Emulator, arguments: &[&str]) -> String {
    let output = on_aws("aws", emulator).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a script as a person does who saved it.
pub fn run_script(emulator: &Emulator, script: &str) -> Output {
    let file = folder().join("set-up.sh");
    std::fs::write(&file, script).unwrap();
    on_aws("bash", emulator).arg(file).output().unwrap()
}

/// The same, by a person who has set no region.
fn run_without_region(emulator: &Emulator, script: &str) -> Output {
    run_script(emulator, &format!("unset AWS_DEFAULT_REGION\n{script}"))
}

fn account() -> Emulator {
    Emulator::with_auth(&json!({"account": "123456789012", "users": []}))
}

/// The roles and the providers of an account, as AWS lists them.
fn listed(emulator: &Emulator) -> Value {
    let roles = aws(emulator, &["iam", "get-account-authorization-details", "--filter", "Role"]);
    let providers = aws(emulator, &["iam", "list-open-id-connect-providers", "--output", "text"]);
    let roles: Value = serde_json::from_str(&roles).unwrap();
    json!([roles["RoleDetailList"], providers])
}

/// The same, without what each creation has of its own.
fn comparable(mut listed: Value) -> Value {
    let roles = listed[0].as_array_mut().unwrap();
    for role in roles.iter_mut() {
        for field in ["RoleId", "CreateDate", "RoleLastUsed"] {
            role.as_object_mut().unwrap().remove(field);
        }
    }
    roles.sort_by_key(|role| role["RoleName"].as_str().unwrap().to_owned());
    listed
}

/// The trust and the permissions of each role of an account.
fn documents_in(listed: &Value) -> Vec<(Value, Value)> {
    let find = |name: &str| {
        let roles = listed[0].as_array().unwrap();
        let role = roles.iter().find(|role| role["RoleName"] == name).unwrap();
        let [policy] = &role["RolePolicyList"].as_array().unwrap()[..] else { panic!("{role:#}") };
        (role["AssumeRolePolicyDocument"].clone(), policy["PolicyDocument"].clone())
    };
    ROLES.map(find).to_vec()
}

/// Runs a program of Python on a text, and reads the JSON that it prints.
fn python_json(program: &str, input: &str) -> Value {
    let file = folder().join("input");
    std::fs::write(&file, input).unwrap();
    let output = python().args(["-c", program]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}\n{input}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// YAML as CloudFormation's own reader takes it: a date without quotes is a text.
fn read_yaml(template: &str) -> Value {
    let program = "import json, sys, yaml; print(json.dumps(yaml.load(open(sys.argv[1]), yaml.BaseLoader)))";
    python_json(program, template)
}

fn documents_of_template(template: &Value) -> Vec<(Value, Value)> {
    let of = |name: &str| {
        let role = &template["Resources"][name]["Properties"];
        let mut trust = role["AssumeRolePolicyDocument"].clone();
        // The provider of the stack, or the one that was there.
        let provider = &mut trust["Statement"][0]["Principal"]["Federated"];
        let [condition, own, other] = &provider["Fn::If"].as_array().unwrap()[..] else {
            panic!("no provider")
        };
        assert_eq!((condition, own), (&json!("CreatesOidcProvider"), &json!({"Ref": "OidcProvider"})));
        *provider = other.clone();
        (trust, role["Policies"][0]["PolicyDocument"].clone())
    };
    ["AuditRole", "RotateRole", "DeleteRole"].map(of).to_vec()
}

#[test]
fn the_formats_are_as_they_were() {
    insta::assert_snapshot!("script", set_up("cli", &[]));
    insta::assert_snapshot!("cloudformation", set_up("cloudformation", &[]));
    insta::assert_snapshot!("terraform", set_up("terraform", &[]));
}

/// The script is run twice by the AWS CLI. The template is deployed to another account, and comes to the same.
#[test]
fn the_script_and_the_template_come_to_the_same() {
    let emulator = account();
    let script = set_up("cli", &[]);
    let first = run_script(&emulator, &script);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let arns = ROLES.map(|name| format!("arn:aws:iam::123456789012:role/{name}\n")).concat();
    assert_eq!((text(&first.stdout), text(&first.stderr)), (arns.clone(), String::new()));
    let made = listed(&emulator);
    assert_eq!(documents_in(&made), documents(&[]));
    let second = run_without_region(&emulator, &script);
    assert_eq!((text(&second.stdout), text(&second.stderr)), (arns, String::new()));
    assert_eq!(listed(&emulator), made, "a second run changes nothing");

    // moto knows no `AWS::IAM::OIDCProvider`: there the provider is one that was there.
    let other = account();
    let provider = ["iam", "create-open-id-connect-provider", "--client-id-list", "sts.amazonaws.com"];
    aws(&other, &[&provider[..], &["--url", &format!("https://{GITHUB}")]].concat());
    let template = folder().join("keytide.yaml");
    std::fs::write(&template, set_up("cloudformation", &[])).unwrap();
    let body = format!("file://{}", template.display());
    let stack = ["cloudformation", "create-stack", "--stack-name", "keytide", "--template-body", &body];
    let parameter = "ParameterKey=CreateOidcProvider,ParameterValue=false";
    let more = ["--capabilities", "CAPABILITY_NAMED_IAM", "--parameters", parameter];
    aws(&other, &[&stack[..], &more].concat());
    assert_eq!(comparable(listed(&other)), comparable(made));
}

/// A changed policy file changes the roles; the provider that was there keeps its audience and gets ours.
#[test]
fn a_second_run_updates_what_is_there() {
    let emulator = account();
    let provider = ["iam", "create-open-id-connect-provider", "--client-id-list", "other"];
    aws(&emulator, &[&provider[..], &["--url", &format!("https://{GITHUB}")]].concat());
    let audit = ["--for", "audit", "--subject", "immutable", "--format", "cli"];
    let before = run_script(&emulator, &print(&audit).run().exits(0).stdout);
    assert!(before.status.success(), "{}", text(&before.stderr));
    let changed = POLICY.replace("ci-deployer", "another");
    let more = [&audit[..], &["--branch", "trunk"]].concat();
    let after = run_script(&emulator, &print_with(&changed, &more).run().exits(0).stdout);
    assert!(after.status.success(), "{}", text(&after.stderr));
    let roles = listed(&emulator)[0].to_string();
    assert!(roles.contains("user/another") && roles.contains("refs/heads/trunk"), "{roles}");
    assert!(!roles.contains("ci-deployer") && !roles.contains("refs/heads/main"), "{roles}");
    let arn = format!("arn:aws:iam::123456789012:oidc-provider/{GITHUB}");
    let provider = ["iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", &arn];
    let provider: Value = serde_json::from_str(&aws(&emulator, &provider)).unwrap();
    assert_eq!(provider["ClientIDList"], json!(["other", "sts.amazonaws.com"]));
}

/// Two repositories may have keys in one account, and the credentials may be those of another account.
#[test]
fn the_script_takes_nothing_over() {
    let emulator = account();
    let audit = ["--for", "audit", "--subject", "classic", "--format", "cli"];
    let script = print(&audit).run().exits(0).stdout;
    assert!(run_script(&emulator, &script).status.success());
    let made = listed(&emulator);
    let other = Keytide::new(&[&["iam-policy", "--repository", "acme/other"], &audit[..]].concat());
    let refused = run_script(&emulator, &other.policy(POLICY).run().exits(0).stdout);
    assert_eq!(refused.status.code(), Some(1));
    let why = text(&refused.stderr);
    assert!(
        why.contains("role keytide-audit exists and is not tagged keytide:repository=acme/other"),
        "{why}"
    );
    assert!(why.contains("--role-prefix"), "{why}");
    assert_eq!(listed(&emulator), made);

    let elsewhere =
        script.replace("require_account 123456789012 us-east-1", "require_account 210987654321 us-east-1");
    let refused = run_script(&emulator, &elsewhere);
    assert_eq!(refused.status.code(), Some(1));
    let why = text(&refused.stderr);
    assert_eq!(
        why,
        "error: these credentials belong to account 123456789012; the policy file names 210987654321\n"
    );
    // A refusal that is not about an absent role ends the script.
    let fault = json!([{"action": "GetRole", "status": 403, "code": "AccessDenied", "times": 9}]);
    emulator.control("POST", "faults", &fault.to_string());
    let refused = run_script(&emulator, &script);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("AccessDenied"), "{}", text(&refused.stderr));
}

/// The linter of the makers of CloudFormation has nothing to say.
#[test]
fn the_template_passes_its_linter() {
    let folder = folder();
    let forms = [&[][..], &["--partition", "aws-cn", "--environment", ""], &["--role-prefix", "acme.app"]];
    lint_templates(&folder, forms.map(|arguments| set_up_quietly("cloudformation", arguments)));
}

/// Nothing is said of the templates, by one run of the linter: it takes seconds to begin.
pub fn lint_templates<const N: usize>(folder: &Path, templates: [String; N]) {
    let mut command = Command::new(python_tool("cfn-lint"));
    command.args(["--include-checks", "I", "--"]);
    for (number, template) in templates.into_iter().enumerate() {
        let file = folder.join(format!("{number}.yaml"));
        std::fs::write(&file, template).unwrap();
        command.arg(file);
    }
    let output = command.output().unwrap();
    assert_eq!(text(&output.stdout) + &text(&output.stderr), "");
    assert!(output.status.success());
}

fn set_up_quietly(format: &str, arguments: &[&str]) -> String {
    print(&[&["--for", "all", "--subject", "immutable", "--format", format], arguments].concat())
        .run()
        .exits(0)
        .stdout
}

/// Terraform itself is not among the packages that a test can install: another reader of HCL takes the text apart.
const READ_HCL: &str = r#"
import json, re, sys
import hcl2

def plain(value):
    if isinstance(value, dict):
        return {plain(name): plain(item) for name, item in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return json.loads(value.replace("$${", "${").replace("%%{", "%{"))
    return value

print(json.dumps(plain(hcl2.load(open(sys.argv[1])))))
"#;

/// The blocks of Terraform: for each role its trust and its permissions, and the rest.
fn read_terraform(hcl: &str) -> Value {
    python_json(READ_HCL, hcl)
}

fn documents_of_terraform(read: &Value) -> Vec<(Value, Value)> {
    let find = |name: &str| {
        let locals = read["locals"].as_array().unwrap();
        let found = locals.iter().find_map(|block| block.get(name));
        found.unwrap_or_else(|| panic!("{name} is not in {locals:#?}")).clone()
    };
    let of =
        |role: &str| (find(&format!("keytide_{role}_trust")), find(&format!("keytide_{role}_permissions")));
    ["audit", "rotate", "delete"].map(of).to_vec()
}

#[test]
fn terraform_and_the_template_have_the_same_policies() {
    let expected = documents(&[]);
    assert_eq!(documents_of_template(&read_yaml(&set_up("cloudformation", &[]))), expected);
    let read = read_terraform(&set_up("terraform", &[]));
    assert_eq!(documents_of_terraform(&read), expected);
    let role = |name: &str| {
        let resources = read["resource"].as_array().unwrap();
        resources.iter().find_map(|block| block.get("aws_iam_role")?.get(name)).unwrap().clone()
    };
    for (name, role) in
        ROLES.iter().zip(["audit", "rotate", "delete"].map(|word| role(&format!("keytide_{word}"))))
    {
        assert_eq!(role["name"], *name);
        assert_eq!(role["tags"], json!({"keytide:repository": "acme/app"}));
    }
}

/// What a person or a file names is text in every format, whatever it looks like.
#[test]
fn names_do_not_leave_their_place() {
    let hostile = "x'\"`touch pwned`$(touch pwned)${path.module}%{ if true }\\ \n- a: {b: c} # !Ref x\ny\té";
    // GitHub writes `%3A` for a colon in the name of an environment, and the AWS CLI reads that as a colon again.
    let environment = hostile.replace(':', ";");
    let arguments = ["--environment", &environment, "--branch", hostile];
    let expected = documents(&arguments);
    let subject = &expected[2].0["Statement"][0]["Condition"]["StringEquals"][format!("{GITHUB}:sub")][0];
    assert_eq!(subject, &json!(format!("repo:acme@7/app@42:environment:{environment}")));
    assert_eq!(documents_of_template(&read_yaml(&set_up("cloudformation", &arguments))), expected);
    assert_eq!(documents_of_terraform(&read_terraform(&set_up("terraform", &arguments))), expected);
    let emulator = account();
    let script = format!("{}\n[[ ! -e pwned ]]\n", set_up("cli", &arguments));
    let run = run_script(&emulator, &script);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert_eq!(documents_in(&listed(&emulator)), expected);
    // The name of the repository is also in comments and in tags: nothing but a name is accepted.
    for format in ["cli", "cloudformation", "terraform"] {
        let run = Keytide::new(&["iam-policy", "--for", "audit", "--subject", "classic", "--format", format]);
        let run = run.env("GITHUB_REPOSITORY", "acme/app\ntouch pwned").policy(POLICY).run().exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("is not OWNER/NAME"), "{}", run.stderr);
        // Its reader would see another script than the one that runs
        let run =
            print(&["--for", "all", "--subject", "immutable", "--format", format, "--branch", "x\u{2028}y"]);
        let run = run.run().exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("hide or reorder text"), "{}", run.stderr);
    }
}

#[test]
fn numbers_are_never_placeholders() {
    for format in ["cli", "cloudformation", "terraform"] {
        let arguments = ["iam-policy", "--for", "all", "--format", format, "--repository", "acme/app"];
        let run = Keytide::new(&arguments).policy(POLICY).run().exits(3);
        assert!(run.stdout.is_empty(), "{}", run.stdout);
        assert!(
            run.stderr.contains("note: nothing was printed; a file that standard output"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("the numeric IDs of `acme/app` are unknown"), "{}", run.stderr);
        assert!(run.stderr.contains("export GITHUB_TOKEN=$(gh auth token)"), "{}", run.stderr);
        let classic = Keytide::new(&arguments).arg("--subject").arg("classic").policy(POLICY).run().exits(0);
        assert!(classic.stdout.contains("repo:acme/app:ref:refs/heads/main"), "{}", classic.stdout);
        let note = "trusts a repository by its name alone";
        assert_eq!(classic.stderr.matches(note).count(), 1, "{}", classic.stderr);
    }
    let closed = Server::start(|_| Reply::Answer(404, "{\"message\": \"Not Found\"}".into()));
    let asked = Keytide::new(&["iam-policy", "--for", "all", "--format", "cli", "--repository", "acme/app"]);
    let asked = asked.env("GITHUB_TOKEN", "t").arg("--github-api-url").arg(&closed.url());
    let run = asked.policy(POLICY).run().exits(3);
    assert!(run.stdout.is_empty() && run.stderr.contains("Not Found"), "{}", run.stderr);
}

/// With a token GitHub says the numbers, the form of the subject, and the default branch.
#[test]
fn github_fills_the_set_up_in() {
    let server = Server::start(|request| match request.path.as_str() {
        "/repos/acme/app" => {
            Reply::Answer(200, r#"{"id": 42, "owner": {"id": 7}, "default_branch": "trunk"}"#.into())
        }
        "/repos/acme/app/actions/oidc/customization/sub" => {
            Reply::Answer(200, r#"{"use_default": true, "sub_claim_prefix": "repo:acme@7/app@42"}"#.into())
        }
        _ => Reply::Answer(404, "{}".into()),
    });
    let run = Keytide::new(&["iam-policy", "--for", "all", "--format", "cloudformation"]);
    let run = run.arg("--repository").arg("acme/app").arg("--github-api-url").arg(&server.url());
    let template = read_yaml(&run.env("GITHUB_TOKEN", "t").policy(POLICY).run().exits(0).stdout);
    let keys = |role: usize| {
        documents_of_template(&template)[role].0["Statement"][0]["Condition"]["StringEquals"].clone()
    };
    assert_eq!(keys(1)[format!("{GITHUB}:sub")], json!(["repo:acme@7/app@42:ref:refs/heads/trunk"]));
    assert_eq!(keys(1)[format!("{GITHUB}:repository_id")], "42");
    assert_eq!(keys(2)[format!("{GITHUB}:ref")], "refs/heads/trunk");
    assert_eq!(
        keys(2)[format!("{GITHUB}:sub")],
        json!(["repo:acme@7/app@42:environment:delete-access-keys"])
    );
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let refused = |arguments: &[&str], why: &str| {
        let run = print(&[&["--for", "audit"], arguments].concat()).run().exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains(why), "{}", run.stderr);
    };
    refused(&["--branch", "x"], "`--branch` needs `--trust`, or `--format cli`");
    refused(&["--subject", "both"], "`--subject` needs `--trust`");
    refused(&["--role-prefix", "x", "--trust"], "`--role-prefix` needs `--format cli`");
    refused(&["--format", "cli", "--trust"], "`--trust` prints JSON");
    refused(&["--format", "sarif"], "[possible values: json, cli, cloudformation, terraform]");
    refused(&["--format", "cli", "--role-prefix", "a b"], "expected at most 57 letters");
    for command in [&["audit"][..], &["plan"]] {
        let run = Keytide::new(&[command, &["--format", "cli"]].concat()).policy(POLICY).run().exits(2);
        assert!(run.stderr.contains("[possible values: text, json,"), "{}", run.stderr);
    }
    // A format of reports before the name of the command is one for all commands.
    let run =
        Keytide::new(&["--format", "text", "iam-policy", "--for", "audit"]).policy(POLICY).run().exits(0);
    assert_eq!(run.json(), documents(&[])[0].1);
}

/// Without `rotation` there is only an audit to set up.
#[test]
fn a_policy_file_without_rotation_needs_one_role() {
    let policy = "version: 1\naccount: \"123456789012\"\nusers: [{ name: x }]\n";
    for format in ["json", "cli", "cloudformation", "terraform"] {
        let run = print_with(policy, &["--for", "all", "--format", format]).run().exits(0);
        assert!(!run.stdout.contains("CreateAccessKey") && run.stdout.contains("audit"), "{}", run.stdout);
        assert!(run.stderr.contains("no user has `rotation:` in keytide.yml, so"), "{}", run.stderr);
    }
    let run = print_with(policy, &["--for", "delete", "--format", "cli"]).run().exits(2);
    assert!(run.stderr.contains("no user has `rotation:`"), "{}", run.stderr);
    let long: String = (0..90).map(|number| format!("  - name: {}{number}\n", "n".repeat(60))).collect();
    let long = format!("version: 1\naccount: \"123456789012\"\nusers:\n{long}");
    let run = print_with(&long, &["--for", "audit", "--format", "cli"]).run().exits(2);
    assert!(run.stderr.contains("the inline policies of a role can have 10240"), "{}", run.stderr);
}
