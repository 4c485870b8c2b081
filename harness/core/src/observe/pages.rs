//! The metrics of the services once a second, as Prometheus would scrape them: `infra/observe/replay` turns them into series and evaluates the alerts on
//! them. No check reads them.

use super::PERIOD;
use crate::observe::clock::monotonic_us;
use crate::plan::run_dir;
use crate::stack::RunningPart;
use futures::future::join_all;
use mcp_contracts::service::METRICS_PATH;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deadline of a scrape. Shorter than the period, so that a part that hangs delays no scrape of the others.
const SCRAPE_DEADLINE: Duration = Duration::from_millis(800);
/// Maximum number of series of a part; further ones are not recorded.
const MAX_SERIES: usize = 20_000;

/// One scrape of one part: a line of `metrics/pages.jsonl`.
#[derive(Debug, PartialEq, Serialize)]
struct Scrape<'a> {
    /// Time of the run's clock, in microseconds.
    at_us: u64,
    /// Name of the part.
    part: &'a str,
    /// False if the part did not answer with its metrics.
    up: bool,
    /// The series whose value is another one than in the last scrape of the part that succeeded, such as
    /// `mcp_outbox_depth` or `mcp_tool_calls_total{service="memory",…}`, each with its value. A whole page has hundreds of series, and most never change.
    changed: BTreeMap<String, String>,
}

/// Scrapes every service once a second until `stop`.
///
/// # Errors
/// The file cannot be written.
pub async fn pages(
    run_dir: &Path,
    epoch_us: u64,
    parts: &[RunningPart],
    stop: &CancellationToken,
) -> std::io::Result<()> {
    let folder = run_dir.join(run_dir::METRICS);
    std::fs::create_dir_all(&folder)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join(run_dir::PAGES))?);
    // One client for all scrapes, because creating one costs more than a scrape.
    let client =
        reqwest::Client::builder().no_proxy().timeout(SCRAPE_DEADLINE).build().map_err(std::io::Error::other)?;
    // A stack that the harness did not start has neither, and has a Prometheus of its own.
    let is_own = |part: &&RunningPart| part.pid.is_some() || part.container.is_some();
    let services: Vec<&RunningPart> = parts.iter().filter(|part| part.kind.serves_clients()).filter(is_own).collect();
    let mut last: Vec<BTreeMap<String, String>> = vec![BTreeMap::new(); services.len()];
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return file.flush(),
        }
        let at_us = monotonic_us().saturating_sub(epoch_us);
        let scraped = join_all(services.iter().map(|part| scrape(&client, &part.url))).await;
        for ((part, page), last) in services.iter().zip(scraped).zip(&mut last) {
            let up = page.is_some();
            let changed = page.map(|page| changes(last, &page)).unwrap_or_default();
            serde_json::to_writer(&mut file, &Scrape { at_us, part: &part.name, up, changed })?;
            file.write_all(b"\n")?;
        }
    }
}

async fn scrape(client: &reqwest::Client, url: &str) -> Option<String> {
    let reply = client.get(format!("{url}{METRICS_PATH}")).send().await.ok()?;
    reply.error_for_status().ok()?.text().await.ok()
}

/// Returns the series of a page whose value is not that in `last`, and makes `last` the values of the page.
fn changes(last: &mut BTreeMap<String, String>, page: &str) -> BTreeMap<String, String> {
    let mut changed = BTreeMap::new();
    let samples = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    for (series, value) in samples.take(MAX_SERIES) {
        if last.get(series).is_none_or(|last| last != value) {
            changed.insert(series.to_owned(), value.to_owned());
            last.insert(series.to_owned(), value.to_owned());
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::changes;
    use std::collections::BTreeMap;

    #[test]
    fn a_scrape_has_the_series_that_changed_since_the_last_one() {
        let mut last = BTreeMap::new();
        let first = changes(&mut last, "# TYPE a counter\na{b=\"c d\"} 1\nd 0\n\n");
        assert_eq!(first, [("a{b=\"c d\"}", "1"), ("d", "0")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        let second = changes(&mut last, "a{b=\"c d\"} 2\nd 0\n");
        assert_eq!(second, [("a{b=\"c d\"}".to_owned(), "2".to_owned())].into());
        assert_eq!(changes(&mut last, "a{b=\"c d\"} 2\nd 0\n"), BTreeMap::new());
        // A restarted service counts from 0 again.
        assert_eq!(changes(&mut last, "a{b=\"c d\"} 0\nd 0\n").len(), 1);
    }
}
