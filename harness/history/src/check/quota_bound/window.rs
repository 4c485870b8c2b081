//! How far calls exceed a limit in windows of a fixed length that follow each other without a gap. The first may begin at any time, so every begin
//! is considered. No I/O.

/// Begin and end of a call, in microseconds. It was counted at some time between them.
pub(super) type CallTimes = (u64, u64);

/// Returns the number of calls beyond `limit`, summed over all windows, for the begin of the windows that explains most. Counts the calls that lie
/// completely within a window, because any other call may belong to its neighbour.
pub(super) fn least_excess(calls: &[CallTimes], window_us: u64, limit: u64) -> u64 {
    let (window, limit) = (window_us.max(1).cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX));
    // A call lies within the window that begins at `s` if `s <= invoke` and `complete < s + window`.
    let mut edges: Vec<(i64, i64)> = Vec::with_capacity(calls.len() * 2);
    for (invoke_us, complete_us) in calls {
        let (first, last) = (complete_us.cast_signed() - window + 1, invoke_us.cast_signed());
        if first <= last {
            edges.extend([(first, 1), (last + 1, -1)]);
        }
    }
    edges.sort_unstable();
    let (mut within, mut since) = (0, 0);
    let mut sum = Sum { window, always: 0, changes: Vec::new() };
    for (at, change) in edges {
        if within > limit {
            sum.add(since, at, within - limit);
        }
        within += change;
        since = at;
    }
    sum.least().unsigned_abs()
}

/// The excess of all windows together, by the begin of the first window.
struct Sum {
    window: i64,
    /// Excess that every begin has.
    always: i64,
    /// Changes of the excess from one begin to the next.
    changes: Vec<(i64, i64)>,
}

impl Sum {
    /// Adds an excess of each window that begins from `from` on and before `until`.
    fn add(&mut self, from: i64, until: i64, excess: i64) {
        self.always += excess * ((until - from) / self.window);
        let from_begin = from.rem_euclid(self.window);
        let until_begin = from_begin + (until - from) % self.window;
        self.changes.extend([(from_begin, excess), (until_begin, -excess)]);
        if until_begin > self.window {
            // What is beyond the last begin belongs to the first ones.
            self.changes.extend([(0, excess), (until_begin - self.window, -excess)]);
        }
    }

    fn least(mut self) -> i64 {
        self.changes.sort_unstable();
        let (mut sum, mut least) = (0, i64::MAX);
        if self.changes.first().is_none_or(|(begin, _)| *begin > 0) {
            least = 0;
        }
        for at_once in self.changes.chunk_by(|one, other| one.0 == other.0) {
            sum += at_once.iter().map(|(_, change)| change).sum::<i64>();
            if at_once[0].0 < self.window {
                least = least.min(sum);
            }
        }
        self.always + least
    }
}
