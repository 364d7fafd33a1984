//! Starts the workflow of `redeploy` exactly once for each cause: announced before, recorded after, and looked for by the run
//! that comes after one which ended in between.

use jiff::SignedDuration;

use super::session::JournalSession;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::{JournalEvent, OpenRotation, RedeployCause, Redeployment};

/// How often the list of runs is read for one that was started without a number, and the pause before each time.
const MAX_LOOKS: u32 = 5;
const LOOK_INTERVAL: SignedDuration = SignedDuration::from_secs(4);

/// Whether this run may start the workflow, as far as that can be asked without starting it.
///
/// # Errors
/// It may not.
pub async fn ensure_may_redeploy(session: &JournalSession<'_, impl Backend>) -> BackendResult<()> {
    match session.user_rotation.redeploy_workflow() {
        Some(redeploy) => session.backend.ensure_may_dispatch(&redeploy.workflow.0).await,
        None => Ok(()),
    }
}

/// Starts the workflow, or takes the run that an earlier attempt has started, and records its number.
pub async fn start_workflow(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    cause: RedeployCause,
) -> BackendResult<()> {
    // The name is the policy file's: a journal, which everyone who can push can write, has none
    let Some(redeploy) = session.user_rotation.redeploy_workflow() else { return Ok(()) };
    let workflow = redeploy.workflow.0.as_str();
    let world = session.backend;
    let before = match rotation.redeployment_for(cause) {
        // Whoever announced it has let go of the claim since, or lost it: by now a run that it started is listed
        Some(begun) => world.find_dispatched_run(workflow, begun.earliest_run()).await?,
        None => None,
    };
    let run = match before {
        Some(run) => run,
        None => dispatch_once(session, workflow, cause).await?,
    };
    let recorded = session.append_event(JournalEvent::Redeployed { cause, run }).await;
    // Until the run is listed, which may take a moment, another one must not look for it: the claim is kept
    recorded.map_err(|failure| BackendError { kind: ErrorKind::Indeterminate, ..failure })
}

/// Announces the start, which fails if another run was faster, and sends it.
async fn dispatch_once(
    session: &mut JournalSession<'_, impl Backend>,
    workflow: &str,
    cause: RedeployCause,
) -> BackendResult<u64> {
    let begun = Redeployment { cause, announced_at: session.backend.now(), run: None };
    session.append_event(JournalEvent::Redeploying { cause }).await?;
    match session.backend.dispatch_workflow(workflow).await? {
        Some(run) => Ok(run),
        None => find_started_run(session, workflow, begun).await,
    }
}

/// Looks for a run that GitHub has started without giving its number.
async fn find_started_run(
    session: &JournalSession<'_, impl Backend>,
    workflow: &str,
    begun: Redeployment,
) -> BackendResult<u64> {
    let mut why = "it is not listed yet".to_owned();
    for _ in 0..MAX_LOOKS {
        session.backend.sleep(LOOK_INTERVAL).await;
        match session.backend.find_dispatched_run(workflow, begun.earliest_run()).await {
            Ok(Some(run)) => return Ok(run),
            Ok(None) => {}
            Err(failure) => why = failure.message,
        }
    }
    let what = format!("GitHub has started the workflow of `redeploy`, whose run is not known yet: {why}");
    Err(BackendError::new(ErrorKind::Indeterminate, what))
}
