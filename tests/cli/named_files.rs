//! Files that variables and arguments name: a FIFO to which nothing writes, a device without an end, a folder and a huge file
//! end a command with a sentence. It waits no longer than `--timeout`, and fills no memory.
#![cfg(unix)]

use std::path::PathBuf;
use std::process::Command;

use crate::support::replies::Server;
use crate::support::{Keytide, folder};

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers: [{ name: alice }]\n";
/// Most of what a run may take, in KiB: a device would be read until it takes all of it.
const MEMORY: &str = "2000000";

/// A path, and a part of what is said of it.
struct NamedFile {
    path: PathBuf,
    why: &'static str,
}

/// One of each kind.
fn files_of_all_kinds() -> Vec<NamedFile> {
    let place = folder();
    let (fifo, huge) = (place.join("fifo"), place.join("huge"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Without content: it takes no room on the disk
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let not_regular = "it is not a regular file";
    vec![
        NamedFile { path: fifo, why: not_regular },
        NamedFile { path: "/dev/zero".into(), why: not_regular },
        NamedFile { path: place, why: "it is a folder" },
        NamedFile { path: huge, why: "it is larger than" },
    ]
}

fn refused(run: Keytide, what: &str, why: &str) {
    refused_with(2, run, what, why);
}

/// Runs it with little memory; it is killed where it waits.
fn refused_with(exit: i32, run: Keytide, what: &str, why: &str) {
    let limited = format!("ulimit -v {MEMORY}; exec timeout --signal=KILL 20 \"$@\"");
    let run = run.run_behind(&["bash", "-c", &limited, "bash"]);
    assert_eq!(run.exit, exit, "{what}: {}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(why), "{what}, {why}: {}", run.stderr);
}

fn audit(url: &str) -> Keytide {
    audit_within("1", url)
}

fn audit_within(seconds: &str, url: &str) -> Keytide {
    Keytide::new(&["audit", "--endpoint-url", url, "--timeout", seconds]).policy(POLICY)
}

/// No request is sent: AWS would answer nothing.
#[test]
fn files_that_variables_name_are_looked_at_before_they_are_read() {
    let aws = Server::start(|_| panic!("a request"));
    for NamedFile { path, why } in files_of_all_kinds() {
        let path = path.to_str().unwrap();
        for variable in [
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "SSL_CERT_FILE",
        ] {
            let words = format!("{variable} names {path}, which cannot be used: {why}");
            refused(audit(&aws.url()).env(variable, path), variable, &words);
        }
        let profile = format!(
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = {path}\n"
        );
        let words =
            format!("`web_identity_token_file` of the AWS profile names {path}, which cannot be used: {why}");
        refused(audit(&aws.url()).file(".aws/config", profile), "a profile", &words);
    }
}

/// What may be a pipe is read for as long as `--timeout` says, and no further than its limit.
#[test]
fn a_pipe_is_waited_for_until_the_timeout() {
    let aws = Server::start(|_| panic!("a request"));
    for NamedFile { path, why } in files_of_all_kinds() {
        let path = path.to_str().unwrap();
        let why = match path {
            "/dev/zero" => "it is larger than",
            _ if path.ends_with("fifo") => "it is a pipe, and no program was at its other end within 1 s",
            _ => why,
        };
        // To read up to the limit takes a busy machine longer
        let seconds = if path == "/dev/zero" { "15" } else { "1" };
        refused(audit_within(seconds, &aws.url()).env("AWS_CA_BUNDLE", path), "AWS_CA_BUNDLE", why);
        let arguments = ["audit", "--timeout", seconds, "--credential-report", path];
        refused(Keytide::new(&arguments).policy(POLICY), "--credential-report", why);
    }
}

/// A policy file is a regular file, and a report is written into one.
#[test]
fn arguments_name_regular_files() {
    for NamedFile { path, why } in files_of_all_kinds() {
        let path = path.to_str().unwrap();
        refused(Keytide::new(&["audit", "--credential-report", "x", "--policy", path]), "--policy", why);
        if why == "it is a folder" {
            let report = format!("json={path}");
            refused(Keytide::new(&["check", "--report", &report]).policy(POLICY), "--report", why);
        }
    }
}

/// The runner of GitHub makes regular files for the outputs and the summary of a step.
#[test]
fn outputs_of_a_step_are_regular_files() {
    for NamedFile { path, why } in
        files_of_all_kinds().into_iter().filter(|file| !file.path.ends_with("huge"))
    {
        for variable in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
            let run = Keytide::new(&["check"]).policy(POLICY).env(variable, path.to_str().unwrap());
            let words = format!("{variable} cannot be written: {why}");
            refused_with(3, run, variable, &words);
        }
    }
}

/// `/dev/null` is how a configuration is turned off, and a pipe of the shell is read to its end.
#[test]
fn what_people_name_on_purpose_stays_readable() {
    let run =
        Keytide::new(&["audit", "--timeout", "1", "--endpoint-url", "http://127.0.0.1:9"]).policy(POLICY);
    let run = run.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").run();
    assert!(!run.stderr.contains("/dev/null"), "{}", run.stderr);
    let run = Keytide::new(&["audit", "--credential-report", "/dev/stdin"]).policy(POLICY);
    let run = run.run_behind(&["bash", "-c", "echo user,arn | \"$@\"", "bash"]);
    assert!(run.stderr.contains("/dev/stdin:1:1: ") && !run.stderr.contains("pipe"), "{}", run.stderr);
}
