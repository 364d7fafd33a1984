//! The faults of simulated requests: which request fails, and how.

use jiff::SignedDuration;

use super::SplitMix;

/// A request that was made.
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
    /// It is applied, and the run dies.
    CrashAfter,
    /// It is applied, and the reply is lost.
    LostReply,
    /// It is applied after the sender has given up.
    Late(SignedDuration),
    /// The server fails, and had applied it.
    FailedApplied,
    /// The server fails, and had not.
    FailedNotApplied,
    Throttled,
    /// The answer is of a state that has ended.
    Stale,
    /// Right before it somebody else writes another field of the secrets that keep versions.
    Overtaken,
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
            Self::Overtaken => "somebody else writes the same secret first",
        }
    }
}

/// Which requests fail: those that are named, and some at random.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// By the number of the request.
    pub at: Vec<(usize, SimFault)>,
    /// So many in a thousand.
    pub in_thousand: u64,
    /// No more than these.
    pub most: usize,
    pub happened: usize,
}

impl FaultPlan {
    /// What happens to the next request.
    pub fn next_fault(&mut self, number: usize, rng: &mut SplitMix) -> Option<SimFault> {
        let planned = self.at.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
        let fault = planned.or_else(|| self.draw_fault(rng));
        self.happened += usize::from(fault.is_some());
        fault
    }

    fn draw_fault(&mut self, rng: &mut SplitMix) -> Option<SimFault> {
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
