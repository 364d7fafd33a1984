//! Items of SealedSecrets, unsealed by a second implementation.

use crate::support::encryption::{NEW, ask, destination, now, seal, secret, workspace};
use keytide::destinations::as_sealable;
use keytide::destinations::encryption::SealError;
use keytide::policy::Destination;
use serde_json::{Value, json};

/// The controller's key and its certificate.
fn controller(from: &str, until: &str) -> [String; 3] {
    let answer = ask(json!({"do": "certificate", "from": from, "until": until})).unwrap();
    [0, 1, 2].map(|i| answer[i].as_str().unwrap().to_owned())
}

fn valid() -> &'static [String; 3] {
    static KEY: std::sync::OnceLock<[String; 3]> = std::sync::OnceLock::new();
    KEY.get_or_init(|| controller("2026-11-01T00:00:00", "2036-11-01T00:00:00"))
}

fn sealed_secret() -> Destination {
    destination(json!({"sealed_secret": {"file": "s.yaml", "certificate": "c.pem",
        "access_key_id": "ID", "secret_access_key": "SECRET"}}))
}

/// Something that has the form of an item: 256 bytes of RSA, then AES-GCM.
fn item() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode([&[1, 0][..], &[7; 256 + 16 + 20]].concat())
}

fn manifest(annotations: &str) -> String {
    format!(
        "# k8s\napiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: aws # the name\n  \
         namespace: prod\n  {annotations}\nspec:\n  encryptedData:\n    SECRET: {0}   # do not touch\n    \
         ID: \"{0}\"\n  template: {{type: Opaque}}\n",
        item()
    )
}

fn unseal(manifest: &[u8]) -> Result<Value, String> {
    ask(json!({"do": "unseal", "key": valid()[0], "manifest": String::from_utf8(manifest.to_vec()).unwrap()}))
}

fn sealed(text: &str) -> Vec<u8> {
    let mut workspace = workspace(&[("s.yaml", text.as_bytes()), ("c.pem", valid()[1].as_bytes())]);
    seal(&sealed_secret(), &mut workspace);
    workspace.files["s.yaml"].clone()
}

#[test]
fn each_scope_is_unsealed_by_a_second_implementation_and_by_no_other_scope() {
    let annotation = |scope: &str| format!("annotations: {{sealedsecrets.bitnami.com/{scope}: \"true\"}}");
    for annotations in [String::new(), annotation("namespace-wide"), annotation("cluster-wide")] {
        let bytes = sealed(&manifest(&annotations));
        assert_eq!(unseal(&bytes), Ok(json!({"ID": NEW, "SECRET": secret(1)})), "{annotations}");
        let moved =
            String::from_utf8(bytes).unwrap().replace("prod", "test").replace("name: aws", "name: other");
        assert_eq!(unseal(moved.as_bytes()).is_ok(), annotations.contains("cluster"), "{annotations}");
    }
}

#[test]
fn nothing_but_the_two_items_changes() {
    let text = manifest("").replace('\n', "\r\n");
    let both =
        format!("kind: ConfigMap\ndata: {{ID: x}}\n---\n{text}---\r\nkind: Secret\r\ndata:   {{a: b}}");
    let new = String::from_utf8(sealed(&both)).unwrap();
    let lines = both.split('\n').zip(new.split('\n'));
    let changed: Vec<(&str, &str)> = lines.filter(|(old, new)| old != new).collect();
    assert_eq!(both.matches('\n').count(), new.matches('\n').count());
    assert_eq!(changed.len(), 2);
    assert!(changed[0].1.starts_with("    SECRET: AQ") && changed[0].1.ends_with("   # do not touch\r"));
    assert!(changed[1].1.starts_with("    ID: \"AQ") && changed[1].1.ends_with("\"\r"));
    let block = manifest("").replace(&format!("\"{}\"", item()), &format!("|-\n      {}", item()));
    assert_eq!(unseal(&sealed(&block)), Ok(json!({"ID": NEW, "SECRET": secret(1)})));
    let kept = block.replace("|-", "|");
    assert_eq!(unseal(&sealed(&kept)), Ok(json!({"ID": NEW, "SECRET": secret(1)})));
}

fn refused(manifest: &str, certificate: &str) -> SealError {
    let workspace = workspace(&[("s.yaml", manifest.as_bytes()), ("c.pem", certificate.as_bytes())]);
    as_sealable(&sealed_secret()).unwrap().check_sealable(&workspace).unwrap_err()
}

#[test]
fn the_certificate_is_named_and_must_be_valid_now() {
    let [_, certificate, fingerprint] = valid();
    let text = format!("# Sealed Secrets of prod\n{certificate}");
    let workspace = workspace(&[("s.yaml", manifest("").as_bytes()), ("c.pem", text.as_bytes())]);
    let recipients = as_sealable(&sealed_secret()).unwrap().check_sealable(&workspace).unwrap();
    assert_eq!(
        recipients[0].to_string(),
        format!("certificate SHA-256 {fingerprint} (c.pem) (valid until 2036-11-01T00:00:00Z)")
    );
    let [_, old, _] = controller("2025-11-01T00:00:00", "2026-11-21T11:59:59");
    assert!(refused(&manifest(""), &old).message.ends_with("it has expired on 2026-11-21T11:59:59Z"));
    let [_, future, _] = controller("2026-11-21T12:00:01", "2036-11-01T00:00:00");
    assert!(refused(&manifest(""), &future).message.ends_with("it is not valid before 2026-11-21T12:00:01Z"));
    assert_eq!(now().to_string(), "2026-11-21T12:00:00Z");
    for broken in ["", "x", &certificate[..200], &certificate.replace("MII", "AAA")] {
        let refusal = refused(&manifest(""), broken);
        assert_eq!(refusal.file.as_deref(), Some("c.pem"));
        assert!(refusal.message.contains("no certificate"), "{refusal}");
    }
}

#[test]
fn a_manifest_that_cannot_be_sealed_is_reported_with_its_place() {
    let certificate = &valid()[1];
    let refusal_text = |manifest: &str| refused(manifest, certificate).to_string();
    assert!(
        refusal_text(&manifest("").replace("  namespace: prod\n", ""))
            .contains("has no `metadata.namespace`")
    );
    assert!(
        refusal_text(&manifest("").replace("SECRET", "OTHER"))
            .starts_with("s.yaml:2:1: this SealedSecret has no item")
    );
    assert!(refusal_text("a: [").starts_with("s.yaml:"));
    let alias = format!(
        "kind: SealedSecret\nmetadata: {{name: a, namespace: b}}\nspec:\n  encryptedData:\n    ID: &x {}\n    SECRET: *x\n",
        item()
    );
    let mut workspace = workspace(&[("s.yaml", alias.as_bytes()), ("c.pem", certificate.as_bytes())]);
    let sealable = sealed_secret();
    let sealable = sealable_of(&sealable);
    assert!(sealable.seal_credential(&crate::support::encryption::credential(), &mut workspace).is_err());
    assert_eq!(workspace.files["s.yaml"], alias.as_bytes(), "a refusal changes nothing");
}

#[test]
fn sealed_items_are_carried_over_unless_their_scope_has_changed() {
    let beside = ("c.pem", valid()[1].as_bytes());
    let mut staged = workspace(&[("s.yaml", manifest("").as_bytes()), beside]);
    let sealed = seal(&sealed_secret(), &mut staged);
    let head = manifest("labels: {a: b}").replace("# k8s", "# Kubernetes");
    let mut today = workspace(&[("s.yaml", head.as_bytes()), beside]);
    let destination = sealed_secret();
    assert_eq!(sealable_of(&destination).carry_sealed(NEW, &staged, &mut today), Ok(sealed));
    assert_eq!(unseal(&today.files["s.yaml"]), Ok(json!({"ID": NEW, "SECRET": secret(1)})));
    assert!(today.files["s.yaml"].starts_with(b"# Kubernetes\n"));
    let mut moved = workspace(&[("s.yaml", manifest("").replace("prod", "test").as_bytes()), beside]);
    let error = sealable_of(&destination).carry_sealed(NEW, &staged, &mut moved).unwrap_err();
    assert!(error.message.contains("namespace or scope has changed"), "{error}");
}

fn sealable_of(destination: &Destination) -> &dyn keytide::destinations::encryption::SealDestination {
    as_sealable(destination).unwrap()
}
