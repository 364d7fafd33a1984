//! What is refused before a key is made.

use serde_json::{Value, json};

use super::{FIRST_PASSWORD, PATH, World, fields, printed_policy};
use crate::support::leak_search::{Left, secrets, smtp_passwords, talkative, watched};
use crate::support::openbao::{Fault, VaultProxy};
use crate::support::stores::OTHERS;

/// What does not fit, or is not permitted, shows before a key is made; and no text of the secret is shown.
#[test]
fn what_does_not_fit_is_refused_before_a_key_is_made() {
    let refused = |world: &World, words: &str| -> String {
        let run = world.keytide(&["rotate"]).run();
        let shown = run.stdout + &run.stderr;
        assert!(shown.contains(words), "{words}: {shown}");
        assert!(!shown.contains(OTHERS) && !shown.contains(&world.token), "{words}");
        assert_eq!(world.stored.keys().len(), 1, "{words}");
        shown
    };
    let mut world = World::new();
    let (id, secret) = world.stored.first();
    let whole = fields(&id, &secret);
    for (fields, words) in [
        (json!({ "key_id": id, "password": OTHERS }), "it has no field `secret`"),
        (json!({ "key_id": id, "secret": [OTHERS] }), "its field `secret` is no text"),
        (fields(concat!("AKIA", "QNZGKIQY56JQ7WML"), OTHERS), "which is none of this user's"),
    ] {
        world.bao.put(PATH, &fields);
        refused(&world, words);
    }
    world.bao.put(PATH, &whole);
    world.bao.bao(&["delete", &format!("secret/data/{PATH}")], &Value::Null);
    refused(&world, "its newest version is deleted");
    world.bao.bao(&["delete", &format!("secret/metadata/{PATH}")], &Value::Null);
    refused(&world, "there is no such secret");
    world.bao.put(PATH, &whole);

    let policy = printed_policy(&world.stored, "rotate");
    for capability in ["update", "read", "create", "delete"] {
        let less = policy.replacen(&format!("\"{capability}\""), "\"list\"", 1);
        world.token = world.bao.token(&less);
        let shown = refused(&world, if capability == "read" { "(403)" } else { "the token lacks" });
        assert!(shown.contains("keytide iam-policy"), "{shown}");
    }
}

/// A server that is sealed, busy, broken or hostile: no key is made, and no token goes to another server.
#[test]
fn a_server_that_does_not_serve_is_refused_before_a_key_is_made() {
    let world = World::new();
    let elsewhere = VaultProxy::before(&world.bao);
    let long = format!("{{\"data\": \"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let redirect = format!("Location: {}/v1/secret/data/{PATH}\r\n", elsewhere.url);
    let answer = |status: u16, head: &str, body: &str| Fault::Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    };
    for (fault, words) in [
        (answer(307, &redirect, ""), "a redirect, which keytide does not follow"),
        (answer(200, "", &long), "the reply has more than"),
        (answer(200, "", "<html>hush</html>"), "the reply is not one of a key-value store"),
        (answer(200, "", "{\"data\":{\"hush\":1}}"), "the reply is not one of a key-value store"),
        (answer(429, "", "{\"errors\":[\"slow down\"]}"), "slow down (429)"),
        (answer(502, "", "<html>hush</html>"), "HTTP 502"),
        (answer(404, "", "{\"errors\":[\"no handler for route\"]}"), "no handler for route (404)"),
    ] {
        world.proxy.fault("GET /v1/secret/data", fault);
        let run = world.keytide(&["rotate"]).run();
        let shown = run.stdout + &run.stderr;
        assert!(shown.contains(words) && !shown.contains("hush"), "{words}: {shown}");
        assert_eq!(world.stored.keys().len(), 1, "{words}");
        world.proxy.heal();
    }
    assert!(elsewhere.take_passed().is_empty(), "nothing followed the redirect");

    let run = world.keytide(&["rotate"]).env("VAULT_ADDR", "https://other.example.com").run();
    assert!(run.stdout.contains("VAULT_TOKEN is sent only to the server"), "{}", run.stdout);
    let run = world.keytide(&["rotate"]).env("VAULT_TOKEN", "").run();
    assert!(run.stdout.contains("there is no token for Vault"), "{}", run.stdout);
    let run = world.keytide(&["rotate"]).env("VAULT_TOKEN", "s.nothing").run();
    assert!(run.stdout.contains("permission denied (403)"), "{}", run.stdout);

    world.bao.bao(&["write", "sys/seal"], &json!({}));
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("Vault is sealed (503)"), "{}", run.stdout);
    assert_eq!(world.stored.keys().len(), 1);
}

/// A server, or a proxy before it, quotes what it refuses in an error of Vault's form: the rehearsal, with what the secret
/// holds, and the write of the new key. Neither the run nor the journal shows it.
#[test]
fn a_refusal_that_quotes_the_request_shows_no_secret() {
    for (write, keys) in [("\"cas\":1000000000}", 1), ("\"cas\":1}", 2)] {
        for (status, words) in [(403, "permission denied"), (400, "cannot parse"), (503, "Vault is sealed")] {
            let world = World::with_smtp_password();
            world.proxy.fault(write, Fault::Quote { status, words });
            let mut left = Left::default();
            let ran = watched(talkative(world.keytide(&["rotate"]), &world.stored), &mut left);
            assert_eq!(ran.exit, 3, "{write} {words}: {}\n{}", ran.stdout, ran.stderr);
            let shown = if status == 400 { "HTTP 400".to_owned() } else { format!("{words} ({status})") };
            assert!(ran.stdout.contains(&shown), "{write} {words}: {}", ran.stdout);
            assert_eq!(world.stored.keys().len(), keys, "{write} {words}");
            let mut known = secrets(&world.stored);
            known.extend(smtp_passwords(&world.stored, "eu-west-1"));
            left.add_peers(&world.stored);
            left.holds_none_of(&known);
            let journal = world.stored.github.state()["journals"].to_string();
            assert!(!(journal + &ran.stdout + &ran.stderr).contains(FIRST_PASSWORD), "{write} {words}");
        }
    }
}

/// A read that a server does not answer is not repeated: with each repetition a plan would wait for another time limit.
#[test]
fn a_silent_server_is_not_asked_again() {
    let world = World::new();
    world.proxy.fault("GET /v1/secret/data", Fault::Silent);
    world.proxy.take_passed();
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("no answer in time"), "{}{}", run.stdout, run.stderr);
    let passed = world.proxy.take_passed();
    let asked: Vec<_> = passed.iter().filter(|passed| passed.what.contains("secret/data")).collect();
    // Once for what the store holds, and once before a key would be made
    assert_eq!(asked.len(), 2, "{asked:?}");
}
