//! What a check finds in a repository with a policy file: destinations, references, lock files, exemptions.
use crate::support::check::{ACCOUNT, World, id, other_id, secret};
use keytide::hash::sha256_hex;

const POLICY: &str = ".github/keytide.yml";

/// A policy of one user with these lines of destinations, and more at its end.
fn policy(destinations: &str, more: &str) -> String {
    let destinations =
        if destinations.is_empty() { String::new() } else { format!("    destinations:\n{destinations}") };
    format!("version: 1\naccount: \"{ACCOUNT}\"\nusers:\n  - name: ci\n{destinations}{more}")
}

const SOPS: &str = "      - sops: { file: s.yaml, access_key_id: id, secret_access_key: secret }\n";
const REFERENCE: &str = "      - reference: { files: [\"deploy/**/*.yaml\"] }\n";
const ENC: &str = "ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]";
/// What SOPS needs beside the MAC.
const METADATA: &str =
    "    kms:\n        - enc: YQ==\n    lastmodified: \"2026-01-01T00:00:00Z\"\n    version: 3.11.0\n";

fn sound_sops() -> String {
    format!("id: {ENC}\nsecret: {ENC}\nsops:\n{METADATA}    mac: {ENC}\n")
}

fn lock(kind: &str, target: &str, key: &str, credential: &str) -> String {
    format!(
        "{{\"version\":1,\"user\":\"ci\",\"rotated_at\":\"2026-11-01T00:00:00Z\",\"destinations\":[{{\"kind\":\"{kind}\",\"target\":\"{target}\",\"key_sha256\":\"{}\",\"credential_sha256\":\"{}\"}}]}}",
        sha256_hex(key.as_bytes()),
        sha256_hex(credential.as_bytes())
    )
}

const LOCK: &str = ".github/keytide/ci.lock.json";

#[test]
fn a_repository_that_keeps_its_promises_passes() {
    let world = World::with(&[(POLICY, &policy(SOPS, "")), ("s.yaml", &sound_sops())]);
    let run = world.check(&[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
}

#[test]
fn destinations_that_are_absent_or_in_clear_text_are_reported() {
    let world = World::with(&[(POLICY, &policy(SOPS, ""))]);
    assert_eq!(world.found(&[]), [format!("missing-destination {POLICY}:6:9")]);
    world.write("s.yaml", sound_sops().replacen(&format!("secret: {ENC}"), "secret: hunter2", 1).as_bytes());
    assert_eq!(world.found(&[]), ["unencrypted-destination s.yaml:2:9"]);
    assert_eq!(world.check(&[]).code, 1);
    world.write("s.yaml", format!("secret: {ENC}\nsops:\n{METADATA}    mac: {ENC}\n").as_bytes());
    assert_eq!(world.found(&[]), ["missing-destination s.yaml:1:1"]);
    // Whatever files a commit touches, the policy's promises are looked at.
    assert_eq!(world.found(&[POLICY]), ["missing-destination s.yaml:1:1"]);
}

/// A finding shows its line with the number and a mark, as compilers do: not one with a secret, and no value of a file that
/// should be encrypted.
#[test]
fn findings_show_their_line_and_no_secret() {
    let open = sound_sops().replacen(&format!("secret: {ENC}"), "secret: hunter2", 1);
    let leak = format!("# {}\nAWS_SECRET_ACCESS_KEY={}\n", id(), secret());
    let more = "exemptions:\n  - { user: nobody, rules: [key-age], until: 2020-01-01, reason: x }\n";
    let world = World::with(&[(POLICY, &policy(SOPS, more)), ("s.yaml", &open), ("a.env", &leak)]);
    let run = world.check(&["--color", "never"]);
    assert!(
        run.stdout.contains(
            "          --> a.env:2:23\n           |\n         2 | AWS_SECRET_ACCESS_KEY=[secret access key]\n           |                       ^^^^^^^^^^^^^^^^^^^\n"
        ),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("at s.yaml:2:9\n"), "{}", run.stdout);
    let policy_line = "         8 |   - { user: nobody, rules: [key-age], until: 2020-01-01, reason: x }\n";
    assert!(run.stdout.contains(policy_line), "{}", run.stdout);
    assert!(!run.stdout.contains("hunter2") && !run.stdout.contains(&secret()), "{}", run.stdout);
    let coloured = world.check(&["--color", "always"]).stdout;
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31merror\u{1b}[0m"), "{coloured:?}");
}

/// The help of a rule is about what is known: a file that cannot be read has not leaked.
#[test]
fn a_destination_that_is_no_valid_file_is_not_called_plaintext() {
    let destinations = format!(
        "{SOPS}      - age: {{ file: a.age, format: dotenv, recipients: [age1x] }}\n      - sealed_secret: {{ file: k.yaml, certificate: k.pem, access_key_id: ID, secret_access_key: SECRET }}\n"
    );
    let world = World::with(&[(POLICY, &policy(&destinations, "")), ("k.pem", "x\n"), ("k.yaml", "a: [\n")]);
    world.write("s.yaml", format!("id: {ENC}\nsecret: {ENC}\n").as_bytes());
    world.write("a.age", b"age-encryption.org/v1\n-> X25519 abc\n");
    let invalid = |file: &str, at: &str| format!("invalid-destination {file}:{at}");
    assert_eq!(
        world.found(&[]),
        [invalid("a.age", "3:1"), invalid("k.yaml", "1:4"), invalid("s.yaml", "1:1")]
    );
    let run = world.check(&[]);
    assert!(run.code == 1 && !run.stdout.contains("it has leaked"), "{}", run.stdout);
    for (text, at) in [("", "1:1"), ("id: [\n", "1:5"), ("id: \"\nsecret", "1:5")] {
        world.write("s.yaml", text.as_bytes());
        assert!(world.found(&[]).contains(&invalid("s.yaml", at)), "{text}: {:?}", world.found(&[]));
    }
    world.write("s.yaml", format!("id: {ENC}\nsecret: ENC[x]\nsops:\n{METADATA}    mac: {ENC}\n").as_bytes());
    assert!(world.found(&[]).contains(&invalid("s.yaml", "2:9")), "{:?}", world.found(&[]));
    for envelope in [b"-----BEGIN PGP MESSAGE-----\n".as_slice(), b"\x8c\x0d\x04\xff\x00"] {
        world.write("a.age", envelope);
        assert!(world.found(&[]).contains(&invalid("a.age", "1:1")), "{:?}", world.found(&[]));
    }
}

#[test]
fn an_lfs_pointer_is_reported_and_not_taken_for_clear_text() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    let world = World::with(&[(POLICY, &policy(SOPS, "")), ("s.yaml", pointer)]);
    let run = world.check(&[]);
    assert!(run.code == 3 && run.stdout.contains("Git LFS pointer"), "{}", run.stdout);
}

#[test]
fn a_sealed_secret_and_an_age_file_are_looked_into() {
    let destinations = "      - sealed_secret: { file: k.yaml, certificate: k.pem, access_key_id: ID, secret_access_key: SECRET }\n      - age: { file: a.age, format: dotenv, recipients: [age1x] }\n";
    let secret = "kind: Secret\nstringData:\n  ID: x\n  SECRET: y\n";
    let world =
        World::with(&[(POLICY, &policy(destinations, "")), ("k.yaml", secret), ("a.age", "SECRET=x\n")]);
    assert_eq!(
        world.found(&[]),
        [
            format!("missing-destination {POLICY}:6:9"),
            "unencrypted-destination a.age:1:1".to_owned(),
            "unencrypted-destination k.yaml:3:7".to_owned(),
            "unencrypted-destination k.yaml:4:11".to_owned(),
        ]
    );
}

#[test]
fn an_id_that_a_reference_covers_is_no_finding_unless_it_is_of_another_account() {
    let world = World::with(&[
        (POLICY, &policy(REFERENCE, "")),
        ("deploy/a/b.yaml", &format!("x: {}\n", id())),
        ("deploy/c.yaml", &format!("x: {}\n", ["AKIA", "Y34FZKBOKMUTVV7A"].concat())),
        ("other.yaml", &format!("x: {}\n", id())),
    ]);
    assert_eq!(world.found(&[]), ["exposed-key-id deploy/c.yaml:1:4", "exposed-key-id other.yaml:1:4"]);
    let text = world.check(&[]).stdout;
    assert!(text.contains(&format!("of this policy's account {ACCOUNT}")), "{text}");
    assert!(
        text.contains(&format!("of account 609629065308, not of this policy's account {ACCOUNT}")),
        "{text}"
    );
}

#[test]
fn an_exemption_for_a_user_says_what_a_finding_in_a_file_needs() {
    let exemption =
        "exemptions:\n  - { user: ci, rules: [plaintext-key], until: 2999-01-01, reason: a sample }\n";
    let policy = format!("version: 1\nusers: [{{ name: ci }}]\n{exemption}");
    let world =
        World::with(&[(POLICY, &policy), ("leak.env", &format!("AWS_SECRET_ACCESS_KEY={}\n", secret()))]);
    let json = world.check(&["--format", "json"]).json();
    let findings = json["findings"].as_array().unwrap();
    let idle = findings.iter().find(|finding| finding["rule"] == "idle-exemption").unwrap();
    let help =
        "For a finding in a file that is about no user, write `user: \"*\"`. Else remove the exemption.";
    assert_eq!(idle["help"], help);
}

#[test]
fn a_reference_that_names_another_key_than_the_last_rotation_is_stale() {
    let world = World::with(&[
        (POLICY, &policy(REFERENCE, "")),
        ("deploy/a.yaml", &format!("x: {}\n", id())),
        ("deploy/b.yaml", &format!("x: {}\n", other_id())),
        (LOCK, &lock("reference", "deploy/a.yaml", &id(), "")),
    ]);
    assert_eq!(world.found(&[]), ["stale-reference deploy/b.yaml:1:4"]);
    let json = world.check(&["--format", "json"]).json();
    assert_eq!(
        (&json["findings"][0]["user"], &json["findings"][0]["severity"]),
        (&"ci".into(), &"error".into())
    );
    world.write(LOCK, b"{}");
    let run = world.check(&[]);
    assert!(run.code == 0 && run.stdout.contains("it is not a lock file of keytide"), "{}", run.stdout);
}

#[test]
fn a_destination_with_another_credential_than_the_last_rotation_is_a_warning() {
    let credential = format!("{ENC}\n{ENC}");
    let world = World::with(&[
        (POLICY, &policy(SOPS, "")),
        ("s.yaml", &sound_sops()),
        (LOCK, &lock("sops", "s.yaml", &id(), &credential)),
    ]);
    assert_eq!(world.found(&[]), Vec::<String>::new());
    world.write(LOCK, lock("sops", "s.yaml", &id(), "other").as_bytes());
    let run = world.check(&[]);
    assert!(
        run.code == 0 && run.stdout.contains("does not hold the credential of the last rotation"),
        "{}",
        run.stdout
    );
}

#[test]
fn without_a_policy_key_material_is_looked_for_and_a_wrong_policy_hides_no_leak() {
    let leak = format!("aws_secret_access_key = {}\n", secret());
    let world = World::with(&[("a.ini", &leak)]);
    let run = world.check(&[]);
    assert!(run.code == 1 && run.stdout.contains("there is no policy file"), "{}", run.stdout);
    world.write(POLICY, b"version: 1\nuserz: []\n");
    let run = world.check(&["--format", "json"]);
    let json = run.json();
    assert_eq!((run.code, &json["result"], &json["policy"]), (2, &"invalid".into(), &POLICY.into()));
    assert!(run.stderr.contains("did you mean `users`?"), "{}", run.stderr);
    let rules: Vec<&str> =
        json["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"invalid-policy") && rules.contains(&"plaintext-key"), "{rules:?}");
    let run = world.check(&["--policy", "none.yml"]);
    assert_eq!(run.code, 2);
}

#[test]
fn the_policy_of_the_index_counts_when_the_index_is_read() {
    let world = World::with(&[(POLICY, &policy(SOPS, "")), ("s.yaml", &sound_sops())]);
    world.write(POLICY, b"broken: [");
    std::fs::remove_file(world.root.join("s.yaml")).unwrap();
    assert_eq!(world.check(&["--staged"]).code, 0, "{}", world.check(&["--staged"]).stdout);
    assert_eq!(world.check(&[]).code, 2);
}

#[test]
fn exemptions_cover_findings_of_their_users_and_a_star_those_of_no_one() {
    let exemption = |user: &str, rule: &str, until: &str| {
        format!("exemptions:\n  - {{ user: \"{user}\", rules: [{rule}], until: {until}, reason: known }}\n")
    };
    let text = |exemption: String| policy(SOPS, &exemption);
    let clear = "id: x\nsecret: y\n";
    let world = World::with(&[
        (POLICY, &text(exemption("ci", "unencrypted-destination", "2027-01-01"))),
        ("s.yaml", clear),
    ]);
    assert_eq!(world.found(&[]), ["unencrypted-destination s.yaml:2:9 exempted"]);
    world.write(POLICY, text(exemption("ci", "unencrypted-destination", "2026-11-21")).as_bytes());
    assert_eq!(
        world.found(&[]),
        [format!("expired-exemption {POLICY}:8:5"), "unencrypted-destination s.yaml:2:9".to_owned()]
    );

    world.write("s.yaml", sound_sops().as_bytes());
    world.write("x.json", format!("{{\"secretKey\": \"{}\"}}", secret()).as_bytes());
    world.git(&["add", "-A"]);
    world.write(POLICY, text(exemption("*", "plaintext-key", "2027-01-01")).as_bytes());
    assert_eq!(world.found(&[]), ["plaintext-key x.json:1:16"], "for the history only");
    world.write(POLICY, text(exemption("ci", "plaintext-key", "2027-01-01")).as_bytes());
    assert_eq!(
        world.found(&[]),
        ["plaintext-key x.json:1:16".to_owned(), format!("idle-exemption {POLICY}:8:5")]
    );
    // What only an audit can see, and what a part of the files cannot show, is not judged idle.
    world.write(POLICY, text(exemption("ci", "key-age", "2027-01-01")).as_bytes());
    assert_eq!(world.found(&[]), ["plaintext-key x.json:1:16"]);
    world.write(POLICY, text(exemption("ci", "plaintext-key", "2027-01-01")).as_bytes());
    assert_eq!(world.found(&[POLICY]), Vec::<String>::new());
}

#[test]
fn an_exemption_with_files_covers_findings_in_them_only() {
    let exemption = |rule: &str, files: &str| {
        format!(
            "exemptions:\n  - user: \"*\"\n    rules: [{rule}]\n    files: [{files}]\n    until: 2027-01-31\n    reason: r\n"
        )
    };
    let key = format!("{{\"secretKey\": \"{}\"}}", secret());
    let world = World::with(&[
        (POLICY, &policy("", &exemption("plaintext-key", "docs/*.json"))),
        ("docs/a.json", &key),
        ("docs/deep/a.json", &key),
        ("src/a.json", &key),
    ]);
    assert_eq!(
        world.found(&[]),
        [
            "plaintext-key docs/a.json:1:16 exempted",
            "plaintext-key docs/deep/a.json:1:16",
            "plaintext-key src/a.json:1:16"
        ]
    );
    world.write(POLICY, policy("", &exemption("plaintext-key", "\"docs/**\", src/a.json")).as_bytes());
    assert!(world.found(&[]).iter().all(|line| line.ends_with(" exempted")), "{:?}", world.found(&[]));
    world.write(POLICY, policy("", &exemption("exposed-key-id", "docs/**")).as_bytes());
    assert!(world.found(&[]).contains(&format!("idle-exemption {POLICY}:6:5")), "{:?}", world.found(&[]));
    assert!(world.check(&[]).stdout.contains("from exposed-key-id in `docs/**` matches no finding"));
    assert!(!world.check(&["docs/a.json"]).stdout.contains("idle-exemption"), "not all files were looked at");
}

/// While something was not read, an exemption may be for a finding in it.
#[test]
fn no_exemption_is_idle_while_something_was_not_read() {
    let exemption = |user: &str, rule: &str| {
        format!(
            "  - {{ user: \"{user}\", rules: [{rule}], files: [docs/a.json, s.yaml], until: 2027-01-31, reason: r }}\n"
        )
    };
    let exemptions =
        ["exemptions:\n", &exemption("*", "plaintext-key"), &exemption("ci", "unencrypted-destination")];
    let world = World::with(&[
        (POLICY, &policy(SOPS, &exemptions.concat())),
        ("s.yaml", &sound_sops()),
        ("docs/a.json", "{}\n"),
    ]);
    let idle = || world.found(&[]).iter().filter(|found| found.starts_with("idle-exemption")).count();
    assert_eq!(idle(), 2, "{:?}", world.found(&[]));
    std::fs::remove_file(world.root.join("docs/a.json")).unwrap();
    assert_eq!(idle(), 0, "a file that is not there: {:?}", world.found(&[]));
    world.write("docs/a.json", b"{}\n");
    assert_eq!(idle(), 2);
    world.write("s.yaml", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n");
    assert_eq!(idle(), 0, "a destination that cannot be read: {:?}", world.found(&[]));
    world.write("s.yaml", sound_sops().as_bytes());
    assert_eq!(idle(), 2);
    world.write(".git/index", b"x");
    assert_eq!(idle(), 0, "a list that cannot be read: {:?}", world.found(&[]));
}

/// Of very many keys in a file not all are listed: a comment may be for one of the others.
#[test]
fn no_comment_is_idle_in_a_file_with_more_keys_than_are_listed() {
    let line = format!("x: {}", id());
    let text =
        format!("{}{line} # KEYTIDE allow exposed-key-id -- a sample\n", format!("{line}\n").repeat(1000));
    let world = World::with(&[("a.yml", &text.replace("KEYTIDE", "keytide:"))]);
    let found = world.found(&[]);
    assert_eq!(found.len(), 1000);
    assert!(!found.iter().any(|found| found.starts_with("idle-exemption")), "{:?}", found.first());
}

#[test]
fn a_comment_covers_its_line_and_one_without_a_reason_is_reported() {
    let key = format!("k = '{}'", secret());
    let world = World::with(&[(
        "a.py",
        &format!(
            "aws_secret_{key} # KEYTIDE allow plaintext-key -- a test\n# KEYTIDE allow plaintext-key -- a test\naws_secret_{key}\naws_secret_{key} # KEYTIDE allow plaintext-key\nx = 1 # KEYTIDE allow plaintext-key -- nothing here\n"
        ).replace("KEYTIDE", "keytide:"),
    )]);
    assert_eq!(
        world.found(&[]),
        [
            "plaintext-key a.py:1:17 exempted",
            "plaintext-key a.py:3:17 exempted",
            "plaintext-key a.py:4:17",
            "idle-exemption a.py:4:61",
            "idle-exemption a.py:5:9",
        ]
    );
}

#[test]
fn a_workflow_with_a_static_key_is_a_note() {
    let workflow = "jobs:\n  a:\n    steps:\n      - uses: aws-actions/configure-aws-credentials@v4\n        with:\n          aws-access-key-id: ${{ secrets.ID }}\n          aws-secret-access-key: ${{ secrets.KEY }}\n";
    let world = World::with(&[(".github/workflows/ci.yml", workflow)]);
    assert_eq!(world.found(&[]), ["static-key-workflow .github/workflows/ci.yml:6:11"]);
    assert_eq!(world.check(&[]).code, 0);
}

/// One that is read window by window is not parsed, wherever in it the key may be.
#[test]
fn a_very_large_workflow_is_a_note() {
    for (before, after) in [(0, 9), (9, 0)] {
        let comment = |megabytes: usize| "# xxxxxxxxxxx xxxxxxxxxxx xxxx\n".repeat(megabytes * 32 * 1024);
        let text = format!("{}env: {{ AWS_ACCESS_KEY_ID: a }}\n{}", comment(before), comment(after));
        let world = World::with(&[(".github/workflows/ci.yml", &text)]);
        assert_eq!(world.found(&[]), ["static-key-workflow .github/workflows/ci.yml:1:1"]);
    }
}

/// What could not be read is never taken for sound: the check is no pass.
#[test]
fn a_destination_that_cannot_be_read_is_a_fault() {
    let world = World::with(&[(POLICY, &policy(SOPS, ""))]);
    std::fs::create_dir(world.root.join("s.yaml")).unwrap();
    let run = world.check(&["--format", "json"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert_eq!(run.json()["faults"][0]["operation"], "reading s.yaml", "{}", run.stdout);
}

#[test]
fn an_exemption_of_a_key_covers_the_past_and_no_new_leak() {
    let policy = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\nexemptions:\n  - { user: \"*\", rules: [plaintext-key], until: 2030-01-01, reason: rotated }\n";
    let leak = format!("aws_secret_access_key={}\n", secret());
    let world = World::with(&[(".github/keytide.yml", policy), ("old.env", &leak)]);
    world.commit("one");
    assert_eq!(world.check(&[]).code, 1, "an exemption covers nothing that is there now");
    world.git(&["rm", "-q", "old.env"]);
    world.commit("two");
    let run = world.check(&["--history"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    world.write("fresh.env", leak.as_bytes());
    world.git(&["add", "-A"]);
    assert_eq!(world.check(&[]).code, 1);
    assert_eq!(world.check(&["--history"]).code, 1);
    assert_eq!(world.check(&["--staged"]).code, 1);
    world.write(
        "fresh.env",
        // In two parts, since this line is no exemption of this file's.
        format!("{} # keytide: {} plaintext-key -- made up\n", leak.trim(), "allow").as_bytes(),
    );
    assert_eq!(world.check(&[]).code, 0);
}

#[test]
fn an_invisible_character_is_named() {
    for (policy, name) in [
        ("version: 1\nusers:\n  - name:\u{a0}ci\n", "a no-break space, U+00A0"),
        ("version: 1\nusers:\n  - name: \"c\u{200b}i\"\n", "it is invisible"),
        ("version: 1\n\u{3000}users:\n  - name: ci\n", "white space that is no space, U+3000"),
    ] {
        let run = World::with(&[(".github/keytide.yml", policy)]).check(&[]);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stdout.contains(name), "{}", run.stdout);
    }
}
