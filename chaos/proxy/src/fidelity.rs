//! Measures how exactly the proxy applies its rules on this machine, through real sockets. Each row has the expected
//! and the measured values. The caller decides about rows that do not hold.

mod breaking;
mod chance;
mod endpoints;
mod timing;

use serde::Serialize;
use std::io;
use std::time::{Duration, Instant};

pub const TOTAL_DEADLINE: Duration = Duration::from_secs(15);
// A measurement whose promise holds takes at most about 2.1 s: 1 MiB at 500 kB/s.
const MEASUREMENT_DEADLINE: Duration = Duration::from_secs(5);

/// A promise of the proxy, and its measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fidelity {
    pub id: &'static str,
    pub check: &'static str,
    pub expected: &'static str,
    pub measured: String,
    pub holds: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Measured {
    text: String,
    holds: bool,
}

type Outcome = io::Result<Measured>;

/// Measures every promise within [`TOTAL_DEADLINE`], one after the other, so that none disturbs another.
pub async fn measure(seed: u64) -> Vec<Fidelity> {
    let mut rows = Rows { deadline: Instant::now() + TOTAL_DEADLINE, rows: Vec::new() };
    rows.add(
        "latency",
        "latency of 100 ms, 20 requests on a connection opened before the rule",
        "all delayed, p50 from 100 to 110 ms",
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
        "latency of 10 ms with a jitter of 50 ms, 20 requests",
        "all answered, none later than 75 ms",
        timing::jitter(seed),
    )
    .await;
    rows.add("bandwidth", "bandwidth of 500 kB/s, a reply of 1 MiB", "475 to 525 kB/s", timing::bandwidth(seed)).await;
    rows.add(
        "reset_open",
        "reset of 5 connections opened before the rule",
        "RST on 5 of 5",
        breaking::reset_open(seed),
    )
    .await;
    rows.add("reset_new", "reset of 5 new connections", "RST on 5 of 5", breaking::reset_new(seed)).await;
    rows.add(
        "hang",
        "hang of 100 ms on an open connection, then removed",
        "nothing arrives before the removal, the whole reply after it",
        timing::hang(seed),
    )
    .await;
    rows.add("limit", "truncation after 1,000 bytes", "1,000 bytes, then FIN", breaking::limit(seed)).await;
    rows.add(
        "slow_close",
        "slow close of 500 ms",
        "the reply at once, FIN after 500 to 525 ms",
        timing::slow_close(seed),
    )
    .await;
    rows.add(
        "seed",
        "reset of half of 40 connections: with a seed, with the same seed, with the next seed",
        "same, same, different",
        chance::seeds(seed),
    )
    .await;
    rows.add(
        "promptness",
        "hang on a connection with requests in progress, 5 times",
        "acts within 10 ms of the command, ends within 10 ms of the removal",
        timing::promptness(seed),
    )
    .await;
    rows.rows
}

struct Rows {
    deadline: Instant,
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
        let deadline = MEASUREMENT_DEADLINE.min(self.deadline.saturating_duration_since(Instant::now()));
        // A measurement that fails proves nothing, so its promise does not hold.
        let Measured { text, holds } = match tokio::time::timeout(deadline, Box::pin(measuring)).await {
            Ok(Ok(measured)) => measured,
            Ok(Err(error)) => Measured { text: format!("could not be measured: {error}"), holds: false },
            Err(_) => Measured { text: format!("no result within {}", ms(deadline)), holds: false },
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
    async fn every_promise_is_measured_and_promises_without_timing_hold() {
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
            assert!(!row.measured.starts_with("could not be measured"), "{row:?}");
            let timed = ["latency", "long_reply", "jitter", "bandwidth", "slow_close", "promptness"];
            assert!(row.holds || timed.contains(&row.id), "{row:?}");
        }
    }

    #[tokio::test]
    async fn a_failed_measurement_does_not_hold() {
        let mut rows = Rows { deadline: Instant::now() + TOTAL_DEADLINE, rows: Vec::new() };
        rows.add("a", "", "", async { Err(io::Error::other("no port")) }).await;
        rows.deadline = Instant::now();
        rows.add("b", "", "", std::future::pending()).await;
        let results: Vec<_> = rows.rows.iter().map(|row| (row.measured.as_str(), row.holds)).collect();
        assert_eq!(results, [("could not be measured: no port", false), ("no result within 0.0 ms", false)]);
    }
}
