//! A service that is asked to end finishes what it has begun.

use crate::busy::{self, RUNNING};
use futures::future::{join, join_all};
use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use harness_core::stack::Ended;
use mcp_contracts::{Service, env};
use serde_json::json;

pub(crate) const DRAIN: HardeningCheck = HardeningCheck {
    id: "MCP-RES-02",
    title: "a service that gets SIGTERM answers its running calls and exits by itself with 0",
    score: 5.3,
    why: "Every deployment ends processes; a client whose call is cut does not know whether it was carried out, and repeats it.",
    sources: &["OWASP MCP08:2025", "RFC 9110, section 9.2.2", "CWE-460"],
    needs: &[Need::Token, Need::Processes, Need::Service(Service::Guardrails), Need::Service(Service::Orchestrator)],
    how: "Pauses guardrails, so that four workflows of the orchestrator run and wait, and sends SIGTERM to the orchestrator. Every workflow must be answered, its execution must be stored, and the process must exit with 0. Then it starts again.",
    remedy: "Stop accepting, finish what is running within a deadline, then exit.",
    fix_in: &["services/kit/src/serve.rs", "services/kit/src/run.rs"],
    follows: &[],
    lane: Lane::Alone,
    probing: |probe| Box::pin(drain(probe)),
};

async fn drain(probe: &Probe<'_>) -> Result<(), Stop> {
    let (guardrails, part) = (probe.need(Service::Guardrails)?, probe.need(Service::Orchestrator)?);
    let list = |number| HttpRequest::tool("list_executions", &json!({})).bearer(&busy::owner(probe, number).token);
    probe.control(&part, "a request before", &list(0)).await?;
    // The workflows must wait long enough for all of them to run, and end before the deadline of the drain.
    let patient = |deadline| [(env::PEER_DEADLINE_MS, deadline)];
    busy::restart_with(probe, &part, &patient(Some("2000"))).await?;
    probe.stage().pause(&guardrails).await?;
    let calls = (0..RUNNING).map(|number| {
        let (part, ann) = (&part, busy::owner(probe, number));
        async move { probe.send_once(part, &busy::workflow().bearer(&ann.token)).await }
    });
    let calls: Vec<_> = calls.collect();
    let ending = async {
        busy::until_running(probe, &part).await?;
        Ok::<_, Stop>(probe.stage().end(&part).await)
    };
    let (answers, ended) = join(join_all(calls), ending).await;
    probe.stage().resume(&guardrails).await?;
    let ended = match ended {
        Ok(ended) => ended,
        Err(unclear) => {
            busy::restart_with(probe, &part, &patient(None)).await?;
            return Err(unclear);
        }
    };
    // A process that had to be killed is what the check looks for, and no reason to end.
    let exited = ended.is_ok_and(Ended::cleanly);
    probe.stage().reconfigure(&part, &patient(None))?;
    probe.stage().start_again(&part).await?;
    let answered = answers.iter().filter(|answer| answer.has_result()).count();
    let mut stored = 0;
    for number in 0..2 {
        let listed = probe.control(&part, "the executions afterwards", &list(number)).await?;
        stored += listed.structured()["executions"].as_array().map_or(0, Vec::len);
    }
    let signs = [
        ("a running call got no result", answered < RUNNING),
        ("the execution of a running call is not stored", stored < RUNNING),
        ("the process did not exit by itself with 0", !exited),
    ];
    let holds = answered == RUNNING && stored >= RUNNING && exited;
    probe.judge(
        &part,
        &format!("{RUNNING} calls that run at SIGTERM"),
        holds,
        &signs,
        &answers.iter().collect::<Vec<_>>(),
    );
    Ok(())
}
