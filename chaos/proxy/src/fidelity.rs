//! How true the proxy is to what it is told: each promise measured on this machine, from outside, through real sockets. Names what was
//! expected and what was measured; whoever asks decides what follows from it.

mod breaking;
mod chance;
mod ends;
mod timing;

use serde::Serialize;
use std::io;
use std::time::{Duration, Instant};

/// Longest time that all of it takes.
pub const MOST: Duration = Duration::from_secs(15);
/// Longest time for one promise.
const MOST_OF_ONE: Duration = Duration::from_secs(5);

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fidelity {
    /// Its name in reports.
    pub id: &'static str,
    /// What is done.
    pub check: &'static str,
    /// What must come of it.
    pub expected: &'static str,
    /// What did.
    pub measured: String,
    /// Whether that is the same.
    pub holds: bool,
}

/// What a measurement came to.
#[derive(Debug, PartialEq, Eq)]
struct Measured {
    text: String,
    holds: bool,
}

type Outcome = io::Result<Measured>;

/// Measures every promise, one after the other so that none disturbs another; within [`MOST`]. The seed decides the chances.
pub async fn measure(seed: u64) -> Vec<Fidelity> {
    let mut rows = Rows { until: Instant::now() + MOST, rows: Vec::new() };
    rows.add(
        "latency",
        "latency of 100 ms, 20 requests on one connection that was open before",
        "all delayed, p50 of 100 to 110 ms",
        timing::latency(seed),
    )
    .await;
    rows.add(
        "long_reply",
        "latency of 50 ms, a reply of 1 MiB",
        "complete after 50 to 75 ms",
        timing::long_reply(seed),
    )
    .await;
    rows.add(
        "jitter",
        "latency of 10 ms that varies by 50 ms, 20 requests",
        "all answered, none later than 75 ms",
        timing::jitter(seed),
    )
    .await;
    rows.add("bandwidth", "bandwidth of 500 kB/s, a reply of 1 MiB", "475 to 525 kB/s", timing::bandwidth(seed)).await;
    rows.add("reset_open", "reset of 5 connections that were open before", "RST on 5 of 5", breaking::reset_open(seed))
        .await;
    rows.add("reset_new", "reset of 5 new connections", "RST on 5 of 5", breaking::reset_new(seed)).await;
    rows.add(
        "hang",
        "hang of 100 ms on an open connection, then removed",
        "nothing arrives before, the whole reply after",
        timing::hang(seed),
    )
    .await;
    rows.add("limit", "the end after 1,000 bytes", "1,000 bytes, then FIN", breaking::limit(seed)).await;
    rows.add("slow_close", "close 500 ms late", "the reply at once, FIN after 500 to 525 ms", timing::slow_close(seed))
        .await;
    rows.add(
        "seed",
        "reset of half of 40 connections, under a seed, again, and under the next seed",
        "same, same, different",
        chance::seeds(seed),
    )
    .await;
    rows.add(
        "promptness",
        "hang on an open connection under requests, 5 times",
        "acts within 10 ms of the command, ends within 10 ms of the removal",
        timing::promptness(seed),
    )
    .await;
    rows.rows
}

struct Rows {
    until: Instant,
    rows: Vec<Fidelity>,
}

impl Rows {
    async fn add(
        &mut self,
        id: &'static str,
        check: &'static str,
        expected: &'static str,
        measuring: impl Future<Output = Outcome>,
    ) {
        let most = MOST_OF_ONE.min(self.until.saturating_duration_since(Instant::now()));
        let Measured { text, holds } = match tokio::time::timeout(most, Box::pin(measuring)).await {
            Ok(Ok(measured)) => measured,
            Ok(Err(error)) => Measured { text: format!("not to be measured: {error}"), holds: false },
            Err(_) => Measured { text: format!("nothing within {}", ms(most)), holds: false },
        };
        self.rows.push(Fidelity { id, check, expected, measured: text, holds });
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_promise_is_measured_and_those_without_a_clock_hold() {
        let rows = measure(42).await;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(
            ids,
            [
                "latency",
                "long_reply",
                "jitter",
                "bandwidth",
                "reset_open",
                "reset_new",
                "hang",
                "limit",
                "slow_close",
                "seed",
                "promptness"
            ]
        );
        for row in &rows {
            assert!(!row.measured.starts_with("not to be measured"), "{row:?}");
            let by_clock = ["latency", "long_reply", "jitter", "bandwidth", "slow_close", "promptness"];
            assert!(row.holds || by_clock.contains(&row.id), "{row:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_measured_does_not_hold() {
        let mut rows = Rows { until: Instant::now() + MOST, rows: Vec::new() };
        rows.add("a", "", "", async { Err(io::Error::other("no port")) }).await;
        rows.until = Instant::now();
        rows.add("b", "", "", std::future::pending()).await;
        let told: Vec<_> = rows.rows.iter().map(|row| (row.measured.as_str(), row.holds)).collect();
        assert_eq!(told, [("not to be measured: no port", false), ("nothing within 0.0 ms", false)]);
    }
}
