//! The simulated store, compared with the server.

use std::sync::Arc;

use jiff::SignedDuration;
use keytide::destinations::vault::delivery::{NO_VERSION, SecretVersion, VaultStore, VersionWrite};
use keytide::live::{GithubConfig, LiveBackend, ServerTime};
use keytide::policy::Destination;
use keytide::policy::file::Vault;
use keytide::ports::BackendResult;
use keytide::simulator::block_on;
use keytide::simulator::sample::{SampleStores, sample_simulation};
use keytide::system::environment::ProcessEnvironment;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::World;

/// The requests that a delivery is made of, with what each came to.
async fn play(store: &impl VaultStore, vault: &Vault) -> Vec<String> {
    let text = |key: &str| SecretString::from(format!("{{\"key_id\":\"{key}\",\"secret\":\"s\"}}"));
    let shown = |read: BackendResult<Option<SecretVersion>>| match read {
        Ok(None) => "none".to_owned(),
        Ok(Some(found)) => {
            let key =
                ["K2", "K3"].iter().find(|key| found.text.expose_secret().contains(&format!("\"{key}\"")));
            format!("{} {key:?}", found.number)
        }
        Err(error) => format!("{:?}", error.kind),
    };
    let mut seen = Vec::new();
    let pending = vault.pending_path();
    for (path, key, replaces) in [
        (&vault.path, "K2", NO_VERSION),
        (&vault.path, "K2", 0),
        (&vault.path, "K2", 1),
        (&vault.path, "K3", 1),
        (&pending, "K2", 1),
        (&pending, "K2", 0),
        (&pending, "K3", 0),
        (&pending, "K3", 1),
    ] {
        let text = text(key);
        let write = VersionWrite { path, text: &text, replaces };
        let written = store.write_version(vault, &write).await.map_err(|error| error.kind);
        seen.push(format!("write {replaces}: {written:?}"));
        seen.push(format!("newest: {}", shown(store.read_newest(vault, path).await)));
        seen.push(format!("versions: {:?}", store.list_versions(vault, path).await.unwrap()));
    }
    for number in [1, 2, 3, 99] {
        seen.push(format!("version {number}: {}", shown(store.read_version(vault, number).await)));
    }
    for _ in 0..2 {
        let destroyed = store.destroy(vault, &pending).await.map_err(|error| error.kind);
        seen.push(format!("destroy: {destroyed:?}"));
        seen.push(format!("newest: {}", shown(store.read_newest(vault, &pending).await)));
        seen.push(format!("versions: {:?}", store.list_versions(vault, &pending).await.unwrap()));
    }
    seen
}

/// The simulated store answers each request as the server does.
#[test]
fn the_simulation_answers_as_the_server_does() {
    let world = World::new();
    world.bao.put("contract", &json!({ "key_id": "first", "secret": "s" }));
    let vault: Vault = serde_json::from_value(json!({
        "address": world.proxy.url, "path": "contract", "access_key_id": "key_id", "secret_access_key": "secret",
    }))
    .unwrap();
    let environment = ProcessEnvironment::from_variables([
        ("VAULT_TOKEN".to_owned(), world.bao.token("path \"secret/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }")),
        ("VAULT_ADDR".to_owned(), world.proxy.url.clone()),
    ]);
    let forge = GithubConfig {
        api_url: world.stored.github.url(),
        token: SecretString::from("token"),
        repository: "acme/app".to_owned(),
        identities: None,
        environment,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = runtime.block_on(async {
        let time = Arc::new(ServerTime::new(Some(world.stored.now)));
        let backend =
            LiveBackend::connect_github(forge, time).await.map_err(|error| error.to_string()).unwrap();
        play(&backend, &vault).await
    });
    let age = SignedDuration::from_hours(24 * 80);
    let (simulation, task) = sample_simulation(3, world.stored.now, age, SampleStores::Vault);
    let Destination::Vault(simulated) = &task.destinations[1] else { panic!("no vault") };
    let played = block_on(&simulation, 1, async { play(&simulation.backend_for_run(1), simulated).await });
    assert_eq!(played.unwrap(), real);
    assert!(real.iter().any(|line| line.contains("Conflict")), "{real:#?}");
}
