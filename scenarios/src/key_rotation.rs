//! The key of the stack is rotated in three steps: accept the new key, sign with it, forget the old one. In each step all instances are restarted
//! under traffic, one instance of each service at a time. No call fails, and the forgotten key is refused. Then a mistake follows: the orchestrator
//! signs with a key that its peers do not know. The outcomes that it promised to remember are kept, no unchecked action continues, and each outcome
//! is delivered once as soon as the peers know the key.

mod mistake;

use crate::lifecycle::patient;
use crate::rolling_restart::work;
use crate::shutdown::{NOTICE, Tally, terminate};
use futures::future::try_join_all;
use harness_core::drive::scenario::{Actor, Scenario, ScenarioRequest, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "key-rotation",
    "the key is rotated without a lost or failed call, and a wrong key loses nothing",
    topology,
    |stage| Box::pin(play(stage)),
)
.within(300)
.requires(&["no-lost-writes", "degraded-is-declared"])
.on_its_own_processes();

/// Users who work during the rotation.
const USERS: usize = 3;
/// Instances of each service.
const INSTANCES: u32 = 2;

/// Changes of the environment of a part.
type Changes<'k> = [(&'static str, Option<&'k str>)];

fn topology() -> Topology {
    let two = Service::ALL.into_iter().fold(patient(), |topology, service| topology.instances(service, INSTANCES));
    let two = two.with_setting_everywhere(env::DRAIN_NOTICE_MS, NOTICE.as_millis());
    // Longer deadlines than those of `patient`, because four instances start at once while the others serve calls.
    let two = two.with_setting(Service::Orchestrator, env::PEER_DEADLINE_MS, 6_000);
    two.with_setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, 14_000)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let old = stage.key().to_owned();
    // At least as long as the key of the run, and as random.
    let new: String = old.chars().rev().chain("-second".chars()).collect();
    let wrong = format!("{new}-third");
    let mut users: Vec<_> = (0..USERS).map(|number| stage.user(&format!("user-{number}"), "acme")).collect();
    let before = stage.user("late", "acme");

    let accept = [(env::JWT_SECRET_NEXT, Some(&*new))];
    step(stage, &mut users, "accept the new key", &accept).await?;
    let sign = [(env::JWT_SECRET, Some(&*new)), (env::JWT_SECRET_NEXT, None), (env::JWT_SECRET_PREVIOUS, Some(&*old))];
    step(stage, &mut users, "sign with it", &sign).await?;
    // The issuer of tokens signs with the new key from now on.
    stage.sign_with(&new);
    users.iter_mut().for_each(Actor::renew_token);
    step(stage, &mut users, "forget the old key", &[(env::JWT_SECRET_PREVIOUS, None)]).await?;

    expect_refused(stage, before).await;
    mistake::play(stage, &new, &wrong).await
}

/// Restarts every instance with changed keys while users work. The instances with the same number are restarted together, so that another instance
/// of each service is always running.
async fn step(stage: &Stage<'_>, users: &mut [Actor<'_>], name: &str, changes: &Changes<'_>) -> Result<(), StepFailed> {
    let (calls, workflows) = (Tally::default(), Tally::default());
    let restarting = async {
        for number in 0..INSTANCES as usize {
            let parts = Service::ALL.map(|service| stage.instances(service)[number].clone());
            try_join_all(parts.iter().map(async |part| {
                stage.reconfigure(part, changes)?;
                terminate(stage, part).await?;
                stage.start_again(part).await
            }))
            .await?;
        }
        Ok::<(), StepFailed>(())
    };
    stage.with_background_calls(users, async |user| work(user, &calls, &workflows).await, restarting).await?;
    calls.expect(stage, &format!("every call succeeds in the step `{name}`"), USERS as u64);
    workflows.expect(stage, &format!("no workflow uses a fallback in the step `{name}`"), USERS as u64);
    Ok(())
}

/// Expects that every instance refuses a token that was signed with the forgotten key before the rotation.
async fn expect_refused(stage: &Stage<'_>, mut before: Actor<'_>) {
    for service in Service::ALL {
        for part in stage.instances(service) {
            let list = ScenarioRequest::method(service, "tools/list", Value::Null).at(&part);
            let _ = before.send(list).await.expect_status(&format!("`{part}` refuses the forgotten key"), 401);
        }
    }
    before.renew_token();
    let reply = before.call("memory_stats", json!({})).await;
    let _ = reply.expect_ok("the same user is accepted with a token of the new key");
}
