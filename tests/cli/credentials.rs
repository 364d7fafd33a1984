//! What is said of AWS credentials that are missing, have ended or cannot be loaded: one sentence and what to do, and never
//! the words of the SDK.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::support::replies::{Reply, Server, answer, caller, error};
use crate::support::tools::python;
use crate::support::{Keytide, Ran, folder};

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers: [{ name: alice }]\n";

/// What the SDK calls its own parts.
const SDK_WORDS: [&str; 8] = [
    "dispatch failure",
    "an error occurred while loading credentials",
    "credentials provider",
    "credential provider",
    "cargo feature",
    "unhandled error",
    "io error",
    "IMDS",
];

/// Refused with this sentence and this help, and with no word of the SDK.
#[track_caller]
fn refused(run: Keytide, exit: i32, sentence: &str, help: &str) -> Ran {
    let run = run.run().exits(exit);
    assert!(run.stderr.contains(&format!("error: {sentence}")), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("help: {help}")), "{}", run.stderr);
    for word in SDK_WORDS {
        assert!(!run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    run
}

fn audit() -> Keytide {
    Keytide::new(&["audit", "--format", "text"]).policy(POLICY)
}

fn with_profiles(config: &str) -> Keytide {
    audit().file(".aws/config", config)
}

/// An account without users.
fn account() -> Server {
    Server::start(|request| match request.action() {
        "GetCallerIdentity" => caller(),
        "ListEntitiesForPolicy" => answer("ListEntitiesForPolicy", "<IsTruncated>false</IsTruncated>"),
        _ => error(404, "NoSuchEntity", "The user with name alice cannot be found."),
    })
}

fn without_users(url: &str) -> Keytide {
    Keytide::new(&["audit", "--endpoint-url", url, "--fail-on", "never"]).policy(POLICY)
}

/// A value that was pasted with a line break would be signed with, in a header.
#[test]
fn a_key_with_a_line_break_is_refused() {
    for (name, what) in [
        ("AWS_ACCESS_KEY_ID", "access key ID"),
        ("AWS_SECRET_ACCESS_KEY", "secret access key"),
        ("AWS_SESSION_TOKEN", "session token"),
    ] {
        let mut run = audit();
        for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            run = run.env(variable, if variable == name { "one\ntwo" } else { "one" });
        }
        let run = run.run().exits(3);
        let sentence =
            format!("the AWS credentials could not be loaded: the {what} has a blank, a line break");
        assert!(run.stderr.contains(&sentence), "{name}: {}", run.stderr);
    }
}

#[test]
fn without_credentials_the_place_decides_what_to_do() {
    let none = "no AWS credentials were found";
    refused(audit(), 3, none, "create a profile with `aws configure sso`");
    let config = "[profile dev]\nregion = eu-west-1\n[profile prod]\nregion = eu-west-1\n";
    refused(with_profiles(config), 3, none, "set AWS_PROFILE to one of the profiles: dev, prod");
    let workflow = || audit().env("GITHUB_ACTIONS", "true");
    refused(
        workflow(),
        3,
        none,
        "give the job `permissions: id-token: write` and set the input `role-to-assume`",
    );
    let with_token = workflow().env("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:9/?x=y");
    refused(with_token, 3, none, "set the input `role-to-assume`: the job may request an OIDC token");
    let of_fork = workflow().env("GITHUB_EVENT_NAME", "pull_request");
    let run = refused(of_fork, 3, none, "give the job `permissions: id-token: write`");
    assert!(
        run.stderr.contains("pull requests of forks and of Dependabot get no OIDC token"),
        "{}",
        run.stderr
    );
    let role = of_fork_with_role();
    assert!(role.stderr.contains("needs ACTIONS_ID_TOKEN_REQUEST_URL"), "{}", role.stderr);
    assert!(
        role.stderr.contains("pull requests of forks and of Dependabot get no OIDC token"),
        "{}",
        role.stderr
    );
    let in_shell = audit().arg("--role-to-assume").arg("arn:aws:iam::123456789012:role/keytide");
    refused(
        in_shell,
        2,
        "`role-to-assume` needs ACTIONS_ID_TOKEN_REQUEST_URL",
        "leave `--role-to-assume` out here",
    );
    let half = audit().env("AWS_ACCESS_KEY_ID", "AKIA0EXAMPLE");
    refused(
        half,
        3,
        "no AWS credentials were found: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not",
        "set both",
    );
}

fn of_fork_with_role() -> Ran {
    let run = audit().arg("--role-to-assume").arg("arn:aws:iam::123456789012:role/audit");
    run.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "pull_request").run().exits(2)
}

/// Hosted runners are machines of another cloud, whose metadata service refuses what AWS's would answer.
#[test]
fn the_metadata_service_of_another_cloud_has_no_credentials() {
    let azure = Server::start(|_| {
        Reply::Answer(400, "{\"error\":\"Bad request. Required metadata header not specified\"}".into())
    });
    let run = audit()
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &azure.url())
        .env("GITHUB_ACTIONS", "true");
    refused(run, 3, "no AWS credentials were found", "give the job `permissions: id-token: write`");
}

#[test]
fn a_profile_that_does_not_exist_is_named_with_those_that_do() {
    let config = "[default]\nregion = eu-west-1\n[profile prod]\nregion = eu-west-1\n";
    let wrong = with_profiles(config).env("AWS_PROFILE", "prd");
    refused(
        wrong,
        2,
        "AWS_PROFILE names the profile `prd`, which does not exist",
        "the profiles are: default, prod",
    );
    let none = audit().env("AWS_PROFILE", "prd");
    refused(
        none,
        2,
        "AWS_PROFILE names the profile `prd`, which does not exist",
        "~/.aws/config has no profiles",
    );
    let source = "[profile ci]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = shared\n[profile base]\nregion = x\n";
    let wrong = with_profiles(source).env("AWS_PROFILE", "ci");
    refused(
        wrong,
        3,
        "the AWS profile `ci` has no credentials",
        "it names the source profile `shared`, which does not exist",
    );
    let empty = with_profiles(source).env("AWS_PROFILE", "base");
    refused(
        empty,
        3,
        "the AWS profile `base` has no credentials",
        "give it credentials with `aws configure sso`",
    );
    let broken = with_profiles("[oops\n");
    refused(broken, 2, "the AWS profiles cannot be read: error parsing ", "correct ~/.aws/config");
    // Without a value it counts as absent.
    let server = account();
    let empty = without_users(&server.url()).env("AWS_PROFILE", "");
    let empty =
        empty.file(".aws/config", "[default]\naws_access_key_id = test\naws_secret_access_key = test\n");
    empty.run().exits(0);
}

#[test]
fn a_session_that_ended_names_the_command_that_renews_it() {
    let session = "[profile prod]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = audit\n\
                   [sso-session acme]\nsso_region = eu-west-1\nsso_start_url = https://acme.awsapps.com/start\n";
    let ended = "the SSO session of the AWS profile `prod` has expired, or there is none";
    let help = "run `aws sso login --profile prod`";
    refused(with_profiles(session).env("AWS_PROFILE", "prod"), 3, ended, help);
    // The name of the file is the SHA-1 of `acme`.
    let expired = with_profiles(session).env("AWS_PROFILE", "prod").file(
        ".aws/sso/cache/293abb6b76d7791c0732cc517d38c4b5c734b87f.json",
        "{\"accessToken\": \"token\", \"expiresAt\": \"2020-01-01T00:00:00Z\", \"region\": \"eu-west-1\", \
         \"startUrl\": \"https://acme.awsapps.com/start\"}",
    );
    refused(expired, 3, ended, help);
    let legacy = "[profile prod]\nsso_region = eu-west-1\nsso_start_url = https://acme.awsapps.com/start\n\
                  sso_account_id = 123456789012\nsso_role_name = audit\n";
    refused(with_profiles(legacy).env("AWS_PROFILE", "prod"), 3, ended, help);
    let through_role = format!(
        "{session}[profile admin]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = prod\n"
    );
    let run = with_profiles(&through_role).env("AWS_PROFILE", "admin");
    refused(run, 3, "the SSO session of the AWS profile `admin`", "run `aws sso login --profile admin`");
    let login = with_profiles("[profile console]\nlogin_session = arn:aws:iam::123456789012:user/admin\n");
    refused(
        login.env("AWS_PROFILE", "console"),
        3,
        "the AWS profile `console` uses a session of `aws login`, which keytide cannot read",
        "export its credentials: `eval \"$(aws configure export-credentials --profile console --format env)\"`",
    );
}

#[test]
fn a_program_that_gives_no_credentials_is_named_with_its_reason() {
    let failed =
        with_profiles("[default]\ncredential_process = sh -c 'echo the vault is sealed >&2; exit 3'\n");
    let run = refused(
        failed,
        3,
        "the `credential_process` of the AWS profile `default` failed: ",
        "run that program",
    );
    assert!(run.stderr.contains("the vault is sealed"), "{}", run.stderr);
}

/// The program may take longer than one request may.
#[test]
fn a_slow_program_is_started_once() {
    let server = account();
    let run = without_users(&server.url()).arg("--timeout").arg("2");
    let started = run.path("started");
    let program = format!(
        "[default]\ncredential_process = sh -c 'echo x >> {}; sleep 5; echo {{\\\"Version\\\": 1, \\\"AccessKeyId\\\": \\\"a\\\", \\\"SecretAccessKey\\\": \\\"b\\\"}}'\n",
        started.display()
    );
    run.file(".aws/config", program).run().exits(0);
    assert_eq!(std::fs::read_to_string(started).unwrap(), "x\n");
}

#[test]
fn an_empty_region_is_none_and_a_wrong_one_is_named() {
    let server = account();
    let run = |name: &str, value: &str| {
        without_users(&server.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env(name, value)
    };
    run("AWS_REGION", "").run().exits(0);
    run("AWS_DEFAULT_REGION", " ").run().exits(0);
    let wrong = run("AWS_REGION", "EU (Ireland)");
    refused(
        wrong,
        2,
        "AWS_REGION is `EU (Ireland)`, which is not the name of a region",
        "set it to a region such as eu-west-1",
    );
}

#[test]
fn what_aws_refuses_is_said_with_what_to_do() {
    let keys = |code: &'static str, message: &'static str| {
        let server = Server::start(move |_| error(400, code, message));
        audit().against(&server.url())
    };
    let expired = || keys("ExpiredToken", "The security token included in the request is expired");
    let sentence =
        "sts:GetCallerIdentity failed: ExpiredToken: The security token included in the request is expired";
    refused(expired(), 3, sentence, "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN");
    refused(expired().env("GITHUB_ACTIONS", "true"), 3, sentence, "assume the role again in this job");
    let unknown = keys("InvalidClientTokenId", "The security token included in the request is invalid.");
    refused(
        unknown,
        3,
        "sts:GetCallerIdentity failed: InvalidClientTokenId",
        "AWS does not know this access key",
    );
    let throttled = keys("Throttling", "Rate exceeded").run().exits(3);
    assert!(
        throttled.stderr.contains("Throttling: Rate exceeded; AWS throttles the requests of this account"),
        "{}",
        throttled.stderr
    );
}

#[test]
fn the_role_of_the_policy_file_is_named_when_it_cannot_be_assumed() {
    let server = Server::start(|request| match request.action() {
        "AssumeRole" => error(403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"),
        _ => caller(),
    });
    let policy = POLICY.replace("users:", "role_arn: arn:aws:iam::123456789012:role/audit\nusers:");
    let run = Keytide::new(&["audit", "--format", "text"]).policy(&policy).against(&server.url());
    let sentence =
        "`arn:aws:iam::123456789012:role/audit` cannot be assumed: AccessDenied: User: x is not authorized";
    refused(run, 3, sentence, "the role's trust policy must allow these credentials");
}

/// Makes an authority and a server, and prints the port.
const TLS_SERVER: &str = r##"
import datetime, http.server, ipaddress, ssl, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
folder = sys.argv[1]
def name(text): return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
now = datetime.datetime.now(datetime.timezone.utc)
def certificate(subject, key, issuer, signer, extension):
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
    return builder.not_valid_after(now + datetime.timedelta(9)).add_extension(extension, True).sign(signer, hashes.SHA256())
authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ca = certificate("proxy", authority, "proxy", authority, x509.BasicConstraints(True, None))
names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
leaf = certificate("127.0.0.1", key, "proxy", authority, names)
pem = serialization.Encoding.PEM
open(folder + "/ca.pem", "wb").write(b"# of the proxy\n" + ca.public_bytes(pem))
secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
open(folder + "/server.pem", "wb").write(leaf.public_bytes(pem) + secret)
BODY = b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::999999999999:user/a</Arn><UserId>AIDAX</UserId><Account>999999999999</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"##;

/// A server whose certificate is of an authority of its own; it answers that its account is another one.
struct TlsServer {
    child: Child,
    url: String,
    bundle: String,
}

impl TlsServer {
    fn start() -> Self {
        let folder = folder();
        let mut command = python();
        command.args(["-c", TLS_SERVER]).arg(&folder).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let bundle = folder.join("ca.pem").to_str().unwrap().to_owned();
        Self { child, url: format!("https://127.0.0.1:{}", port.trim()), bundle }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_certificates_of_a_proxy_can_be_named() {
    let server = TlsServer::start();
    let run = || audit().against(&server.url);
    let unknown = run().run().exits(3);
    assert!(unknown.stderr.contains("AWS_CA_BUNDLE"), "{}", unknown.stderr);
    assert!(SDK_WORDS.iter().all(|word| !unknown.stderr.contains(word)), "{}", unknown.stderr);
    let known = run().env("AWS_CA_BUNDLE", &server.bundle).run().exits(2);
    assert!(known.stderr.contains("this is account 999999999999"), "{}", known.stderr);
    let missing = run().env("AWS_CA_BUNDLE", "/no/such.pem");
    refused(
        missing,
        2,
        "AWS_CA_BUNDLE names /no/such.pem, which cannot be used: it does not exist",
        "name a file of certificates",
    );
    let other = run().file("text", "no certificate").env("AWS_CA_BUNDLE", "text");
    refused(
        other,
        2,
        "AWS_CA_BUNDLE names text, which cannot be used: it holds no certificate",
        "name a file",
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = run().file("broken.pem", broken).env("AWS_CA_BUNDLE", "broken.pem");
    refused(
        broken,
        2,
        "AWS_CA_BUNDLE names broken.pem, which cannot be used: it holds no certificate",
        "name a file",
    );
}
