//! [`StepDecision`]: the result of a decision, with the two ways to make one, and the [`Advice`] that it gives a person.

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
    pub help: Option<Advice>,
    /// The step or the next check cannot come before this time.
    pub until: Option<Timestamp>,
}

/// What a person can do, where the rotation waits for one or leaves a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub text: Box<str>,
    /// The rotation waits for what the text says. Else it goes on by itself, and the text names a choice.
    pub asks_person: bool,
}

impl Advice {
    /// What a person must do before the rotation goes on.
    pub fn ask(text: impl Into<String>) -> Self {
        Self { text: text.into().into_boxed_str(), asks_person: true }
    }

    /// That there is nothing to do, with what follows those words, and the choices there are.
    pub fn nothing_to_do(rest: impl std::fmt::Display) -> Self {
        Self { text: format!("nothing to do{rest}").into_boxed_str(), asks_person: false }
    }
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
        self.help = Some(Advice::ask(help));
        self
    }

    #[must_use]
    pub fn wait_until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }
}
