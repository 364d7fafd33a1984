//! Checks the fields of a `vault` destination: they become parts of URLs and of a policy.

use url::Url;

use super::policy::Vault;
use crate::destinations::kind::PolicyFaultSink;
use crate::destinations::value_names::has_repeated_name;
use crate::system::loopback::is_loopback;

/// The characters of a path beside letters and digits. Vault gives `*` and `+` a meaning in policies.
const PATH_MARKS: &[u8] = b"-_.@~:=,";

pub fn check_fields(vault: &Vault, report: &mut PolicyFaultSink<'_>) {
    check_address(&vault.address, report);
    let paths = [("mount", Some(&vault.mount)), ("path", Some(&vault.path)), ("auth", Some(&vault.auth))];
    let optional = [("role", vault.role.as_ref()), ("namespace", vault.namespace.as_ref())];
    for (field, text) in paths.into_iter().chain(optional) {
        if text.is_some_and(|text| !is_path(text)) {
            report(
                format!("the `{field}` of a `vault` is no path of Vault"),
                "write names such as `app/aws`, without a slash at either end",
            );
        }
    }
    if vault.path.split('/').next().is_some_and(|first| first == "data" || first == "metadata") {
        report(
            format!("the `path` of a `vault` begins with `{}`", vault.path),
            "leave out `data/`: it is a part of the API's paths, not of the secret's",
        );
    }
    if vault.audience.as_ref().is_some_and(|text| text.is_empty() || text.contains(char::is_control)) {
        report("the `audience` of a `vault` is empty".into(), "leave it out, or write the role's audience");
    }
    if vault.audience.as_ref().is_some_and(|text| text.contains("amazonaws")) {
        let help =
            "leave it out, or write the role's audience: with this one a token is good for AWS as well";
        report("the `audience` of a `vault` is that of AWS".into(), help);
    }
    if has_repeated_name(&vault.field_names(), str::eq) {
        let help = "name a field of the secret for each value";
        report("two fields of a `vault` have one name".into(), help);
    }
}

/// The server alone: a path, a query or a password in it would end up in every request.
fn check_address(address: &str, report: &mut PolicyFaultSink<'_>) {
    let help = "write the server alone, such as `https://vault.example.com:8200`";
    let Ok(url) = Url::parse(address) else {
        return report("the `address` of a `vault` is no URL".into(), help);
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(address)) {
        return report("the `address` of a `vault` does not begin with https://".into(), help);
    }
    let plain = format!("{}://{}", url.scheme(), url.authority());
    if !url.username().is_empty() || url.password().is_some() || address.trim_end_matches('/') != plain {
        report("the `address` of a `vault` is more than a server".into(), help);
    }
}

/// Whether a text is names with slashes between them, none of which leads to another path.
fn is_path(text: &str) -> bool {
    text.len() <= 512
        && text.split('/').all(|name| {
            !matches!(name, "" | "." | "..")
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || PATH_MARKS.contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fields: serde_json::Value) -> Vec<String> {
        let mut all = serde_json::json!({
            "address": "https://vault.example.com", "path": "app/aws", "access_key_id": "id",
            "secret_access_key": "secret",
        });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let vault: Vault = serde_json::from_value(all).unwrap();
        let mut found = Vec::new();
        check_fields(&vault, &mut |message, _| found.push(message));
        found
    }

    #[test]
    fn an_address_is_one_server_over_tls_or_this_machine() {
        for good in
            ["https://vault.example.com", "https://v:8200/", "http://127.0.0.1:8200", "http://[::1]:1"]
        {
            assert_eq!(faults(serde_json::json!({ "address": good })), [""; 0], "{good}");
        }
        for bad in [
            "vault.example.com",
            "http://vault.example.com",
            "http://127.0.0.1.example.com",
            "https://user@v",
            "https://v/ui",
            "https://v?x=y",
            "https://v#x",
            "ftp://127.0.0.1",
            "https://",
            "",
        ] {
            assert_eq!(faults(serde_json::json!({ "address": bad })).len(), 1, "{bad}");
        }
    }

    #[test]
    fn no_path_leads_out_of_itself() {
        for good in ["app", "app/aws", "a.b/c_d-E9", "é".replace('é', "e").as_str()] {
            assert_eq!(faults(serde_json::json!({ "path": good })), [""; 0], "{good}");
        }
        for bad in
            ["", "/app", "app/", "a//b", "../x", "a/./b", "a*", "a/+/b", "a?b", "a#b", "a%2e", "a b", "é"]
        {
            for field in ["path", "mount", "auth", "role", "namespace"] {
                let found = faults(serde_json::json!({ field: bad }));
                assert!(found[0].contains(&format!("`{field}`")), "{field}: {bad}");
            }
        }
        assert!(faults(serde_json::json!({ "path": "data/app" }))[0].contains("begins with `data/app`"));
        for repeated in ["secret_access_key", "ses_smtp_password"] {
            assert!(faults(serde_json::json!({ repeated: "id" }))[0].contains("one name"), "{repeated}");
        }
        assert!(faults(serde_json::json!({ "audience": "a\nb" }))[0].contains("audience"));
        assert!(faults(serde_json::json!({ "audience": "sts.amazonaws.com" }))[0].contains("that of AWS"));
    }
}
