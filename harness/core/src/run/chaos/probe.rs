//! Probes `/healthz` and `/readyz` of every service ten times a second while an experiment runs.

use crate::observe::clock::monotonic_us;
use crate::stack::Stack;
use harness_history::experiment::Probe;
use mcp_contracts::service::{HEALTHZ_PATH, READYZ_PATH, Readiness};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_millis(500);

/// Probes until the run is over.
pub(super) async fn watch(stack: &Stack, epoch_us: u64, over: &CancellationToken) -> Vec<Probe> {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build() else { return Vec::new() };
    let parts = stack.parts().into_iter().filter(|part| part.kind.service().is_some());
    let looking = parts.map(|part| probe_part(client.clone(), stack, part.name, epoch_us, over));
    let mut probes: Vec<Probe> = futures::future::join_all(looking).await.into_iter().flatten().collect();
    probes.sort_by_key(|probe| probe.sent_us);
    probes
}

async fn probe_part(
    client: reqwest::Client,
    stack: &Stack,
    name: String,
    epoch_us: u64,
    over: &CancellationToken,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut tick = tokio::time::interval(EVERY);
    // A probe that waited for its deadline must not be followed by a burst of the probes that it delayed.
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = over.cancelled() => return probes,
            _ = tick.tick() => {}
        }
        let Some(part) = stack.part(&name) else { return probes };
        let sent_us = monotonic_us().saturating_sub(epoch_us);
        let (live, ready) = tokio::join!(
            get(&client, format!("{}{HEALTHZ_PATH}", part.url)),
            get(&client, format!("{}{READYZ_PATH}", part.url))
        );
        let degraded = ready.as_ref().and_then(|(_, text)| serde_json::from_str::<Readiness>(text).ok());
        probes.push(Probe {
            part: name.clone(),
            sent_us,
            answered_us: monotonic_us().saturating_sub(epoch_us),
            live: live.map(|(status, _)| status),
            ready: ready.map(|(status, _)| status),
            degraded: degraded.is_some_and(|reply| reply.degraded),
        });
    }
}

async fn get(client: &reqwest::Client, url: String) -> Option<(u16, String)> {
    let reply = client.get(url).send().await.ok()?;
    let status = reply.status().as_u16();
    Some((status, reply.text().await.ok()?))
}
