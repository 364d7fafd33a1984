//! Tries what keytide relies on and GitHub does not document, on references of its own: with `--write` only.

use std::time::Duration;

use super::check::{Check, WRITE_CHECKS};
use crate::github::trial::trial_reference;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, RepositoryContents as _};

/// How often two moves from one parent are tried.
const ROUNDS: usize = 20;
/// GitHub asks for a pause of a second between writes ("Best practices for using the REST API").
const PAUSE: Duration = Duration::from_secs(1);
const FIX: &str = "give the token `contents: write`; if GitHub refuses `refs/keytide/**` for another reason, keytide cannot \
                   keep its journal here: report it";
const REPORT: &str =
    "do not use `keytide rotate` with this server: two runs could overwrite each other's journal; report it";

/// The trials of one run.
pub struct Trials<'a> {
    pub backend: &'a LiveBackend,
    /// The name of the run, which the references have.
    pub run: String,
    /// Whether the run was asked to end.
    pub should_stop: &'a dyn Fn() -> bool,
}

impl Trials<'_> {
    /// Makes all trials. The references stay until [`LiveBackend::remove_trial_references`].
    pub async fn run_all(&self) -> Vec<Check> {
        let [custom, swap, orphan] = WRITE_CHECKS;
        vec![
            explain_trial(custom, self.try_custom_reference().await),
            explain_trial(swap, self.try_compare_and_swap().await),
            explain_trial(orphan, self.try_orphan_commit().await),
        ]
    }

    /// A reference outside of branches and tags, at a commit of the default branch.
    async fn try_custom_reference(&self) -> Result<String, TrialFault> {
        let name = trial_reference(&self.run, "custom");
        let head = self.backend.read_default_head().await?;
        self.move_and_remove(&name, &head).await?;
        Ok("a reference below refs/keytide/doctor/ was made, moved and deleted".to_owned())
    }

    /// The same at a commit without workflows and without a parent: GitHub refuses some writes to workflows.
    async fn try_orphan_commit(&self) -> Result<String, TrialFault> {
        let name = trial_reference(&self.run, "orphan");
        let first = self.backend.create_trial_commit("keytide doctor: a commit without workflows").await?;
        self.move_and_remove(&name, &first).await?;
        Ok("a commit without workflows was taken".to_owned())
    }

    async fn move_and_remove(&self, name: &str, first: &str) -> Result<(), TrialFault> {
        self.ensure_not_stopped()?;
        let second = self.backend.create_trial_child(first, "keytide doctor: the second commit").await?;
        self.backend.put_trial_reference(name, None, first).await?;
        // Read again: a success alone does not say that the reference is there
        self.expect_at(name, Some(first)).await?;
        self.backend.put_trial_reference(name, Some(first), &second).await?;
        self.expect_at(name, Some(&second)).await?;
        self.backend.remove_trial_reference(name).await?;
        self.expect_at(name, None).await
    }

    async fn expect_at(&self, name: &str, wanted: Option<&str>) -> Result<(), TrialFault> {
        let found = self.backend.read_trial_reference(name).await?;
        if found.as_deref() == wanted {
            return Ok(());
        }
        let (found, wanted) = (found.as_deref().unwrap_or("nothing"), wanted.unwrap_or("nothing"));
        let what = format!("GitHub shows {found} where {wanted} was written");
        Err(TrialFault::Broken(what))
    }

    /// Two moves of one reference from one parent at the same time: exactly one may succeed, and the other must be refused
    /// in a way that keytide takes for a lost race.
    async fn try_compare_and_swap(&self) -> Result<String, TrialFault> {
        let name = trial_reference(&self.run, "swap");
        let mut parent = self.backend.create_trial_commit("keytide doctor: the first commit").await?;
        self.backend.put_trial_reference(&name, None, &parent).await?;
        for round in 1..=ROUNDS {
            self.ensure_not_stopped()?;
            let first =
                self.backend.create_trial_child(&parent, &format!("keytide doctor: {round}, first")).await?;
            let second =
                self.backend.create_trial_child(&parent, &format!("keytide doctor: {round}, second")).await?;
            // Taken in turns, so that the one that is sent later is not always the same.
            let (first, second) = if round % 2 == 0 { (second, first) } else { (first, second) };
            let (one, other) = tokio::join!(
                self.backend.put_trial_reference(&name, Some(&parent), &first),
                self.backend.put_trial_reference(&name, Some(&parent), &second),
            );
            let found = self.backend.read_trial_reference(&name).await?;
            let moves = [(first.as_str(), one), (second.as_str(), other)];
            parent = judge_round(&moves, found.as_deref())?.to_owned();
            tokio::time::sleep(PAUSE).await;
        }
        self.backend.remove_trial_reference(&name).await?;
        Ok(format!(
            "of two moves from one parent exactly one succeeded, and the other was refused as a lost race, {ROUNDS} times"
        ))
    }

    fn ensure_not_stopped(&self) -> Result<(), TrialFault> {
        if (self.should_stop)() { Err(TrialFault::Unknown("interrupted".to_owned())) } else { Ok(()) }
    }
}

/// Why a trial did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TrialFault {
    /// GitHub refused what a rotation needs.
    Refused(String),
    /// GitHub does not do what keytide relies on.
    Broken(String),
    /// It could not be tried to its end.
    Unknown(String),
}

impl From<BackendError> for TrialFault {
    fn from(error: BackendError) -> Self {
        match error.kind {
            ErrorKind::Rejected | ErrorKind::NotFound => Self::Refused(error.message),
            _ => Self::Unknown(error.message),
        }
    }
}

/// The commit that won.
fn judge_round<'a>(
    moves: &[(&'a str, BackendResult<()>); 2],
    found: Option<&str>,
) -> Result<&'a str, TrialFault> {
    let [(first, one), (second, other)] = moves;
    let (winner, loser) = match (one, other) {
        (Ok(()), Ok(())) => {
            return Err(TrialFault::Broken("two moves from one parent both succeeded".to_owned()));
        }
        (Ok(()), Err(error)) => (*first, error),
        (Err(error), Ok(())) => (*second, error),
        (Err(one), Err(other)) => {
            // Only if both are lost races is the server to blame: any other failure has a cause of its own
            let unclear = [one, other].into_iter().find(|error| error.kind != ErrorKind::Conflict);
            return Err(match unclear {
                Some(error) => error.clone().into(),
                None => TrialFault::Broken(format!("both of two moves lost: {}", one.message)),
            });
        }
    };
    match loser.kind {
        ErrorKind::Conflict => {}
        ErrorKind::Rejected | ErrorKind::NotFound => {
            return Err(TrialFault::Broken(format!(
                "the move that lost is not refused as a lost race: {}",
                loser.message
            )));
        }
        _ => return Err(TrialFault::Unknown(loser.message.clone())),
    }
    if found == Some(winner) {
        return Ok(winner);
    }
    Err(TrialFault::Broken("the reference is not where the successful move put it".to_owned()))
}

fn explain_trial(name: &str, outcome: Result<String, TrialFault>) -> Check {
    match outcome {
        Ok(seen) => Check::ok(name, seen),
        Err(TrialFault::Refused(what)) => Check::fail(name, what, FIX),
        Err(TrialFault::Broken(what)) => Check::fail(name, what, REPORT),
        Err(TrialFault::Unknown(what)) => Check::unknown(name, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> BackendResult<()> {
        Err(BackendError::new(kind, "no"))
    }

    #[test]
    fn exactly_one_move_may_succeed() {
        let judge = |one, other, found| judge_round(&[("a", one), ("b", other)], found);
        assert_eq!(judge(Ok(()), error(ErrorKind::Conflict), Some("a")), Ok("a"));
        assert_eq!(judge(error(ErrorKind::Conflict), Ok(()), Some("b")), Ok("b"));
        let broken = |outcome| matches!(outcome, Err(TrialFault::Broken(_)));
        assert!(broken(judge(Ok(()), Ok(()), Some("b"))));
        assert!(broken(judge(Ok(()), error(ErrorKind::Conflict), Some("b"))));
        assert!(broken(judge(Ok(()), error(ErrorKind::Rejected), Some("a"))));
        assert!(broken(judge(error(ErrorKind::Conflict), error(ErrorKind::Conflict), Some("p"))));
        let unknown = |outcome| matches!(outcome, Err(TrialFault::Unknown(_)));
        assert!(unknown(judge(Ok(()), error(ErrorKind::Indeterminate), Some("a"))));
        assert!(unknown(judge(error(ErrorKind::NotApplied), error(ErrorKind::Conflict), Some("p"))));
        let refused = judge(error(ErrorKind::Rejected), error(ErrorKind::Rejected), Some("p"));
        assert!(matches!(refused, Err(TrialFault::Refused(_))));
    }
}
