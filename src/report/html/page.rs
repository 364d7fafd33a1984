//! The start of every page of keytide: its security policy and its style. A page loads nothing.

use crate::hash::sha256_base64;

/// The colours have a contrast of at least 4.5:1 on both backgrounds; a test computes it.
const STYLE: &str = include_str!("style.css");

/// Everything up to the body. `title` is HTML; `script` is the one script that the page may run.
pub fn render_page_start(title: &str, script: &str) -> String {
    // The page runs this style and this script alone: by their hashes, nothing that a name smuggles in is one of them
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        sha256_base64(STYLE.as_bytes()),
        sha256_base64(script.as_bytes())
    )
}
