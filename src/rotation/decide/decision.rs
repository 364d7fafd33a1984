//! [`StepDecision`]: the result of a decision, with the two ways to make one.

use jiff::Timestamp;

use crate::rotation::phase::RotationPhase;
use crate::rotation::step::RotationStep;

/// The phase of a user's rotation, its next step, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDecision {
    pub phase: RotationPhase,
    pub step: RotationStep,
    /// The reason, in a sentence.
    pub why: String,
    /// What you can do, where the rotation waits for you or you have a choice.
    pub help: Option<String>,
    /// The step or the next check cannot come before this time.
    pub until: Option<Timestamp>,
}

impl StepDecision {
    pub fn wait(phase: RotationPhase, why: impl Into<String>) -> Self {
        Self { phase, step: RotationStep::Wait, why: why.into(), help: None, until: None }
    }

    pub fn take_step(phase: RotationPhase, step: RotationStep, why: impl Into<String>) -> Self {
        Self { phase, step, why: why.into(), help: None, until: None }
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn wait_until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }
}
