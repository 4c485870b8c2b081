//! Calls that run for a while: workflows of the orchestrator while guardrails are paused.

use harness_core::drive::hardening::{Caller, HttpRequest, Probe, Stop};
use mcp_contracts::metric;
use serde_json::json;
use std::time::Duration;

/// Number of workflows that run at the same time.
pub(crate) const RUNNING: usize = 4;
/// Deadline for all of them to run.
const BEGUN: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(10);

/// Returns the user of a workflow. Several organisations, because one may not fill a service.
pub(crate) fn owner(probe: &Probe<'_>, number: usize) -> Caller {
    probe.user("ann", if number.is_multiple_of(2) { "acme" } else { "zeta" })
}

pub(crate) fn workflow() -> HttpRequest {
    let text = "10:02 UTC release 4.1 went out\n10:05 UTC alert: errors at 40 %";
    HttpRequest::tool(
        "run_workflow",
        &json!({ "agent": "general", "action": "answer", "intent": "explain the release", "text": text }),
    )
}

/// Waits until all workflows run.
pub(crate) async fn until_running(probe: &Probe<'_>, part: &str) -> Result<(), Stop> {
    let mut waited = Duration::ZERO;
    loop {
        // On a busy machine a page may be late; the next one counts.
        let running = probe.stage().metric(part, metric::REQUESTS_IN_FLIGHT, &[]).await.unwrap_or_default();
        if running > RUNNING as f64 - 0.5 {
            return Ok(());
        }
        if waited >= BEGUN {
            return Err(Stop::Unclear("the workflows did not run at the same time".to_owned()));
        }
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
}

/// Ends a part in order and starts it again with these settings. A part that has ended already, or had to be killed, is started as well.
pub(crate) async fn restart_with(probe: &Probe<'_>, part: &str, settings: &[(&str, Option<&str>)]) -> Result<(), Stop> {
    let _ = probe.stage().end(part).await;
    probe.stage().reconfigure(part, settings)?;
    Ok(probe.stage().start_again(part).await?)
}
