//! Finds the access key IDs that the files of a commit name, once for all users of a run.
//!
//! GitHub sends one file a request, so a file that a clone here has is read from that: Git names a file by the digest of its
//! content, whatever is checked out.

use std::io::Read as _;
use std::rc::Rc;

use aws_lc_rs::digest;

use super::contents::{MAX_BYTES, partial_list, unusable_file};
use super::objects::{NamedKeys, TreeEntry};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::repository::{MAX_SEARCHED_BYTES, Scanner, list_named_keys};
use crate::system::git_objects::ObjectReader;
use crate::system::worktree::WorkTree;

/// How many files are read from GitHub. A workflow's token has a thousand requests an hour.
const MAX_REQUESTED: usize = 200;

/// The length of a name in a repository that names objects by SHA-1; the others use SHA-256.
const SHA1_DIGITS: usize = 40;

/// A file of the commit.
type CommittedFile<'t> = (&'t String, &'t TreeEntry);

impl LiveBackend {
    /// The access key IDs that the files of a commit name.
    ///
    /// # Errors
    /// A file cannot be read, or too many would have to be asked of GitHub.
    pub(super) async fn read_named_keys(&self, commit: &str) -> BackendResult<Rc<NamedKeys>> {
        if let Some(known) = self.objects.named_keys.borrow().get(commit) {
            return Ok(known.clone());
        }
        let listing = self.commit_listing(commit).await?;
        if listing.is_truncated {
            return Err(partial_list());
        }
        let (scanner, mut named) = (Scanner::new(), NamedKeys::new());
        let files = listing.entries.iter().filter(|(_, entry)| entry.is_file());
        let missing = self.search_clone(files, &scanner, &mut named)?;
        if missing.len() > MAX_REQUESTED {
            return Err(too_many_files(missing.len()));
        }
        for (path, entry) in missing {
            // Before the request: GitHub's reply would hold the whole file.
            if entry.size > MAX_BYTES {
                return Err(unusable_file(path, "too large to be read through GitHub's API"));
            }
            let bytes = self.read_blob(&entry.sha).await?;
            add_keys(&scanner, &mut named, path, &bytes);
        }
        let named = Rc::new(named);
        self.objects.named_keys.borrow_mut().insert(commit.to_owned(), named.clone());
        Ok(named)
    }

    /// Searches the files that a clone in the working folder has, and returns the others.
    fn search_clone<'t>(
        &self,
        files: impl Iterator<Item = CommittedFile<'t>>,
        scanner: &Scanner,
        named: &mut NamedKeys,
    ) -> BackendResult<Vec<CommittedFile<'t>>> {
        let mut clone = WorkTree::find_repository(&self.environment).open_objects().ok();
        let mut missing = Vec::new();
        for (path, entry) in files {
            let bytes = match &mut clone {
                Some(objects) => read_object(objects, path, entry)?,
                None => None,
            };
            match bytes {
                Some(bytes) => add_keys(scanner, named, path, &bytes),
                None => missing.push((path, entry)),
            }
        }
        Ok(missing)
    }
}

/// `None`: the clone does not have the file, has something else under its name, or Git does not work there; GitHub is asked.
fn read_object(objects: &mut ObjectReader, path: &str, entry: &TreeEntry) -> BackendResult<Option<Vec<u8>>> {
    if entry.size > MAX_SEARCHED_BYTES as u64 {
        return Err(unusable_file(path, "too large"));
    }
    let read = objects.read_object(&entry.sha, |content, _| {
        let mut bytes = Vec::new();
        content.take(MAX_SEARCHED_BYTES as u64).read_to_end(&mut bytes).map(|_| bytes)
    });
    Ok(read.unwrap_or_default().filter(|bytes| is_content_of(&entry.sha, bytes)))
}

/// Whether a file has this content, by the digest that Git names it with. Git itself does not look when it reads one, and
/// another program that writes to the clone could hide a key from the search.
fn is_content_of(sha: &str, bytes: &[u8]) -> bool {
    let algorithm =
        if sha.len() == SHA1_DIGITS { &digest::SHA1_FOR_LEGACY_USE_ONLY } else { &digest::SHA256 };
    let mut context = digest::Context::new(algorithm);
    context.update(format!("blob {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    let found: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    found == sha
}

fn add_keys(scanner: &Scanner, named: &mut NamedKeys, path: &str, bytes: &[u8]) {
    for key in list_named_keys(scanner, bytes) {
        named.entry(key).or_default().insert(path.to_owned());
    }
}

fn too_many_files(count: usize) -> BackendError {
    let what = format!(
        "{count} files of the default branch may name the key, and GitHub is asked for {MAX_REQUESTED} at most: check the \
         default branch out before keytide, with `actions/checkout` in a workflow"
    );
    BackendError::new(ErrorKind::Rejected, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_says() {
        // `git hash-object` of "hello\n" in a repository of each kind
        let names = [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4",
        ];
        for name in names {
            assert!(is_content_of(name, b"hello\n"), "{name}");
            assert!(!is_content_of(name, b"hello"), "{name}");
        }
    }
}
