//! The login of a workflow with GitHub's OIDC token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{PATH, destination, fields, printed_policy};
use crate::support::openbao::{OpenBao, SignedTokens};
use crate::support::stores::Stored;
use crate::support::{folder, root};

/// The commands of the documentation set up the login, as they are written there. Only the server's address is the test's,
/// and the provider's key is given in place of its address, which the test does not reach.
#[test]
fn the_commands_of_the_documentation_set_up_the_login() {
    let text = std::fs::read_to_string(root().join("docs/destinations.md")).unwrap();
    let section = text.split("**The login.**").nth(1).expect("a section about the login");
    let commands = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let bao = OpenBao::start();
    let tokens = SignedTokens::start();
    let provider = "https://token.actions.githubusercontent.com";
    let discovery = format!("oidc_discovery_url={provider} bound_issuer={provider}");
    assert!(commands.contains(&discovery) && commands.contains("https://vault.example.com"));
    let commands = commands
        .replace(&discovery, &format!("jwt_validation_pubkeys=@provider.pem bound_issuer={provider}"));
    let commands = commands.replace("https://vault.example.com", &bao.address);
    let stored = Stored::new(&[&destination(&bao.address, ", role: keytide")]);
    let (id, secret) = stored.first();
    bao.put(PATH, &fields(&id, &secret));
    let place = folder();
    std::fs::write(place.join("provider.pem"), &tokens.public_key).unwrap();
    let policy = stored.github.state()["files"][".github/keytide.yml"].as_str().unwrap().to_owned();
    std::fs::write(place.join("keytide.yml"), STANDARD.decode(policy).unwrap()).unwrap();
    let ran = bao.run_script(&commands, &place);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let run = stored.keytide(&["rotate"]).env("ACTIONS_ID_TOKEN_REQUEST_URL", &tokens.url);
    let run = run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").run().exits(0);
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
}

/// A workflow logs in with GitHub's OIDC token, over TLS with an authority of the owner's, for the server's own audience.
#[test]
fn a_workflow_logs_in_with_its_own_token() {
    let bao = OpenBao::with_tls();
    let tokens = SignedTokens::start();
    let authority = std::fs::read(bao.authority.as_ref().unwrap()).unwrap();
    let with = |more: &str| destination(&bao.address, &format!(", role: keytide{more}"));
    let stored = Stored::new(&[&with(", ca_certificate: vault/ca.pem")]);
    stored.github.push(&[("vault/ca.pem", &authority)]);
    let (id, secret) = stored.first();
    bao.put(PATH, &fields(&id, &secret));
    bao.trust(&tokens, &bao.address, &printed_policy(&stored, "rotate"));
    let rotate = |stored: &Stored| {
        let run = stored.keytide(&["rotate"]).env("ACTIONS_ID_TOKEN_REQUEST_URL", &tokens.url);
        let run = run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").run();
        assert!(!(run.stdout.clone() + &run.stderr).contains("eyJ"), "no token is shown");
        run
    };
    for (more, words) in [
        ("", "invalid peer certificate"),
        (", ca_certificate: README.md", "holds no certificate"),
        (", ca_certificate: none.pem", "there is no file `none.pem`"),
        (
            ", ca_certificate: vault/ca.pem, audience: other",
            "is sent only to the server that VAULT_ADDR names",
        ),
        (", ca_certificate: vault/ca.pem, auth: none", "the login as `keytide` failed"),
    ] {
        stored.set_policy(&[&with(more)]);
        let run = rotate(&stored);
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
        assert_eq!(stored.keys().len(), 1, "{words}");
    }
    stored.set_policy(&[&with(", ca_certificate: vault/ca.pem, audience: other")]);
    let run = stored.keytide(&["rotate"]).env("ACTIONS_ID_TOKEN_REQUEST_URL", &tokens.url);
    let run = run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").env("VAULT_ADDR", &bao.address).run();
    assert!(run.stdout.contains("the login as `keytide` failed"), "{}", run.stdout);
    stored.set_policy(&[&with(", ca_certificate: vault/ca.pem")]);
    let run = rotate(&stored).exits(0);
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
    assert_eq!(stored.keys().len(), 2);
}
