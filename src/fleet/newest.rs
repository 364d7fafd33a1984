//! Chooses among files of the same kind: the newest counts, whatever their names are.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::collection::Collection;
use super::result::AccountResult;
use crate::iam::ReadFault;

/// How far a job's clock may be ahead.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// How old a file may be: what it says of a key's age and use is of that time.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What was read from a file, with the name of the file.
#[derive(Debug)]
pub struct NamedInput<T> {
    pub name: String,
    pub input: T,
}

/// The newest of some files.
#[derive(Debug)]
struct Choice<T> {
    newest: T,
    /// The names of all files of the newest time, if they differ.
    disagreeing: Vec<String>,
}

/// Something with a time.
pub trait Dated: Serialize {
    /// Several of them, in a message.
    const PLURAL: &'static str;

    fn generated_at(&self) -> Timestamp;
    fn is_complete(&self) -> bool;

    /// Whether the time is so far ahead that it is not believed: the file would be the newest one for ever.
    fn is_future(&self, now: Timestamp) -> bool {
        self.generated_at().duration_since(now) > MAX_AHEAD
    }
}

impl Dated for AccountResult {
    const PLURAL: &'static str = "results";

    fn generated_at(&self) -> Timestamp {
        self.generated_at
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}

impl Dated for Collection {
    const PLURAL: &'static str = "collections";

    fn generated_at(&self) -> Timestamp {
        self.generated_at
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}

/// Chooses the newest of the files whose time can be true. Adds a fault for each other one, and if the newest disagree.
/// `about`: the account and the part, or the collection.
pub fn choose_believable<T: Dated>(
    mut files: Vec<NamedInput<T>>,
    about: &str,
    now: Timestamp,
    faults: &mut BTreeSet<ReadFault>,
) -> Option<T> {
    let mut add = |operation: &str, message: String| {
        faults.insert(ReadFault { user: None, operation: operation.to_owned(), message });
    };
    files.retain(|file| {
        let is_future = file.input.is_future(now);
        if is_future {
            add(&file.name, format!("its time {} is in the future", file.input.generated_at()));
        }
        !is_future
    });
    let choice = choose_newest(files)?;
    let at = choice.newest.generated_at();
    if now.duration_since(at) > MAX_AGE {
        add(about, format!("it is of {at}, more than a week ago; `--now` reports on an earlier day"));
    }
    if !choice.disagreeing.is_empty() {
        let names = choice.disagreeing.join(" and ");
        add(about, format!("{} of the same time disagree: {names}", T::PLURAL));
    }
    Some(choice.newest)
}

/// Whether a result is of a time before the collection, by more than clocks differ: its job has written none since.
pub fn is_before_collection(result: &AccountResult, collection: &Collection) -> bool {
    collection.generated_at.duration_since(result.generated_at) > MAX_AHEAD
}

/// Chooses the newest file; `None` if there are none. Of the same time the incomplete one: it must not be covered by one
/// that looks good.
fn choose_newest<T: Dated>(mut files: Vec<NamedInput<T>>) -> Option<Choice<T>> {
    let newest = files.iter().map(|file| file.input.generated_at()).max()?;
    files.retain(|file| file.input.generated_at() == newest);
    if files.len() == 1 {
        return files.pop().map(|file| Choice { newest: file.input, disagreeing: Vec::new() });
    }
    // The content decides before the name: to rename a file must not change what is shown.
    files.sort_by_cached_key(|file| {
        (!file.input.is_complete(), write_content(&file.input), file.name.clone())
    });
    let is_same = files.windows(2).all(|pair| write_content(&pair[0].input) == write_content(&pair[1].input));
    let disagreeing = if is_same { Vec::new() } else { files.iter().map(|file| file.name.clone()).collect() };
    files.pop().map(|file| Choice { newest: file.input, disagreeing })
}

fn write_content<T: Dated>(input: &T) -> String {
    serde_json::to_string(input).unwrap_or_default()
}
