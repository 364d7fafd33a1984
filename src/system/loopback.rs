//! Knows the URLs of this machine: a request to one does not leave it.

use url::{Host, Url};

/// Whether a URL names this machine, without a name lookup.
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        // Any other name could be resolved to another machine
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_loopback_address_is_recognized_by_its_host() {
        for here in ["http://127.0.0.1:5000", "http://localhost/x", "https://[::1]:8", "http://127.9.9.9"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "https://iam.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "http://localhost:80@evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "http://evil.example/127.0.0.1",
            "http://evil.example#@localhost",
            "http://[::1].example.com",
            "http://127.example.com/",
            "127.0.0.1",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
