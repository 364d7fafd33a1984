//! Percent-encodes what becomes part of an address: every byte that could end its part is escaped.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED_IN_SEGMENT.remove(b'/');

/// Encodes a part of a path or of a query.
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_SEGMENT).to_string()
}

/// Encodes a path; its slashes stay.
pub fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_cannot_end_it() {
        assert_eq!(encode_segment("a/b?c=d#e%"), "a%2Fb%3Fc%3Dd%23e%25");
        assert_eq!(encode_path("heads/a b/=2E"), "heads/a%20b/%3D2E");
    }
}
