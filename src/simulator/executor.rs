//! Polls futures that wait only for the simulation: one to its end, or several in turns.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::simulation::Simulation;

/// Runs one future of a run to its end; `None` if a fault crashed the run.
pub fn block_on<T>(world: &Simulation, run: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        // A crashed run stays pending for ever, so the crash is checked after each poll.
        if world.with_state(|state| state.crashed.contains(&run)) {
            return None;
        }
    }
}

/// The future of one run among several.
pub type BoxedRun<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

/// Runs the futures of several runs in turns, one request at a time, in an order that the seed decides.
pub fn interleave_runs<'f, T>(world: &Simulation, runs: Vec<(usize, BoxedRun<'f, T>)>) -> Vec<Option<T>> {
    let mut done: Vec<Option<T>> = runs.iter().map(|_| None).collect();
    let mut open: Vec<(usize, usize, BoxedRun<'f, T>)> =
        runs.into_iter().enumerate().map(|(index, (run, future))| (index, run, future)).collect();
    let mut context = Context::from_waker(Waker::noop());
    while let Some(chosen) = world.with_state(|state| state.rng.next_below(open.len() as u64)) {
        let (index, run, future) = &mut open[chosen as usize];
        let polled = future.as_mut().poll(&mut context);
        let crashed = world.with_state(|state| state.crashed.contains(run));
        match polled {
            Poll::Ready(value) => done[*index] = Some(value),
            Poll::Pending if crashed => {}
            Poll::Pending => continue,
        }
        // The order of the rest does not matter, because the next one is drawn at random.
        drop(open.swap_remove(chosen as usize));
    }
    done
}

/// Yields once, so that another run can send its request first.
pub struct YieldOnce(bool);

impl YieldOnce {
    pub fn new() -> Self {
        Self(false)
    }
}

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}
