//! Notices when this process stands still: a thread looks at the clock a hundred times a second, and a gap between two looks is a stall. It sees a
//! stopped process too, because the monotonic clock goes on.

use crate::observe::clock::monotonic_us;
use harness_history::experiment::Span;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Interval between two looks at the clock.
const EVERY: Duration = Duration::from_millis(10);
/// A longer gap between two looks is a stall, in microseconds.
const STALL_US: u64 = 50_000;
/// Maximum number of stalls; beyond it the last one is extended.
const MOST: usize = 10_000;

/// The thread; it ends when this is dropped.
pub struct Heartbeat {
    /// Never sends: dropping it ends the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<Vec<Span>>>,
}

impl Heartbeat {
    /// Starts the thread. `epoch_us` is time 0 of the run.
    pub fn start(epoch_us: u64) -> Self {
        let (running, over) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let now = || monotonic_us().saturating_sub(epoch_us);
            let (mut stalls, mut before_us) = (Vec::new(), now());
            while over.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now_us = now();
                note(&mut stalls, Span { from_us: before_us, until_us: now_us });
                before_us = now_us;
            }
            note(&mut stalls, Span { from_us: before_us, until_us: now() });
            stalls
        });
        Self { running: Some(running), thread: Some(thread) }
    }

    /// Ends the thread and returns the stalls, oldest first.
    pub fn stop(mut self) -> Vec<Span> {
        self.end()
    }

    fn end(&mut self) -> Vec<Span> {
        drop(self.running.take());
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.end();
    }
}

/// Adds the time between two looks, if it is a stall.
fn note(stalls: &mut Vec<Span>, between: Span) {
    if between.length_us() <= STALL_US {
        return;
    }
    let full = stalls.len() >= MOST;
    match stalls.last_mut().filter(|last| full || last.until_us == between.from_us) {
        Some(last) => last.until_us = between.until_us,
        None => stalls.push(between),
    }
}

#[cfg(test)]
mod tests {
    use super::{Heartbeat, MOST, note};
    use harness_history::experiment::Span;

    fn noted(gaps: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut stalls = Vec::new();
        gaps.iter().for_each(|(from_us, until_us)| note(&mut stalls, Span { from_us: *from_us, until_us: *until_us }));
        stalls.into_iter().map(|span| (span.from_us, span.until_us)).collect()
    }

    #[test]
    fn a_gap_of_more_than_fifty_milliseconds_is_a_stall() {
        assert_eq!(noted(&[(0, 10_000), (10_000, 60_000), (60_000, 110_001)]), [(60_000, 110_001)]);
        assert_eq!(noted(&[(0, 60_000), (60_000, 200_000)]), [(0, 200_000)], "two in a row are one");
    }

    #[test]
    fn the_list_of_stalls_is_bounded() {
        let gaps: Vec<(u64, u64)> = (0..MOST as u64 + 5).map(|at| (at * 1_000_000, at * 1_000_000 + 60_000)).collect();
        let stalls = noted(&gaps);
        assert_eq!((stalls.len(), stalls.last()), (MOST, Some(&(gaps[MOST - 1].0, gaps[MOST + 4].1))));
    }

    #[test]
    fn the_thread_ends_with_its_owner() {
        drop(Heartbeat::start(0));
        let stalls = Heartbeat::start(0).stop();
        assert!(stalls.windows(2).all(|pair| pair[0].until_us < pair[1].from_us), "{stalls:?}");
    }
}
