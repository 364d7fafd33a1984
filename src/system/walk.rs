//! Lists the files of a folder that no `.gitignore` ignores, for a folder without a repository.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::files::{self, FileError};

/// The largest `.gitignore` that is read: a rule of two characters takes two kilobytes of memory.
const MAX_IGNORE_BYTES: usize = 128 * 1024;
/// The longest rule, as long as a path can be. A longer one ignores nothing: braces in braces would use up the stack.
const MAX_RULE_BYTES: usize = 4096;

/// The files that were found.
#[derive(Debug, Default)]
pub struct Walked {
    pub files: Vec<PathBuf>,
    /// The paths that could not be read, each with the reason.
    pub faults: Vec<(String, String)>,
}

/// The rules of one folder, and those of the folders above it.
struct IgnoreRules {
    own: Gitignore,
    above: Option<Rc<IgnoreRules>>,
}

impl IgnoreRules {
    /// The nearest folder that has a rule for the path decides.
    fn is_ignored(&self, path: &Path, is_folder: bool) -> bool {
        let mut rules = Some(self);
        while let Some(IgnoreRules { own, above }) = rules {
            match own.matched(path, is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => rules = above.as_deref(),
            }
        }
        false
    }
}

/// Lists the files in `folder`, which is `root` or a folder in it. Links and other repositories are left out.
pub fn walk_folder(root: &Path, folder: &Path) -> Walked {
    let mut walked = Walked::default();
    let mut rules = None;
    let mut above: Vec<&Path> = folder.ancestors().skip(1).take_while(|it| it.starts_with(root)).collect();
    above.reverse();
    for outer in above {
        rules = Some(Rc::new(read_rules(outer, rules, &mut walked)));
    }
    let mut pending = vec![(folder.to_owned(), rules)];
    // A list and no recursion: folders can be nested deeper than the stack.
    while let Some((folder, above)) = pending.pop() {
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            Err(error) => {
                walked.faults.push((folder.display().to_string(), error.to_string()));
                continue;
            }
        };
        let rules = Rc::new(read_rules(&folder, above, &mut walked));
        for entry in entries {
            let found = entry.and_then(|entry| Ok((entry.file_name(), entry.path(), entry.file_type()?)));
            match found {
                Err(error) => walked.faults.push((folder.display().to_string(), error.to_string())),
                Ok((name, path, kind)) if name != ".git" && !rules.is_ignored(&path, kind.is_dir()) => {
                    if kind.is_file() {
                        walked.files.push(path);
                    } else if kind.is_dir() && !files::is_present(&path.join(".git")) {
                        pending.push((path, Some(Rc::clone(&rules))));
                    }
                }
                Ok(_) => {}
            }
        }
    }
    walked.files.sort();
    walked
}

fn read_rules(folder: &Path, above: Option<Rc<IgnoreRules>>, walked: &mut Walked) -> IgnoreRules {
    let path = folder.join(".gitignore");
    let mut builder = GitignoreBuilder::new(folder);
    match files::read_plain(&path, MAX_IGNORE_BYTES) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            for line in text.trim_start_matches('\u{feff}').lines() {
                // Like Git, skips a line that is no pattern.
                if line.len() <= MAX_RULE_BYTES {
                    let _ = builder.add_line(None, line);
                }
            }
        }
        // Git follows no link here either.
        Err(FileError::IsLink) => {}
        Err(error) if error.is_absent() => {}
        Err(error) => walked.faults.push((path.display().to_string(), error.to_string())),
    }
    IgnoreRules { own: builder.build().unwrap_or_else(|_| Gitignore::empty()), above }
}
