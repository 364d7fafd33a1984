//! The SMTP password of Amazon SES, in place of the secret access key or beside it: in parameters, in secrets, in a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{DESTINATION, HALVES, PARAMETER, in_pair, in_parameter, parameter_text};
use crate::support::oracle::ask;
use crate::support::stores::{Stored, text};

const SMTP: &str = "ssm_parameter: { access_key_id: /app/smtp/user, ses_smtp_password: /app/smtp/password, \
                    ses_region: eu-west-1, region: eu-west-1 }";

/// The password, by an implementation that is not keytide's.
pub fn derive(secret: &str) -> String {
    let question = json!({"do": "smtp_password", "secret": secret, "region": "eu-west-1"});
    ask(question).unwrap().as_str().unwrap().to_owned()
}

/// A file and a secret of Secrets Manager get the password in place of the secret access key.
#[test]
fn a_file_and_a_secret_get_the_smtp_password() {
    let identity = age::x25519::Identity::generate();
    let file = format!(
        "age: {{ file: smtp.env.age, format: dotenv, recipients: [{}], ses_smtp_password: SMTP_PASSWORD, ses_region: eu-west-1 }}",
        identity.to_public()
    );
    let secret = "secrets_manager: { secret_id: prod/aws, region: eu-west-1, access_key_id: user, \
                  ses_smtp_password: password, ses_region: eu-west-1 }";
    let mut stored = Stored::new(&[DESTINATION, secret, &file]);
    let (id, first) = stored.first();
    let parameter = json!({"Name": PARAMETER, "Value": text(&id, &first), "Type": "SecureString"});
    stored.ssm("PutParameter", &parameter);
    stored.create(&json!({ "user": id, "password": derive(&first), "host": "smtp" }).to_string());
    let plan = stored.keytide(&["plan"]).file(".github/keytide.yml", stored.committed_policy()).run().stdout;
    assert_eq!(plan.matches("(the SMTP password of Amazon SES)").count(), 2, "{plan}");
    stored.until("proposed", &in_parameter);
    let proposed = stored.github.state()["pulls"].to_string();
    let said = "In place of the secret access key these get the SMTP password of Amazon SES:";
    assert!(proposed.contains(said) && proposed.contains(", for `eu-west-1`"), "{proposed}");
    stored.merge();
    stored.until("grace", &in_parameter);
    let (new, new_secret) = in_parameter(&stored);
    assert_ne!(new, id);
    let password = derive(&new_secret);
    let fields: Value = serde_json::from_str(&stored.version("AWSCURRENT").1).unwrap();
    assert_eq!(fields, json!({ "user": new, "password": password, "host": "smtp" }));
    let encrypted =
        STANDARD.decode(stored.github.state()["files"]["smtp.env.age"].as_str().unwrap()).unwrap();
    let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(&encrypted[..])).unwrap();
    let mut shown = String::new();
    let identities = std::iter::once(&identity as &dyn age::Identity);
    std::io::Read::read_to_string(&mut decryptor.decrypt(identities).unwrap(), &mut shown).unwrap();
    assert!(shown.contains(&new) && shown.contains(&format!("SMTP_PASSWORD={password}")), "{}", shown.len());
    assert!(!shown.contains(&new_secret));
}

/// A destination gets the SMTP password in place of the secret access key, beside another one with the key itself.
#[test]
fn a_destination_gets_the_smtp_password_of_its_region() {
    let stored = Stored::new(&[DESTINATION, SMTP]);
    let (id, secret) = stored.first();
    let put = |name: &str, value: &str| {
        stored.ssm("PutParameter", &json!({"Name": name, "Value": value, "Type": "SecureString"}));
    };
    put(PARAMETER, &text(&id, &secret));
    put("/app/smtp/user", &id);
    put("/app/smtp/password", "of the first key");
    let mut stored = stored;
    stored.until("proposed", &in_parameter);
    stored.merge();
    stored.until("grace", &in_parameter);
    let (new, new_secret) = in_parameter(&stored);
    assert_ne!(new, id);
    let password = parameter_text(&stored, "/app/smtp/password");
    assert_eq!(parameter_text(&stored, "/app/smtp/user"), new);
    assert_eq!(derive(&new_secret), password);
    let shown = stored.github.control("GET", "log", &Value::Null).to_string();
    assert!(!shown.contains(&password) && !shown.contains(&new_secret));
}

/// In each of these places are three values: parameters, a parameter with JSON, and a secret of Secrets Manager.
const THREE_VALUES: [&str; 3] = [
    "ssm_parameter: { access_key_id: /app/aws/id, secret_access_key: /app/aws/secret, ses_smtp_password: /app/smtp, \
     ses_region: eu-west-1, region: eu-west-1 }",
    "ssm_parameter: { json: /app/aws, region: eu-west-1, access_key_id: key_id, secret_access_key: secret, \
     ses_smtp_password: smtp, ses_region: eu-west-1 }",
    "secrets_manager: { secret_id: prod/aws, region: eu-west-1, access_key_id: key_id, secret_access_key: secret, \
     ses_smtp_password: smtp, ses_region: eu-west-1 }",
];

/// What applications read in each place.
fn in_all_places(stored: &Stored) -> [[String; 3]; 3] {
    let of_json = |text: &str| {
        let fields: Value = serde_json::from_str(text).unwrap();
        ["key_id", "secret", "smtp"].map(|name| fields[name].as_str().unwrap().to_owned())
    };
    [
        [HALVES[0], HALVES[1], "/app/smtp"].map(|name| parameter_text(stored, name)),
        of_json(&parameter_text(stored, PARAMETER)),
        of_json(&stored.version("AWSCURRENT").1),
    ]
}

/// All three values are new after the merge, and the former ones after a rollback. keytide may do exactly what
/// `iam-policy` prints.
#[test]
fn one_place_holds_the_secret_access_key_and_the_password() {
    let mut stored = Stored::new(&THREE_VALUES);
    let (id, secret) = stored.first();
    let first = [id.clone(), secret.clone(), "of the first key".to_owned()];
    for (name, value) in [HALVES[0], HALVES[1], "/app/smtp"].into_iter().zip(&first) {
        stored.ssm("PutParameter", &json!({"Name": name, "Value": value, "Type": "SecureString"}));
    }
    let text = text(&id, &secret).replacen('{', &format!("{{ \"smtp\": \"{}\",", first[2]), 1);
    stored.ssm("PutParameter", &json!({"Name": PARAMETER, "Value": text, "Type": "SecureString"}));
    stored.create(&text);
    let policies = ["rotate", "delete"].map(|purpose| stored.permissions(purpose, &[]).stdout);
    stored.limit(&policies.each_ref().map(String::as_str));
    let plan = stored.keytide(&["plan"]).file(".github/keytide.yml", stored.committed_policy()).run().stdout;
    assert_eq!(plan.matches("(with the SMTP password of Amazon SES)").count(), 3, "{plan}");

    stored.until("proposed", &in_pair);
    let all_first = [first.clone(), first.clone(), first];
    assert_eq!(in_all_places(&stored), all_first, "no application reads the new key yet");
    let proposed = stored.github.state()["pulls"].to_string();
    let said = "Beside the secret access key these get the SMTP password of Amazon SES:";
    assert!(proposed.contains(said) && !proposed.contains("In place of the secret"), "{proposed}");
    stored.merge();
    stored.until("grace", &in_pair);
    let (new, new_secret) = in_pair(&stored);
    assert_ne!(new, id);
    let password = derive(&new_secret);
    let second = [new, new_secret, password];
    assert_eq!(in_all_places(&stored), [second.clone(), second.clone(), second.clone()]);
    let shown = stored.github.control("GET", "log", &Value::Null).to_string();
    assert!(!shown.contains(&second[1]) && !shown.contains(&second[2]));

    stored.pass(1);
    stored.keytide(&["rollback", "--user", "ci-deployer"]).run();
    stored.until("held", &in_pair);
    assert_eq!(in_all_places(&stored), all_first);
}
