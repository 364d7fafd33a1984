//! The policy reader: any bytes give a policy or errors that can be rendered.
#![no_main]

use keytide::policy::{PolicySource, read_policy};
use keytide::text_style::TextStyle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source =
        PolicySource { file: "keytide.yml", bytes, read_base: &|_| keytide::repository::FileContent::Absent };
    if let Err(errors) = read_policy(&source, &keytide::rules::exemptible_rules()) {
        assert!(!errors.is_empty());
        for error in errors {
            error.render(TextStyle::default());
        }
    }
});
