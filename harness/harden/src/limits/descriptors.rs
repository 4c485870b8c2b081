//! Connections leave nothing behind in a service.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use std::time::Duration;

/// Number of connections, each with one request.
const CONNECTIONS: usize = 100;
/// Open files that may remain, such as idle connections to Redis.
const TOLERATED: usize = 20;
/// Time for the service to close the connections.
const SETTLES: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// Time without a closed file after which the number counts.
const STEADY: Duration = Duration::from_millis(500);

pub(crate) const DESCRIPTORS: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-10",
    title: "a service keeps no open file of connections that have ended",
    score: 5.3,
    why: "If each connection leaves a file open, the service fails after a few thousand connections, even if no client is malicious.",
    sources: &["OWASP API4:2023", "CWE-772", "CWE-775"],
    needs: &[Need::Processes],
    how: "Counts the open files of each process, makes 100 connections with a request each, and counts again after they have ended. The number must return to what it was.",
    remedy: "Give every connection and file an owner that closes it.",
    fix_in: &["services/kit/src/serve.rs"],
    follows: &[],
    lane: Lane::Alone,
    probing: |probe| Box::pin(descriptors(probe)),
};

/// Returns the number of open files when it no longer falls. Connections of earlier checks may still be closing, and as many that leak would be hidden.
async fn settled(count: impl Fn() -> Option<usize>) -> Option<usize> {
    let (mut least, mut since) = (count()?, Duration::ZERO);
    while since < STEADY {
        tokio::time::sleep(PAUSE).await;
        let now = count()?;
        since = if now < least { Duration::ZERO } else { since + PAUSE };
        least = least.min(now);
    }
    Some(least)
}

async fn descriptors(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a request", &request).await?;
        let count = || probe.stage().open_files(&part);
        let Some(before) = settled(count).await else {
            return Err(Stop::Unclear(format!("the process of `{part}` is not visible on this machine")));
        };
        let (mut last, mut made) = (None, 0);
        for _ in 0..CONNECTIONS {
            let answer = probe.send(&part, &request).await;
            made += usize::from(answer.has_result());
            last = Some(answer);
        }
        let (mut waited, mut after) = (Duration::ZERO, count().unwrap_or(usize::MAX));
        while after > before + TOLERATED && waited < SETTLES {
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
            after = count().unwrap_or(usize::MAX);
        }
        let remain = after.saturating_sub(before);
        let signs = [
            ("more files are open than before", remain > TOLERATED),
            ("their number grows with that of the connections", remain > CONNECTIONS / 2),
        ];
        let answers: Vec<_> = last.iter().collect();
        // Connections that the service refused leave nothing behind in any service.
        let holds = remain <= TOLERATED && made == CONNECTIONS;
        probe.judge(&part, &format!("{CONNECTIONS} connections"), holds, &signs, &answers);
    }
    Ok(())
}
