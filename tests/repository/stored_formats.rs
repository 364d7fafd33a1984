//! Journals and lock files that the first version wrote: every later version must read them, and write the same names.

use keytide::repository::LockFile;
use keytide::rotation::{JournalEntry, JournalEvent};

use crate::support::root;

#[test]
fn entries_of_the_first_version_are_read_and_written_byte_for_byte() {
    let folder = root().join("tests/fixtures/journal");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let entry = JournalEntry::parse_json(text.as_bytes()).unwrap();
        assert!(!matches!(entry.event, JournalEvent::Other { .. }), "{}", path.display());
        assert_eq!(entry.render_json(), text, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 28);
}

#[test]
fn a_lock_file_of_the_first_version_is_read_and_written_byte_for_byte() {
    let text =
        std::fs::read_to_string(root().join("tests/fixtures/lock_file/ci-deployer.lock.json")).unwrap();
    assert_eq!(LockFile::parse(text.as_bytes()).unwrap().to_json(), text);
}
