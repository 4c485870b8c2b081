//! Promises about time: delays, rates and durations. The judgements are pure functions without a clock.

use super::endpoints::{Client, MeasuredEdge};
use super::{Measured, Outcome, ms};
use crate::toxic::{Bandwidth, Hang, Latency, SlowClose, Toxic};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

const REQUESTS: usize = 20;
const LONG: usize = 1 << 20;
/// A hang must hold the reply back for at least this time.
const SILENCE: Duration = Duration::from_millis(100);
/// A request without a reply for this time hangs.
const HANGING: Duration = Duration::from_millis(60);
const TURNS: usize = 5;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn latency_of(delay: u64, jitter: u64) -> Toxic {
    Toxic::Latency(Latency { delay: millis(delay), jitter: millis(jitter) })
}

pub(super) async fn latency(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    // A pooled connection is open before the fault; some proxies apply a toxic only to the first traffic of a connection.
    client.ping().await?;
    let _guard = edge.add(latency_of(100, 0))?;
    Ok(judge_latency(&pings(&mut client).await?))
}

fn judge_latency(times: &[Duration]) -> Measured {
    let delayed = times.iter().filter(|time| **time >= millis(100)).count();
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let text = format!("{delayed} of {} delayed, p50 {}", times.len(), ms(median));
    Measured { text, holds: delayed == times.len() && (millis(100)..=millis(110)).contains(&median) }
}

pub(super) async fn long_reply(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    client.ping().await?;
    let _guard = edge.add(latency_of(50, 0))?;
    Ok(judge_long_reply(long(&mut client).await?))
}

fn judge_long_reply(took: Duration) -> Measured {
    Measured { text: ms(took), holds: (millis(50)..=millis(75)).contains(&took) }
}

pub(super) async fn jitter(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    client.ping().await?;
    let _guard = edge.add(latency_of(10, 50))?;
    Ok(judge_jitter(&pings(&mut client).await?))
}

fn judge_jitter(times: &[Duration]) -> Measured {
    let longest = times.iter().max().copied().unwrap_or_default();
    let text = format!("{} of {REQUESTS} answered, the latest after {}", times.len(), ms(longest));
    Measured { text, holds: times.len() == REQUESTS && longest <= millis(75) }
}

pub(super) async fn bandwidth(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    client.ping().await?;
    let _guard = edge.add(Toxic::Bandwidth(Bandwidth { bytes_per_second: 500_000 }))?;
    Ok(judge_bandwidth(long(&mut client).await?))
}

fn judge_bandwidth(took: Duration) -> Measured {
    let rate = LONG as f64 / 1e3 / took.as_secs_f64();
    Measured { text: format!("{rate:.0} kB/s"), holds: (475.0..=525.0).contains(&rate) }
}

pub(super) async fn hang(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    client.ping().await?;
    let guard = edge.add(Toxic::Hang(Hang {}))?;
    client.request(2, 0).await?;
    if tokio::time::timeout(SILENCE, client.read_reply(2)).await.is_ok() {
        return Ok(Measured { text: "the reply arrived while the rule was active".to_owned(), holds: false });
    }
    guard.remove();
    Ok(match client.read_reply(2).await {
        Ok(()) => {
            client.ping().await?;
            Measured { text: "nothing before the removal, then the whole reply and the next".to_owned(), holds: true }
        }
        Err(error) => Measured { text: format!("the reply never arrived: {error}"), holds: false },
    })
}

pub(super) async fn slow_close(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    let _guard = edge.add(Toxic::SlowClose(SlowClose { delay: millis(500) }))?;
    let start = Instant::now();
    client.ping().await?;
    let replied = start.elapsed();
    let start = Instant::now();
    client.socket.shutdown().await?;
    let (_, in_order) = client.read_to_end().await;
    Ok(judge_slow_close(replied, start.elapsed(), in_order))
}

fn judge_slow_close(replied: Duration, closed: Duration, in_order: bool) -> Measured {
    let ending = if in_order { "FIN" } else { "RST" };
    let text = format!("the reply after {}, {ending} after {}", ms(replied), ms(closed));
    Measured { text, holds: in_order && replied < millis(100) && (millis(500)..=millis(525)).contains(&closed) }
}

pub(super) async fn promptness(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut client = edge.client().await?;
    let (mut acts, mut ends) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TURNS {
        client.ping().await?;
        let (mut last, start) = (Duration::ZERO, Instant::now());
        let guard = edge.add(Toxic::Hang(Hang {}))?;
        loop {
            client.request(2, 0).await?;
            match tokio::time::timeout(HANGING, client.read_reply(2)).await {
                Ok(reply) => reply?,
                Err(_) => break,
            }
            last = start.elapsed();
        }
        acts = acts.max(last);
        let start = Instant::now();
        guard.remove();
        // The reply to the request that hung above.
        client.read_reply(2).await?;
        ends = ends.max(start.elapsed());
    }
    Ok(judge_promptness(acts, ends))
}

fn judge_promptness(acts: Duration, ends: Duration) -> Measured {
    let text = format!("last reply {} after the command, first reply {} after the removal", ms(acts), ms(ends));
    Measured { text, holds: acts <= millis(10) && ends <= millis(10) }
}

async fn pings(client: &mut Client) -> io::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let start = Instant::now();
        client.ping().await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

async fn long(client: &mut Client) -> io::Result<Duration> {
    let start = Instant::now();
    client.request(LONG, 0).await?;
    client.read_reply(LONG).await?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_of_only_the_first_request_does_not_hold() {
        let mut times = vec![millis(101); REQUESTS];
        assert_eq!(judge_latency(&times), Measured { text: "20 of 20 delayed, p50 101.0 ms".into(), holds: true });
        times[1..].fill(Duration::from_micros(100));
        assert_eq!(judge_latency(&times), Measured { text: "1 of 20 delayed, p50 0.1 ms".into(), holds: false });
        assert!(!judge_latency(&[millis(111); REQUESTS]).holds);
    }

    #[test]
    fn a_delay_for_each_piece_of_a_reply_does_not_hold() {
        assert!(judge_long_reply(millis(52)).holds);
        assert!(!judge_long_reply(millis(2_311)).holds && !judge_long_reply(millis(49)).holds);
    }

    #[test]
    fn missing_or_late_replies_do_not_hold() {
        assert!(judge_jitter(&[millis(60); REQUESTS]).holds);
        assert!(!judge_jitter(&[millis(60); REQUESTS - 1]).holds && !judge_jitter(&[millis(76); REQUESTS]).holds);
    }

    #[test]
    fn a_rate_a_third_below_does_not_hold() {
        assert_eq!(judge_bandwidth(millis(2_100)), Measured { text: "499 kB/s".into(), holds: true });
        assert!(!judge_bandwidth(millis(3_300)).holds && !judge_bandwidth(millis(50)).holds);
    }

    #[test]
    fn an_early_close_or_a_reset_does_not_hold() {
        assert!(judge_slow_close(millis(1), millis(501), true).holds);
        assert!(!judge_slow_close(millis(1), millis(501), false).holds);
        assert!(!judge_slow_close(millis(1), millis(1), true).holds);
        assert!(!judge_slow_close(millis(500), millis(501), true).holds);
    }

    #[test]
    fn a_rule_that_acts_or_ends_late_does_not_hold() {
        assert!(judge_promptness(millis(1), millis(10)).holds);
        assert!(!judge_promptness(millis(11), millis(1)).holds && !judge_promptness(millis(1), millis(11)).holds);
    }
}
