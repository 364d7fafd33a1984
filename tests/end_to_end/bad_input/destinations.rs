//! Destinations that a new key cannot be put into.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::refused_for;
use crate::support::destinations::{
    AGE_FILE, AgeFile, GithubSecrets, Home, SEALED_FILE, SOPS_FILE, SealedFile, SopsFile,
};
use crate::support::peers::{OLD, POLICY, USER, World};

/// What is committed for a case, and what keytide must say of it.
struct Case {
    what: &'static str,
    destination: Value,
    files: Vec<(String, Vec<u8>)>,
    modes: Value,
    exit: i32,
    words: Vec<&'static str>,
}

fn case(what: &'static str, home: &dyn Home, exit: i32, words: &[&'static str]) -> Case {
    let pair = (OLD.to_owned(), "x".repeat(40));
    let files = home.files(&pair).into_iter().map(|(path, bytes)| (path.to_owned(), bytes));
    let (destination, words) = (home.destination(), words.to_vec());
    Case { what, destination, files: files.collect(), modes: json!({}), exit, words }
}

impl Case {
    /// With another file of this name.
    fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.retain(|(known, _)| known != path);
        self.files.push((path.to_owned(), bytes.to_vec()));
        self
    }

    fn mode(mut self, path: &str, mode: &str) -> Self {
        self.modes[path] = mode.into();
        self
    }

    fn at(mut self, kind: &str, path: &str) -> Self {
        self.destination[kind]["file"] = path.into();
        self
    }
}

fn files() -> Vec<Case> {
    let age = || AgeFile::new();
    let elsewhere = |what, path: &'static str, exit, words: &[&'static str]| {
        Case { files: Vec::new(), ..case(what, &age(), exit, words) }.at("age", path)
    };
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    vec![
        case("a link", &age(), 3, &["`deploy/aws.env.age` is a link: name the file itself"])
            .file(AGE_FILE, b"../../etc/passwd")
            .mode(AGE_FILE, "120000"),
        elsewhere("a linked folder", "linked/x.age", 3, &["`linked` is a link: name the file itself"])
            .file("linked", b"deploy")
            .mode("linked", "120000"),
        elsewhere("a submodule", "vendor/x.age", 3, &["`vendor` is a submodule"])
            .file("vendor", b"x")
            .mode("vendor", "160000"),
        case("a pointer of Git LFS", &age(), 3, &["`deploy/aws.env.age` is a Git LFS pointer"])
            .file(AGE_FILE, pointer),
        case("a large file", &age(), 3, &["`deploy/aws.env.age` is too large"])
            .file(AGE_FILE, &vec![b'a'; 11 * 1024 * 1024]),
        elsewhere("a folder", "deploy", 3, &["`deploy` is a folder"]).file("deploy/x", b"x"),
        elsewhere("a path that leads out", "../x.age", 2, &["invalid path `../x.age`"]),
        elsewhere("a workflow", ".github/workflows/x.age", 1, &["GitHub lets no workflow change workflows"]),
    ]
}

/// A shared file of SOPS with a recipient of another kind beside its own.
fn with_pgp(home: &SopsFile) -> Vec<u8> {
    let (_, bytes) = home.files(&(OLD.to_owned(), "x".repeat(40))).remove(0);
    let pgp = "    pgp:\n        - created_at: \"2026-01-01T00:00:00Z\"\n          enc: |-\n            -----BEGIN PGP MESSAGE-----\n\n            \
               hQEMA\n            -----END PGP MESSAGE-----\n          fp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n";
    String::from_utf8(bytes)
        .unwrap()
        .replace("    lastmodified:", &format!("{pgp}    lastmodified:"))
        .into_bytes()
}

/// The same where nothing but the credential is encrypted: public keys would do, were they all of age.
fn alone_with_pgp() -> Case {
    let home = SopsFile::new();
    let plain = format!("aws:\n    access_key_id: {OLD}\n    secret_access_key: {}\n", "x".repeat(40));
    let bytes = home.upstream.encrypt("secrets.enc.yaml", &plain, "path_regex: .*");
    let mixed = String::from_utf8(with_pgp(&home)).unwrap();
    let (_, pgp) = mixed.split_once("    pgp:").unwrap();
    let (pgp, _) = pgp.split_once("    lastmodified:").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let text = text.replace("    lastmodified:", &format!("    pgp:{pgp}    lastmodified:"));
    let words = ["a recipient of the kind `pgp`, so its data key is needed", "add a recipient of age or KMS"];
    case("a recipient that keytide does not know", &home, 1, &words).file(SOPS_FILE, text.as_bytes())
}

fn encrypted() -> Vec<Case> {
    let sops = SopsFile::new();
    let needs = ["deploy/secrets.enc.yaml:", "so its data key is needed", "SOPS_AGE_KEY"];
    let mut absent = case(
        "a file that is not there",
        &sops,
        1,
        &["this file is not on the default branch, which a rotation reads; push it there"],
    );
    absent.files.clear();
    let text = format!("aws: {{ access_key_id: {OLD}, secret_access_key: {} }}\n", "x".repeat(40));
    let clear = case("a file in clear text", &sops, 1, &["this file is not SOPS-encrypted"])
        .file(SOPS_FILE, text.as_bytes());
    let expired = SealedFile::valid_until("2026-02-01T00:00:00");
    let expected = ["it has expired on 2026-02-01T00:00:00Z", "kubeseal --fetch-cert"];
    let sealed = case("a certificate that has expired", &expired, 1, &expected);
    let mut uncertified = case(
        "no certificate",
        &expired,
        1,
        &["k8s/sealed-secrets.pem: this file is not on the default branch"],
    );
    uncertified.files.retain(|(path, _)| path == SEALED_FILE);
    vec![
        case("other values and no key", &sops, 1, &needs),
        case("other values, a recipient that keytide does not know, and no key", &sops, 1, &needs)
            .file(SOPS_FILE, &with_pgp(&sops)),
        alone_with_pgp(),
        absent,
        clear,
        sealed,
        uncertified,
    ]
}

fn stores() -> Vec<Case> {
    let environment = json!({"repository": "acme/app", "environment": "produktion"});
    let organization = json!({"organization": "acme"});
    let other = json!({"repository": "acme/nowhere"});
    let mut misspelt = GithubSecrets::of_repository().destination();
    misspelt["github_secret"]["secret_access_key"] = "AWS_SECRET_KEY".into();
    vec![
        Case {
            destination: misspelt,
            ..case(
                "half of a pair",
                &GithubSecrets::of_repository(),
                3,
                &["there is `AWS_ACCESS_KEY_ID` and no `AWS_SECRET_KEY`"],
            )
        },
        case(
            "an environment that is not there",
            &GithubSecrets::one("", environment),
            3,
            &[
                "GitHub Actions secrets of `acme/app` (environment `produktion`): GitHub: Not Found (404)",
                "is the name right",
            ],
        ),
        case(
            "a repository that is not there",
            &GithubSecrets::one("", other),
            3,
            &["GitHub Actions secrets of `acme/nowhere`"],
        ),
        case(
            "an organization's secret that is not there",
            &GithubSecrets::one("", organization),
            3,
            &["the organization has no secret `AWS`: create it once"],
        ),
    ]
}

/// One world for all: nothing may be changed in it.
#[test]
fn what_cannot_take_a_key_is_reported_before_one_is_made() {
    let world = World::with(80, vec![]);
    let secret =
        json!({"folder": "/repos/acme/app/actions/secrets", "name": "AWS_ACCESS_KEY_ID", "value": OLD});
    world.github.control("POST", "secret", &secret);
    for case in files().into_iter().chain(encrypted()).chain(stores()) {
        let policy = format!(
            "version: 1\naccount: \"123456789012\"\nusers:\n  - name: {USER}\n    rotation: {{}}\n    destinations:\n      - {}\n",
            case.destination
        );
        let mut files = json!({ POLICY: STANDARD.encode(policy) });
        for (path, bytes) in &case.files {
            files[path] = STANDARD.encode(bytes).into();
        }
        world.github.control("POST", "push", &json!({"files": files, "modes": case.modes}));
        refused_for(case.what, &world, world.keytide(&["rotate"]).run(), case.exit, &case.words);
        for (path, _) in &case.files {
            world.github.control("POST", "push", &json!({"files": { path: null }}));
        }
    }
}
