//! The policy reader: whatever the bytes, a policy or complaints that can be shown.
#![no_main]

use keytide::policy::{PolicySource, read_policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = PolicySource { file: "keytide.yml", bytes, read_base: &|_| Err("nothing is opened".to_owned()) };
    if let Err(complaints) = read_policy(&source, &keytide::rules::exemptible_rules()) {
        assert!(!complaints.is_empty());
        complaints.iter().for_each(|complaint| drop(complaint.render()));
    }
});
