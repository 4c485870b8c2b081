//! Daily calls: each plan has its own limit at each service. The limit is shown in headers and on the quota page.

use super::list;
use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use mcp_contracts::orchestrator::QUOTA_PATH;
use mcp_contracts::{Plan, Service, headers, rpc};
use serde_json::{Value, json};

/// Makes the first call at each service, and expects that it is counted against the limit.
pub(super) async fn first_calls(stage: &Stage<'_>, ann: &mut Actor<'_>, calls: u64, budget: u64) {
    let plan = ann.grant().plan.name();
    for (tool, arguments) in [
        ("memory_stats", json!({})),
        ("scan_text", json!({ "text": "nothing" })),
        ("select_pattern", json!({ "intent": "nothing" })),
        ("list_executions", json!({})),
    ] {
        let reply = ann.call(tool, arguments).await.expect_ok(&format!("`{tool}` can be called on `{plan}`"));
        let limit = |text: &str| text == calls.to_string();
        let reply =
            reply.expect_header(&format!("the limit is {calls} calls per day"), headers::RATELIMIT_LIMIT, limit);
        let remaining = |text: &str| text == (calls - 1).to_string();
        let _ = reply.expect_header("one call fewer remains", headers::RATELIMIT_REMAINING, remaining);
    }
    let (status, page) = ann.page(Service::Orchestrator, QUOTA_PATH).await;
    let services = list(&page["services"]);
    let one_used =
        |service: &Value| service["limit"] == calls && service["used"] == 1 && service["remaining"] == calls - 1;
    let holds = status == Some(200)
        && (&page["orgId"], &page["plan"]) == (&json!(ann.organisation()), &json!(plan))
        && services.len() == Service::ALL.len()
        && services.iter().all(one_used)
        && (&page["llmLimitMicroUsd"], &page["llmUsedMicroUsd"]) == (&json!(budget), &json!(0));
    let expected = format!(
        "the quota page on `{plan}` shows one call at every service and a budget of {budget} micro-dollars for models"
    );
    stage.expect(&expected, holds, format!("{status:?} {page}"), &[]);
}

/// Uses up the free plan of an organisation, then upgrades the organisation.
pub(super) async fn use_up(stage: &Stage<'_>, free: u64, pro: u64) -> Result<(), StepFailed> {
    let (mut ann, mut paying) =
        (stage.user("ann", "growing").on_plan(Plan::Free), stage.user("ann", "growing").on_plan(Plan::Pro));
    stage.promise_limit(ann.organisation(), &["memory_stats"], free, None);
    let mut admitted = 0;
    let rejected = loop {
        let reply = ann.call("memory_stats", json!({})).await;
        if !reply.is_ok() || admitted > free {
            break reply;
        }
        admitted += 1;
    };
    stage.expect(
        "the free plan admits exactly its daily calls",
        admitted == free,
        format!("{admitted} admitted"),
        &[rejected.op()],
    );
    let rejected = rejected.expect_status("the next call is rejected with 429", 429);
    let _ = rejected.expect_rpc_error("its error code is that of a used-up quota", rpc::QUOTA_EXCEEDED);
    let elsewhere = ann.call("scan_text", json!({ "text": "nothing" })).await;
    let _ = elsewhere.expect_ok("another service has its own limit");
    let paid = paying.call("list_memories", json!({})).await.expect_ok("after the upgrade calls are admitted again");
    let remaining = (pro - free - 1).to_string();
    let _ = paid.expect_header("calls made on the free plan stay counted", headers::RATELIMIT_REMAINING, |text| {
        text == remaining
    });
    Ok(())
}
