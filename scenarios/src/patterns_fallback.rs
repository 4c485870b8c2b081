//! Without patterns workflows go on without one and say so, whatever their risk; when patterns is back they have one again.

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Broken, Scenario, Stage};
use mcp_contracts::{Service, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "patterns-fallback",
    "without patterns workflows go on without one, say so, and have one again afterwards",
    patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared"]);

/// Workflows of the outage: agent and action.
const RUNS: [(&str, &str); 4] = [("general", "answer"), ("rca", "answer"), ("retro", "edit"), ("general", "commit")];

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let part = |service| stage.instances(service)[0].clone();
    let (patterns, orchestrator) = (part(Service::Patterns), part(Service::Orchestrator));
    let mut ann = stage.user("ann", "acme");
    let before = completes(&mut ann, "with patterns a workflow is complete and has a pattern").await.or_stop()?;

    stage.kill(&patterns).await?;
    let direct = ann.call("select_pattern", json!({ "intent": "review a migration" })).await;
    let seen = format!("{:?}", direct.outcome());
    stage.expect("patterns is gone", direct.status().is_none(), seen, &[direct.op()]);
    for (agent, action) in RUNS {
        let reply = ann.call("run_workflow", workflow(agent, action, "search")).await;
        let _ = reply.gives(&format!("`{action}` by `{agent}` goes on without a pattern and says so"), |reply| {
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
    let named = async || fallbacks(stage, &orchestrator).await.contains(&"patterns".to_owned()).then_some(());
    stage.until("the orchestrator says that it goes without patterns, and stays ready", RECOVERY, named).await;

    stage.start_again(&patterns).await?;
    recovers(stage, &mut ann, &orchestrator, "with patterns back").await;
    let after = completes(&mut ann, "the same request gets the same pattern as before").await;
    let same = after["pattern"]["id"] == before["pattern"]["id"];
    let seen = format!("{} before, {} after", before["pattern"]["id"], after["pattern"]["id"]);
    stage.expect("which is still the one that fits best", same, seen, &[before.op(), after.op()]);
    let used = stage.metric(&patterns, metric::PATTERN_USAGE_TOTAL, &[]).await?;
    stage.expect("and its use is logged again", used >= 1.0, used, &[]);
    Ok(())
}
