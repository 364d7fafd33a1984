//! The faults of simulated requests: which request fails, and how.

use jiff::SignedDuration;

use super::rng::SplitMix;

/// A request of a run, and the fault that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultPoint {
    pub run: usize,
    pub name: &'static str,
    pub writes: bool,
    pub fault: Option<SimFault>,
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFault {
    /// The run dies before it is sent.
    CrashBefore,
    /// The run dies after it is applied.
    CrashAfter,
    /// It is applied, and the reply is lost.
    LostReply,
    /// It is applied after the sender has given up.
    Late(SignedDuration),
    /// The server answers with an error after it has applied it.
    FailedApplied,
    /// The server answers with an error and has not applied it.
    FailedNotApplied,
    Throttled,
    /// The reply shows a former state.
    Stale,
    /// Immediately before it, another writer changes its field of the versioned secrets.
    Overtaken,
    /// Immediately before it, another writer puts back the former secret access key into a pair of parameters.
    Reverted,
}

impl SimFault {
    /// Those that can happen to any request.
    pub const ALL: [Self; 8] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::LostReply,
        Self::Late(SignedDuration::from_mins(4)),
        Self::FailedApplied,
        Self::FailedNotApplied,
        Self::Throttled,
        Self::Stale,
    ];

    pub fn describe(self) -> &'static str {
        match self {
            Self::CrashBefore => "the run dies before the request",
            Self::CrashAfter => "the run dies after the request",
            Self::LostReply => "the reply is lost",
            Self::Late(_) => "the request is applied minutes later",
            Self::FailedApplied => "the server fails after it has applied the request",
            Self::FailedNotApplied => "the server fails",
            Self::Throttled => "the server is too busy",
            Self::Stale => "the answer is from the past",
            Self::Overtaken => "another writer changes the same secret first",
            Self::Reverted => "another writer puts back the former secret access key first",
        }
    }
}

/// Which requests fail: the planned ones, and some at random.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// By the number of the request.
    pub at: Vec<(usize, SimFault)>,
    /// How many of a thousand requests fail at random.
    pub in_thousand: u64,
    /// The maximum number of faults.
    pub most: usize,
    pub happened: usize,
}

impl FaultPlan {
    /// The fault of the next request.
    pub fn next_fault(&mut self, number: usize, rng: &mut SplitMix) -> Option<SimFault> {
        let planned = self.at.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
        let fault = planned.or_else(|| self.draw_fault(rng));
        self.happened += usize::from(fault.is_some());
        fault
    }

    fn draw_fault(&mut self, rng: &mut SplitMix) -> Option<SimFault> {
        // With unlimited faults no run would ever end, so their number is bounded.
        if self.in_thousand == 0 || self.happened >= self.most || !rng.one_in_thousand(self.in_thousand) {
            return None;
        }
        let fault = SimFault::ALL[rng.next_below(SimFault::ALL.len() as u64)? as usize];
        Some(match fault {
            // Less than the ten minutes that a request is taken to live.
            SimFault::Late(_) => SimFault::Late(SignedDuration::from_secs(rng.next_below(590)? as i64)),
            other => other,
        })
    }
}
