//! What goes wrong, and when.

use jiff::SignedDuration;

use super::Rng;

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub run: usize,
    pub name: &'static str,
    pub writes: bool,
    pub fault: Option<Fault>,
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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

impl Fault {
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

    pub fn sentence(self) -> &'static str {
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
pub struct Faults {
    /// By the number of the request.
    pub at: Vec<(usize, Fault)>,
    /// So many in a thousand.
    pub in_thousand: u64,
    /// No more than these.
    pub most: usize,
    pub happened: usize,
}

impl Faults {
    /// What happens to the next request.
    pub fn next(&mut self, number: usize, rng: &mut Rng) -> Option<Fault> {
        let planned = self.at.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
        let fault = planned.or_else(|| self.random(rng));
        self.happened += usize::from(fault.is_some());
        fault
    }

    fn random(&mut self, rng: &mut Rng) -> Option<Fault> {
        if self.in_thousand == 0 || self.happened >= self.most || !rng.chance(self.in_thousand) {
            return None;
        }
        let fault = Fault::ALL[rng.below(Fault::ALL.len() as u64)? as usize];
        Some(match fault {
            // Less than the ten minutes that a request is taken to live.
            Fault::Late(_) => Fault::Late(SignedDuration::from_secs(rng.below(590)? as i64)),
            other => other,
        })
    }
}
