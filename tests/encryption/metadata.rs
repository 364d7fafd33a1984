//! What the metadata of SOPS says of the MAC, read as upstream reads it.

use keytide::destinations::as_sealable;
use keytide::destinations::sops::encrypt::unwrap_data_key;
use serde_json::json;

use crate::support::encryption::{NEW, OLD, destination, seal, secret, workspace};
use crate::support::sops::Upstream;

/// The line of the metadata with another text in the place of `true`.
fn with_truth(file: &str, truth: &str) -> String {
    let line = |line: &str| match line.contains("mac_only_encrypted") {
        true => line.replace("true", truth) + "\n",
        false => line.to_owned() + "\n",
    };
    file.lines().map(line).collect()
}

/// A MAC over encrypted values alone lets a reference change what is in clear. What reads the MAC and what reads the
/// reference go by one rule, and they take for true only what upstream does; in a format of texts that is `true` alone.
#[test]
fn the_mac_covers_encrypted_values_alone_where_upstream_says_so() {
    let up = Upstream::new();
    let rule = "mac_only_encrypted: true, encrypted_regex: '^(ID|SECRET)$'";
    for (name, plain, paths, truths) in [
        ("a.yaml", "ID: $ID\nSECRET: $SECRET\nNAMED: $ID\n", ["ID", "SECRET"], &["true", "True", "TRUE"][..]),
        (
            "a.json",
            "{\"ID\": \"$ID\", \"SECRET\": \"$SECRET\", \"NAMED\": \"$ID\"}",
            ["ID", "SECRET"],
            &["true"],
        ),
        ("a.env", "ID=$ID\nSECRET=$SECRET\nNAMED=$ID\n", ["ID", "SECRET"], &["true"]),
        ("a.ini", "[app]\nID = $ID\nSECRET = $SECRET\nNAMED = $ID\n", ["app.ID", "app.SECRET"], &["true"]),
    ] {
        let written = up.encrypt(name, &plain.replace("$ID", OLD).replace("$SECRET", &secret(0)), rule);
        let written = String::from_utf8(written).unwrap();
        let [id, key] = paths;
        let sops =
            destination(json!({"sops": {"file": name, "access_key_id": id, "secret_access_key": key}}));
        let reference = destination(json!({"reference": {"files": [name]}}));
        for truth in ["true", "True", "TRUE", "1", "t", "false"] {
            // No JSON has these
            if name == "a.json" && ["True", "TRUE", "t"].contains(&truth) {
                continue;
            }
            let file = with_truth(&written, truth);
            let mut workspace = workspace(&[(name, file.as_bytes())]);
            let data_key = unwrap_data_key(name, file.as_bytes(), &up.identity).unwrap();
            workspace.data_keys.insert(name.to_owned(), data_key);
            let is_true = truths.contains(&truth);
            let what = format!("{name}: {truth}\n{file}");
            for destination in [&sops, &reference] {
                let checked = as_sealable(destination).unwrap().check_sealable(&workspace);
                assert_eq!(checked.is_ok(), is_true, "{what}{checked:?}");
            }
            if is_true {
                assert!(up.decrypt(name, file.as_bytes()).is_ok(), "{what}");
                seal(&reference, &mut workspace);
                let text = up.decrypt(name, &workspace.files[name]).unwrap();
                assert!(text.contains(NEW), "{what}{text}");
            }
        }
    }
}
