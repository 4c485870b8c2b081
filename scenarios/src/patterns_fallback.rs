//! While the patterns service is down, workflows of every risk continue degraded, without a pattern. When it is back,
//! they have a pattern again.

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Scenario, Stage, StepFailed};
use mcp_contracts::{Service, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "patterns-fallback",
    "without the patterns service workflows continue degraded, and have a pattern again afterwards",
    patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared"]);

/// Workflows during the outage: agent and action.
const RUNS: [(&str, &str); 4] = [("general", "answer"), ("rca", "answer"), ("retro", "edit"), ("general", "commit")];

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let part = |service| stage.instances(service)[0].clone();
    let (patterns, orchestrator) = (part(Service::Patterns), part(Service::Orchestrator));
    let mut ann = stage.user("ann", "acme");
    let before = completes(&mut ann, "with patterns a workflow completes with a pattern").await.or_stop()?;

    stage.kill(&patterns).await?;
    let direct = ann.call("select_pattern", json!({ "intent": "review a migration" })).await;
    let details = format!("{:?}", direct.outcome());
    stage.expect("the patterns service is down", direct.status().is_none(), details, &[direct.op()]);
    for (agent, action) in RUNS {
        let reply = ann.call("run_workflow", workflow(agent, action, "search")).await;
        let _ =
            reply.expect_result(&format!("`{action}` by `{agent}` continues degraded, without a pattern"), |reply| {
                reply["status"] == "degraded"
                    && reply["reasons"] == json!(["patterns_unavailable"])
                    && reply["verdict"] == "allow"
                    && reply["pattern"].is_null()
                    && reply["artefact"]["markdown"].is_string()
                    && step(reply, "select_pattern")["source"] == "none"
                    && trail(reply)
                        == "guardrails ok, memory ok, select_pattern fallback, inject_pattern skipped, execute ok, \
                        log_usage skipped, remember ok"
            });
    }
    let reported = async || fallbacks(stage, &orchestrator).await.contains(&"patterns".to_owned()).then_some(());
    stage.wait_until("the orchestrator reports the fallback for patterns and stays ready", RECOVERY, reported).await;

    stage.start_again(&patterns).await?;
    recovers(stage, &mut ann, &orchestrator, "with patterns back").await;
    let after = completes(&mut ann, "the same request gets the same pattern as before").await;
    let same = after["pattern"]["id"] == before["pattern"]["id"];
    let details = format!("{} before, {} after", before["pattern"]["id"], after["pattern"]["id"]);
    stage.expect("that pattern is still the best match", same, details, &[before.op(), after.op()]);
    let used = stage.metric(&patterns, metric::PATTERN_USAGE_TOTAL, &[]).await?;
    stage.expect("the use of the pattern is logged again", used >= 1.0, used, &[]);
    Ok(())
}
