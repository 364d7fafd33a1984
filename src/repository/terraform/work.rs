//! Bounds the work of computing values, so that no file can make it slow.

use std::cell::Cell;

/// Counts down the work that may still be done. Once it is used up, every value is unknown.
///
/// A unit is one expression, element or text of bounded length that is looked at, copied or compared.
#[derive(Debug)]
pub struct WorkBudget {
    total: usize,
    left: Cell<usize>,
}

impl WorkBudget {
    pub fn new(total: usize) -> Self {
        Self { total, left: Cell::new(total) }
    }

    /// Takes units for work to be done. Returns `false`, and takes what is left, where there are fewer.
    pub fn spend(&self, units: usize) -> bool {
        let rest = self.left.get().checked_sub(units);
        self.left.set(rest.unwrap_or(0));
        rest.is_some()
    }

    pub fn left(&self) -> usize {
        self.left.get()
    }

    pub fn spent(&self) -> usize {
        self.total - self.left.get()
    }
}
