//! Without guardrails nothing is injected and nothing risky is done: low and medium risk goes on degraded, high and critical is blocked until
//! they are back, and each time is a violation in log and metrics. That nobody asked for a pattern is shown by the patterns service itself.

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Actor, Broken, Scenario, Stage};
use mcp_contracts::guardrails::{ActionKind, Severity};
use mcp_contracts::{Service, metric};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "guardrail-fallback",
    "without guardrails no pattern is injected, nothing risky is done, and every time is a violation",
    patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared"]);

const UNHEARD: &str = "guardrail_unavailable";

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let part = |service| stage.instances(service)[0].clone();
    let (guardrails, orchestrator, patterns) =
        (part(Service::Guardrails), part(Service::Orchestrator), part(Service::Patterns));
    let mut ann = stage.user("ann", "acme");
    let _ = completes(&mut ann, "with guardrails a workflow is complete and has a pattern").await.or_stop()?;
    let asked = stage.metric(&patterns, metric::PATTERN_INJECTIONS_TOTAL, &[]).await?;
    stage.expect("patterns counts that injection", asked >= 1.0, asked, &[]);
    let mark = stage.log_mark(&orchestrator).await?;

    stage.kill(&guardrails).await?;
    let mut unheard = BTreeMap::new();
    for action in ActionKind::ALL {
        let execution = run(&mut ann, action).await;
        unheard.insert(execution, action.risk());
    }
    let after = stage.metric(&patterns, metric::PATTERN_INJECTIONS_TOTAL, &[]).await?;
    let seen = format!("{asked} before, {after} after");
    stage.expect("patterns was asked for no injection meanwhile", (after - asked).abs() < 0.5, seen, &[]);
    violations(stage, &orchestrator, mark, &unheard).await?;
    let named = async || fallbacks(stage, &orchestrator).await.contains(&"guardrails".to_owned()).then_some(());
    stage.until("the orchestrator says that it goes without guardrails, and stays ready", RECOVERY, named).await;

    stage.start_again(&guardrails).await?;
    recovers(stage, &mut ann, &orchestrator, "with guardrails back").await;
    let retried = ann.call("run_workflow", keyed(ActionKind::Commit)).await;
    let _ = retried.gives("what was blocked is done when it is asked for again, with the same key", |reply| {
        reply["status"] == "completed" && reply["pattern"]["verdictId"].is_string()
    });
    Ok(())
}

fn keyed(action: ActionKind) -> Value {
    let mut arguments = workflow("general", action.name(), "checkout");
    arguments["idempotencyKey"] = json!(format!("{}-1", action.name()));
    arguments
}

/// One workflow that nobody can judge; answers the id of its execution.
async fn run(ann: &mut Actor<'_>, action: ActionKind) -> String {
    let reply = ann.call("run_workflow", keyed(action)).await;
    let unheard = |reply: &Value| {
        reply["reasons"] == json!([UNHEARD])
            && reply["pattern"].is_null()
            && reply["verdict"].is_null()
            && step(reply, "guardrails")["source"] == "none"
    };
    let name = action.name();
    let reply = match action.risk() {
        Severity::Low | Severity::Medium => {
            reply.gives(&format!("`{name}` goes on, says that it is degraded, and has no pattern"), |reply| {
                unheard(reply)
                    && reply["status"] == "degraded"
                    && reply["artefact"]["markdown"].is_string()
                    && trail(reply)
                        == "guardrails fallback, memory ok, select_pattern ok, inject_pattern skipped, execute ok, \
                            log_usage skipped, remember ok"
            })
        }
        Severity::High | Severity::Critical => {
            reply.gives(&format!("`{name}` is blocked, may be tried again, and nothing was done"), |reply| {
                unheard(reply)
                    && reply["status"] == "blocked"
                    && reply["retryable"] == true
                    && reply["artefact"].is_null()
                    && trail(reply)
                        == "guardrails fallback, memory skipped, select_pattern skipped, inject_pattern skipped, \
                            execute skipped, log_usage skipped, remember skipped"
            })
        }
    };
    reply.text("executionId")
}

/// Every execution is one violation in the log, as severe as its action is risky, and counted as that.
async fn violations(
    stage: &Stage<'_>,
    part: &str,
    mark: usize,
    unheard: &BTreeMap<String, Severity>,
) -> Result<(), Broken> {
    let expected: BTreeMap<(String, String), usize> =
        unheard.iter().map(|(execution, severity)| ((execution.clone(), severity.name().to_owned()), 1)).collect();
    let logged = async || {
        let lines = stage.log_since(part, mark).await.ok()?;
        let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["violation"] == UNHEARD) {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            *found.entry((text("executionId"), text("severity"))).or_default() += 1;
        }
        (found == expected).then_some(())
    };
    stage.until("each of them is one violation in the log, with its severity", RECOVERY, logged).await;
    for severity in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
        let name = severity.name();
        let expected = unheard.values().filter(|other| **other == severity).count() as f64;
        let counted = stage.metric(part, metric::GUARDRAIL_FAIL_CLOSED_TOTAL, &[("severity", name)]).await?;
        let seen = format!("{counted} counted, {expected} made");
        stage.expect(&format!("and counted as {name}"), (counted - expected).abs() < 0.5, seen, &[]);
    }
    Ok(())
}
