//! Finds the token of a login in what is sent to Vault: it must not show in a message that quotes it.

use zeroize::Zeroizing;

/// The token of GitHub that a login sends.
pub fn find_login_token(body: &str) -> Option<Zeroizing<String>> {
    #[derive(serde::Deserialize)]
    struct LoginRequest {
        jwt: String,
    }
    serde_json::from_str::<LoginRequest>(body).ok().map(|login| Zeroizing::new(login.jwt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_login_is_found() {
        assert_eq!(find_login_token("{\"jwt\":\"eyJ.a.b\",\"role\":\"x\"}").unwrap().as_str(), "eyJ.a.b");
        assert!(find_login_token("{\"paths\":[]}").is_none());
    }
}
