//! While guardrails are down, no pattern is injected and no risky action runs. Actions of low and medium risk continue degraded; actions of high
//! and critical risk are blocked until guardrails are back. Each execution without a verdict is logged and counted as a violation. The metrics
//! of the patterns service prove that no injection was requested.

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use mcp_contracts::guardrails::{ActionKind, Severity};
use mcp_contracts::{Service, metric};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "guardrail-fallback",
    "without guardrails no pattern is injected, risky actions are blocked, and each is logged as a violation",
    patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared"]);

const REASON: &str = "guardrail_unavailable";

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let part = |service| stage.instances(service)[0].clone();
    let (guardrails, orchestrator, patterns) =
        (part(Service::Guardrails), part(Service::Orchestrator), part(Service::Patterns));
    let mut ann = stage.user("ann", "acme");
    let _ = completes(&mut ann, "with guardrails a workflow completes with a pattern").await.or_stop()?;
    let before = stage.metric(&patterns, metric::PATTERN_INJECTIONS_TOTAL, &[]).await?;
    stage.expect("patterns counts the injection", before >= 1.0, before, &[]);
    let mark = stage.log_mark(&orchestrator).await?;

    stage.kill(&guardrails).await?;
    let mut unjudged = BTreeMap::new();
    for action in ActionKind::ALL {
        let execution = run(&mut ann, action).await;
        // Keyed by execution, because the log identifies each violation by its execution.
        unjudged.insert(execution, action.risk());
    }
    let after = stage.metric(&patterns, metric::PATTERN_INJECTIONS_TOTAL, &[]).await?;
    // A difference below one half means equal counts: metrics are floating-point numbers that count whole injections.
    let details = format!("{before} before, {after} after");
    stage.expect(
        "no injection was requested from patterns during the outage",
        (after - before).abs() < 0.5,
        details,
        &[],
    );
    violations(stage, &orchestrator, mark, &unjudged).await?;
    let reported = async || fallbacks(stage, &orchestrator).await.contains(&"guardrails".to_owned()).then_some(());
    stage.wait_until("the orchestrator reports the fallback for guardrails and stays ready", RECOVERY, reported).await;

    stage.start_again(&guardrails).await?;
    recovers(stage, &mut ann, &orchestrator, "with guardrails back").await;
    let retried = ann.call("run_workflow", keyed(ActionKind::Commit)).await;
    let _ = retried.expect_result("a blocked workflow completes when it is repeated with the same key", |reply| {
        reply["status"] == "completed" && reply["pattern"]["verdictId"].is_string()
    });
    Ok(())
}

fn keyed(action: ActionKind) -> Value {
    let mut arguments = workflow("general", action.name(), "checkout");
    arguments["idempotencyKey"] = json!(format!("{}-1", action.name()));
    arguments
}

/// Runs a workflow while guardrails are down, and returns the id of its execution.
async fn run(ann: &mut Actor<'_>, action: ActionKind) -> String {
    let reply = ann.call("run_workflow", keyed(action)).await;
    let unjudged = |reply: &Value| {
        reply["reasons"] == json!([REASON])
            && reply["pattern"].is_null()
            && reply["verdict"].is_null()
            && step(reply, "guardrails")["source"] == "none"
    };
    let name = action.name();
    let reply = match action.risk() {
        Severity::Low | Severity::Medium => {
            reply.expect_result(&format!("`{name}` continues degraded, without a pattern"), |reply| {
                unjudged(reply)
                    && reply["status"] == "degraded"
                    && reply["artefact"]["markdown"].is_string()
                    && trail(reply)
                        == "guardrails fallback, memory ok, select_pattern ok, inject_pattern skipped, execute ok, \
                            log_usage skipped, remember ok"
            })
        }
        Severity::High | Severity::Critical => {
            reply.expect_result(&format!("`{name}` is blocked, is retryable, and had no effect"), |reply| {
                unjudged(reply)
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

/// Expects that each execution is logged as exactly one violation, with the risk of its action as the severity, and that the metric of each
/// severity has the same count.
async fn violations(
    stage: &Stage<'_>,
    part: &str,
    mark: usize,
    unjudged: &BTreeMap<String, Severity>,
) -> Result<(), StepFailed> {
    let expected: BTreeMap<(String, String), usize> =
        unjudged.iter().map(|(execution, severity)| ((execution.clone(), severity.name().to_owned()), 1)).collect();
    let logged = async || {
        let lines = stage.log_since(part, mark).await.ok()?;
        let mut violations: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["violation"] == REASON) {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            *violations.entry((text("executionId"), text("severity"))).or_default() += 1;
        }
        (violations == expected).then_some(())
    };
    stage.wait_until("each execution is one violation in the log, with its severity", RECOVERY, logged).await;
    for severity in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
        let name = severity.name();
        let expected = unjudged.values().filter(|other| **other == severity).count() as f64;
        let counted = stage.metric(part, metric::GUARDRAIL_FAIL_CLOSED_TOTAL, &[("severity", name)]).await?;
        let details = format!("{counted} counted, {expected} made");
        stage.expect(
            &format!("the metric counts the violations of severity {name}"),
            (counted - expected).abs() < 0.5,
            details,
            &[],
        );
    }
    Ok(())
}
