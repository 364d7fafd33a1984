//! The policy reader: whatever the bytes, a policy or complaints that can be shown.
#![no_main]

use keytide::policy::{Source, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = Source { file: "keytide.yml", bytes, open: &|_| Err("nothing is opened".to_owned()) };
    if let Err(complaints) = read(&source, &keytide::rules::exemptible()) {
        assert!(!complaints.is_empty());
        complaints.iter().for_each(|complaint| drop(complaint.render()));
    }
});
