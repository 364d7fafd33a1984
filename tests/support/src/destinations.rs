//! The places that applications read the credential from: what the policy file says of each, what lies there at first,
//! and what an application finds there, opened by other people's programs.

use std::io::Read as _;
use std::sync::{Arc, Mutex};

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keytide::destinations::as_sealable;
use keytide::destinations::encryption::SealWorkspace;
use keytide::policy::Destination;
use keytide::secret::Credential;
use serde_json::{Value, json};

use super::oracle::ask;
use super::sops::Upstream;

/// An access key ID and its secret.
pub type Pair = (String, String);

/// One place.
pub trait Home: Send {
    /// As the policy file names it.
    fn destination(&self) -> Value;

    /// The files that are committed before the first rotation.
    fn files(&self, _: &Pair) -> Vec<(&'static str, Vec<u8>)> {
        Vec::new()
    }

    /// What an application reads, of what GitHub holds now; `None`: there is nothing yet, or no secret.
    fn read(&self, state: &Value) -> Option<Pair>;

    /// What keytide needs to be given.
    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A file of the default branch.
pub fn file(state: &Value, path: &str) -> Option<Vec<u8>> {
    Some(STANDARD.decode(state["files"][path].as_str()?).unwrap())
}

/// Opens a file once for each of its contents: other people's programs take their time.
#[derive(Default)]
struct Opened(Mutex<Option<(Vec<u8>, Pair)>>);

impl Opened {
    fn read(&self, bytes: Vec<u8>, open: impl FnOnce(&[u8]) -> Pair) -> Pair {
        let mut known = self.0.lock().unwrap();
        if let Some((_, pair)) = known.as_ref().filter(|(of, _)| *of == bytes) {
            return pair.clone();
        }
        let pair = open(&bytes);
        *known = Some((bytes, pair.clone()));
        pair
    }
}

/// The value of a line `name: value` or `name=value`.
fn value(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
    line.trim_matches([' ', ':', '=', '"', '\'']).to_owned()
}

/// A whole file for age.
pub struct AgeFile(age::x25519::Identity);

pub const AGE_FILE: &str = "deploy/aws.env.age";

impl AgeFile {
    pub fn new() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// For this identity.
    pub fn of(identity: age::x25519::Identity) -> Self {
        Self(identity)
    }
}

impl Home for AgeFile {
    fn destination(&self) -> Value {
        json!({"age": {"file": AGE_FILE, "format": "dotenv", "recipients": [self.0.to_public().to_string()]}})
    }

    fn files(&self, (id, secret): &Pair) -> Vec<(&'static str, Vec<u8>)> {
        let text = format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n");
        let file = age::encrypt_and_armor(&self.0.to_public(), text.as_bytes()).unwrap();
        vec![(AGE_FILE, file.into_bytes())]
    }

    fn read(&self, state: &Value) -> Option<Pair> {
        let file = file(state, AGE_FILE)?;
        let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(&file[..])).unwrap();
        let mut text = String::new();
        let identities = std::iter::once(&self.0 as &dyn age::Identity);
        decryptor.decrypt(identities).unwrap().read_to_string(&mut text).unwrap();
        Some((value(&text, "AWS_ACCESS_KEY_ID"), value(&text, "AWS_SECRET_ACCESS_KEY")))
    }
}

/// A file of SOPS that the team keeps other secrets in as well.
#[derive(Clone)]
pub struct SopsFile {
    pub upstream: Arc<Upstream>,
    opened: Arc<Opened>,
}

pub const SOPS_FILE: &str = "deploy/secrets.enc.yaml";
const SETTINGS: &str = "# What the application needs.\ndatabase:\n    host: db.example.com\n    password: correct-horse\naws:\n    \
                        region: eu-west-1\n    access_key_id: $ID\n    secret_access_key: $SECRET\n# Flags.\nfeatures:\n    - fast\n";

impl SopsFile {
    pub fn new() -> Self {
        Self { upstream: Arc::new(Upstream::new()), opened: Arc::default() }
    }

    /// The file as a person sees it who may decrypt it; its MAC is right.
    pub fn decrypted(&self, state: &Value) -> String {
        self.upstream.decrypt("secrets.enc.yaml", &file(state, SOPS_FILE).unwrap()).unwrap()
    }
}

impl Home for SopsFile {
    fn destination(&self) -> Value {
        json!({"sops": {"file": SOPS_FILE, "access_key_id": "aws.access_key_id",
            "secret_access_key": "aws.secret_access_key"}})
    }

    fn files(&self, (id, secret): &Pair) -> Vec<(&'static str, Vec<u8>)> {
        let plain = SETTINGS.replace("$ID", id).replace("$SECRET", secret);
        vec![(SOPS_FILE, self.upstream.encrypt("secrets.enc.yaml", &plain, "path_regex: .*"))]
    }

    fn read(&self, state: &Value) -> Option<Pair> {
        let bytes = file(state, SOPS_FILE)?;
        Some(self.opened.read(bytes, |_| {
            let text = self.decrypted(state);
            (value(&text, "access_key_id"), value(&text, "secret_access_key"))
        }))
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("SOPS_AGE_KEY", self.upstream.identity.expose_secret().to_owned())]
    }
}

/// Two items of a SealedSecret.
pub struct SealedFile {
    key: String,
    certificate: String,
    opened: Opened,
}

pub const SEALED_FILE: &str = "k8s/aws-sealed.yaml";
pub const CERTIFICATE: &str = "k8s/sealed-secrets.pem";

impl SealedFile {
    /// Of a controller whose certificate is valid until then.
    pub fn valid_until(until: &str) -> Self {
        let answer =
            ask(json!({"do": "certificate", "from": "2026-01-01T00:00:00", "until": until})).unwrap();
        let text = |index: usize| answer[index].as_str().unwrap().to_owned();
        Self { key: text(0), certificate: text(1), opened: Opened::default() }
    }

    fn spec() -> Destination {
        serde_json::from_value(json!({"sealed_secret": {"file": SEALED_FILE, "certificate": CERTIFICATE,
            "access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}}))
        .unwrap()
    }

    fn manifest() -> String {
        // Two bytes of length, 256 of RSA, then AES-GCM: what an item looks like.
        let item = STANDARD.encode([&[1, 0][..], &[7; 256 + 16 + 20]].concat());
        format!(
            "# Sealed for the cluster `prod`.\napiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  \
             name: aws   # read by the deployment\n  namespace: app\nspec:\n  encryptedData:\n    AWS_ACCESS_KEY_ID: {item}\n    \
             AWS_SECRET_ACCESS_KEY: {item}\n  template:\n    type: Opaque\n"
        )
    }
}

impl Home for SealedFile {
    fn destination(&self) -> Value {
        serde_json::to_value(Self::spec()).unwrap()
    }

    fn files(&self, (id, secret): &Pair) -> Vec<(&'static str, Vec<u8>)> {
        let mut workspace = SealWorkspace::new("2026-01-02T00:00:00Z".parse().unwrap());
        workspace.files.insert(SEALED_FILE.to_owned(), Self::manifest().into_bytes());
        workspace.files.insert(CERTIFICATE.to_owned(), self.certificate.clone().into_bytes());
        let spec = Self::spec();
        as_sealable(&spec)
            .unwrap()
            .seal_credential(&Credential::new(id.clone(), secret.clone()), &mut workspace)
            .unwrap();
        let file = |name: &'static str| (name, workspace.files[name].clone());
        vec![file(SEALED_FILE), file(CERTIFICATE)]
    }

    fn read(&self, state: &Value) -> Option<Pair> {
        Some(self.opened.read(file(state, SEALED_FILE)?, |bytes| {
            let manifest = String::from_utf8(bytes.to_vec()).unwrap();
            let values = ask(json!({"do": "unseal", "key": self.key, "manifest": manifest})).unwrap();
            let text = |name: &str| values[name].as_str().unwrap().to_owned();
            (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"))
        }))
    }
}

/// Secrets of GitHub: the stand-in has GitHub's keys, and opens with libsodium what it is sent.
pub struct GithubSecrets {
    /// Where GitHub keeps them.
    pub folder: &'static str,
    spec: Value,
}

impl GithubSecrets {
    /// Two secrets of a place, as the policy file names it.
    pub fn pair(folder: &'static str, place: Value) -> Self {
        let mut spec = place;
        spec["access_key_id"] = "AWS_ACCESS_KEY_ID".into();
        spec["secret_access_key"] = "AWS_SECRET_ACCESS_KEY".into();
        Self { folder, spec }
    }

    /// Both in one.
    pub fn one(folder: &'static str, place: Value) -> Self {
        let mut spec = place;
        spec["json"] = "AWS".into();
        Self { folder, spec }
    }

    pub fn of_repository() -> Self {
        Self::pair("/repos/acme/app/actions/secrets", json!({"repository": "acme/app"}))
    }
}

impl Home for GithubSecrets {
    fn destination(&self) -> Value {
        json!({ "github_secret": self.spec })
    }

    fn read(&self, state: &Value) -> Option<Pair> {
        let secret = |name: &Value| {
            let key = format!("{}/{}", self.folder, name.as_str()?);
            Some(state["secrets"][key]["value"].as_str()?.to_owned())
        };
        if let Some(both) = secret(&self.spec["json"]) {
            let both: Value = serde_json::from_str(&both).unwrap();
            let text = |name: &str| both[name].as_str().unwrap().to_owned();
            return Some((text("AccessKeyId"), text("SecretAccessKey")));
        }
        Some((secret(&self.spec["access_key_id"])?, secret(&self.spec["secret_access_key"])?))
    }
}

/// A file that names the access key ID in clear text.
pub struct Reference;

pub const REFERENCE: &str = "deploy/app.tf";

impl Home for Reference {
    fn destination(&self) -> Value {
        json!({"reference": {"files": ["deploy/*.tf"]}})
    }

    fn files(&self, (id, _): &Pair) -> Vec<(&'static str, Vec<u8>)> {
        let text = format!(
            "# The key that the application signs with.\nlocals {{\n  access_key_id = \"{id}\"\n  region = \"eu-west-1\"\n}}\n"
        );
        vec![(REFERENCE, text.into_bytes())]
    }

    fn read(&self, _: &Value) -> Option<Pair> {
        None
    }
}

impl Default for AgeFile {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for SopsFile {
    fn default() -> Self {
        Self::new()
    }
}
