//! Two instances of every service are restarted one after the other while users work. An instance that reports ready answers every call, no
//! workflow uses a fallback, and no write is lost.

use crate::lifecycle::{is_complete, patient, workflow};
use crate::shutdown::{NOTICE, Tally, terminate};
use harness_core::drive::scenario::{Actor, Reply, Scenario, ScenarioRequest, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env};
use serde_json::json;
use std::cell::RefCell;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rolling-restart",
    "every instance is restarted one after the other without a failed call",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(300)
.requires(&["no-lost-writes", "read-your-writes"]);

/// Users who work during the restarts, half of them in each organisation.
const USERS: usize = 4;

fn topology() -> Topology {
    let two = Service::ALL.into_iter().fold(patient(), |topology, service| topology.instances(service, 2));
    two.with_setting_everywhere(env::DRAIN_NOTICE_MS, NOTICE.as_millis())
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let organisation = |number: usize| ["acme", "zeta"][number % 2];
    let mut users: Vec<_> =
        (0..USERS).map(|number| stage.user(&format!("user-{number}"), organisation(number))).collect();
    // This user has an organisation of its own, because the log keeps a limited number of executions for each
    // organisation. On a fast machine, the executions of the working users would push out this one.
    let mut ann = stage.user("ann", "bystanders");
    let first = ann.call("run_workflow", workflow("rca", "answer", "checkout")).await;
    let first = first.expect_ok("an execution before the restarts").or_stop()?;

    let (calls, workflows, restarts) = (Tally::default(), Tally::default(), RefCell::new(Vec::new()));
    let restarting = async {
        for service in Service::ALL {
            for part in stage.instances(service) {
                let before = calls.calls();
                terminate(stage, &part).await?;
                stage.start_again(&part).await?;
                restarts.borrow_mut().push((part, calls.calls() - before));
            }
        }
        Ok::<(), StepFailed>(())
    };
    let work = async |user: &mut Actor<'_>| work(user, &calls, &workflows).await;
    stage.with_background_calls(&mut users, work, restarting).await?;

    let restarts = restarts.into_inner();
    let details = format!("{restarts:?}");
    let all = restarts.len() == 2 * Service::ALL.len() && restarts.iter().all(|(_, calls)| *calls > 0);
    stage.expect("every instance was restarted, with calls during each restart", all, details, &[]);
    calls.expect(stage, "an instance that reports ready answers every call", USERS as u64);
    workflows.expect(stage, "no workflow uses a fallback", USERS as u64);
    for part in stage.instances(Service::Orchestrator) {
        let by_id = json!({ "executionId": first["executionId"] });
        let stored = ann.send(ScenarioRequest::tool("get_execution", by_id).at(&part)).await;
        let expected = format!("`{part}` still has the execution before the restarts");
        let _ = stored.expect_result(&expected, |reply| reply["executionId"] == first["executionId"]);
    }
    Ok(())
}

/// Makes one call of each kind as a user. Each call goes to an instance that reports *ready*, as a load balancer would
/// choose it.
pub(crate) async fn work(user: &mut Actor<'_>, calls: &Tally, workflows: &Tally) {
    let note = json!({ "content": user.private_content("Deploys wait for the ledger") });
    let stored = send(user, "store_memory", note, calls).await;
    let read = send(user, "get_memory", json!({ "id": stored["id"] }), calls).await;
    calls.count(&read, read["id"] == stored["id"]);
    let action = json!({ "action": "answer", "intent": "explain the ledger" });
    let _ = send(user, "check_guardrails", action, calls).await;
    let _ = send(user, "select_pattern", json!({ "intent": "review a migration" }), calls).await;
    let ran = send(user, "run_workflow", workflow("general", "answer", "checkout"), calls).await;
    workflows.count(&ran, is_complete(ran.value()));
}

async fn send<'s>(user: &mut Actor<'s>, tool: &str, arguments: serde_json::Value, calls: &Tally) -> Reply<'s> {
    let reply = user.send(ScenarioRequest::tool(tool, arguments).at_ready_instance()).await;
    calls.count(&reply, reply.is_ok());
    reply
}
