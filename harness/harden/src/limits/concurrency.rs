//! Requests above the number that a service answers at the same time.

use crate::busy::{self, RUNNING};
use futures::future::{join, join_all};
use harness_core::drive::hardening::{Answer, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Service, env};
use serde_json::json;
use std::cell::Cell;

/// Requests beyond the limit.
const BEYOND: usize = 12;

pub(crate) const CONCURRENCY: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-07",
    title: "a request above the limit on concurrent requests is refused at once with `Retry-After`, and nothing waits for ever",
    score: 6.5,
    why: "A queue without bound makes every client wait until all have given up, and a load balancer never learns that another instance is free.",
    sources: &["OWASP API4:2023", "RFC 9110, section 10.2.3", "CWE-770", "CWE-400"],
    needs: &[Need::Token, Need::Processes, Need::Service(Service::Guardrails), Need::Service(Service::Orchestrator)],
    how: "Starts the orchestrator with four places, pauses guardrails, and fills the places with workflows, which then wait. Twelve more requests must get 429 or 503 with `Retry-After` before a workflow has ended. Afterwards every workflow must be answered, and a request must be admitted.",
    remedy: "Count running requests, and refuse above the limit instead of queueing.",
    fix_in: &["services/kit/src/mcp/request_capacity.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(concurrency(probe)),
};

async fn concurrency(probe: &Probe<'_>) -> Result<(), Stop> {
    let (guardrails, part) = (probe.need(Service::Guardrails)?, probe.need(Service::Orchestrator)?);
    let places = RUNNING.to_string();
    let few = [
        (env::MAX_CONCURRENT_REQUESTS, Some(places.as_str())),
        (env::PEER_DEADLINE_MS, Some("8000")),
        (env::WORKFLOW_DEADLINE_MS, Some("9500")),
    ];
    busy::restart_with(probe, &part, &few).await?;
    let judged = async {
        probe.stage().pause(&guardrails).await?;
        let filled = fill(probe, &part).await;
        // They are running already, unless the places were not filled.
        let _ = probe.stage().resume(&guardrails).await;
        filled
    }
    .await;
    busy::restart_with(probe, &part, &few.map(|(name, _)| (name, None))).await?;
    judged
}

/// Fills the places, and makes requests beyond them while they are full.
async fn fill(probe: &Probe<'_>, part: &str) -> Result<(), Stop> {
    let ended = Cell::new(0);
    let running = async {
        let ended = &ended;
        let calls = (0..RUNNING).map(|number| async move {
            let ann = busy::owner(probe, number);
            let answer = probe.send_once(part, &busy::workflow().bearer(&ann.token)).await;
            ended.set(ended.get() + 1);
            answer
        });
        join_all(calls.collect::<Vec<_>>()).await
    };
    let beyond = async {
        busy::until_running(probe, part).await?;
        let gus = probe.user("gus", "gamma");
        let list = HttpRequest::tool("list_executions", &json!({})).bearer(&gus.token);
        // A running request takes its place a moment after it is counted.
        for _ in 0..BEYOND {
            if !probe.send_once(part, &list).await.has_result() {
                break;
            }
        }
        let mut refused = Vec::new();
        for _ in 0..BEYOND {
            let answer = probe.send_once(part, &list).await;
            refused.push((ended.get() == 0, answer));
        }
        // The workflows may end now.
        let guardrails = probe.need(Service::Guardrails)?;
        probe.stage().resume(&guardrails).await?;
        Ok::<_, Stop>(refused)
    };
    let (answers, refused) = join(running, beyond).await;
    for (number, (in_time, answer)) in refused?.iter().enumerate() {
        expect_refusal(probe, part, number, *in_time, answer);
    }
    let lost = answers.iter().filter(|answer| answer.status.is_none()).count();
    let signs =
        [("a request that was admitted got no reply", lost > 0), ("none of them got a reply", lost == answers.len())];
    probe.judge(
        part,
        "the requests that filled the places",
        lost == 0,
        &signs,
        &answers.iter().take(2).collect::<Vec<_>>(),
    );
    let gus = probe.user("gus", "gamma");
    let list = HttpRequest::tool("list_executions", &json!({})).bearer(&gus.token);
    probe.control(part, "a request after the others", &list).await?;
    Ok(())
}

fn expect_refusal(probe: &Probe<'_>, part: &str, number: usize, in_time: bool, answer: &Answer) {
    let refused = answer.has_status(429) || answer.has_status(503);
    let wait = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    let named = wait.is_some_and(|seconds| seconds > 0);
    let signs = [
        ("the status is neither 429 nor 503", !refused),
        ("no `Retry-After` names a time", !named),
        ("it was answered only after a running request had ended", !in_time),
    ];
    probe.judge(
        part,
        &format!("request {} above the limit", number + 1),
        refused && named && in_time,
        &signs,
        &[answer],
    );
}
