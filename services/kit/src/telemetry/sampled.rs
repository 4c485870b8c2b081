//! Log lines that others can cause as often as they like: a few of each second are written, the others are counted.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Lines per second.
// At 200 bytes a line, 86 MB a day.
const LINES: u64 = 5;
const PERIOD: Duration = Duration::from_secs(1);

/// The lines of one place in the code.
pub struct Sampled {
    state: Mutex<State>,
}

struct State {
    since: Option<Instant>,
    written: u64,
    unlogged: u64,
}

impl Sampled {
    pub const fn new() -> Self {
        Self { state: Mutex::new(State { since: None, written: 0, unlogged: 0 }) }
    }

    /// Returns the number of lines that were left out since the last one, or `None` if this line must be left out too.
    pub fn next(&self) -> Option<u64> {
        self.next_at(Instant::now())
    }

    fn next_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            (state.since, state.written) = (Some(now), 0);
        }
        if state.written < LINES {
            state.written += 1;
            return Some(std::mem::take(&mut state.unlogged));
        }
        state.unlogged += 1;
        None
    }
}

impl Default for Sampled {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_few_lines_and_the_next_one_counts_the_others() {
        let (sampled, start) = (Sampled::new(), Instant::now());
        let written = (0..1_000).filter(|_| sampled.next_at(start).is_some()).count();
        assert_eq!(written as u64, LINES);
        assert_eq!(sampled.next_at(start + PERIOD / 2), None);
        assert_eq!(sampled.next_at(start + PERIOD), Some(1_001 - LINES));
        assert_eq!(sampled.next_at(start + PERIOD), Some(0));
    }
}
