//! Calls of a day: each plan has its own, at each service, told in headers and on the quota page.

use super::list;
use harness_core::drive::scenario::{Actor, Broken, Stage};
use mcp_contracts::orchestrator::QUOTA_PATH;
use mcp_contracts::{Plan, Service, headers, rpc};
use serde_json::{Value, json};

/// The first call at each service, which must count as one of so many.
pub(super) async fn first_calls(stage: &Stage<'_>, ann: &mut Actor<'_>, calls: u64, budget: u64) {
    let plan = ann.grant().plan.name();
    for (tool, arguments) in [
        ("memory_stats", json!({})),
        ("scan_text", json!({ "text": "nothing" })),
        ("select_pattern", json!({ "intent": "nothing" })),
        ("list_executions", json!({})),
    ] {
        let reply = ann.call(tool, arguments).await.ok(&format!("`{tool}` is there on `{plan}`"));
        let limit = |text: &str| text == calls.to_string();
        let reply = reply.has_header(&format!("it is one of {calls} calls a day"), headers::RATELIMIT_LIMIT, limit);
        let left = |text: &str| text == (calls - 1).to_string();
        let _ = reply.has_header("and leaves one less", headers::RATELIMIT_REMAINING, left);
    }
    let (status, page) = ann.page(Service::Orchestrator, QUOTA_PATH).await;
    let services = list(&page["services"]);
    let one_used =
        |service: &Value| service["limit"] == calls && service["used"] == 1 && service["remaining"] == calls - 1;
    let held = status == Some(200)
        && (&page["orgId"], &page["plan"]) == (&json!(ann.organisation()), &json!(plan))
        && services.len() == Service::ALL.len()
        && services.iter().all(one_used)
        && (&page["llmLimitMicroUsd"], &page["llmUsedMicroUsd"]) == (&json!(budget), &json!(0));
    let expected = format!("the quota page of `{plan}` tells the same of all services, and {budget} for models");
    stage.expect(&expected, held, format!("{status:?} {page}"), &[]);
}

/// A free organisation calls until nothing is left, then pays.
pub(super) async fn used_up(stage: &Stage<'_>, free: u64, pro: u64) -> Result<(), Broken> {
    let (mut ann, mut paying) =
        (stage.user("ann", "growing").on(Plan::Free), stage.user("ann", "growing").on(Plan::Pro));
    stage.promise_limit(ann.organisation(), &["memory_stats"], free, None);
    let mut admitted = 0;
    let refusal = loop {
        let reply = ann.call("memory_stats", json!({})).await;
        if !reply.is_ok() || admitted > free {
            break reply;
        }
        admitted += 1;
    };
    stage.expect(
        "a free organisation has its calls of a day",
        admitted == free,
        format!("{admitted} admitted"),
        &[refusal.op()],
    );
    let refusal = refusal.has_status("and not one more", 429);
    let _ = refusal.has_rpc_error("by the code of a quota", rpc::QUOTA_EXCEEDED);
    let elsewhere = ann.call("scan_text", json!({ "text": "nothing" })).await;
    let _ = elsewhere.ok("at another service it has its own");
    let paid = paying.call("list_memories", json!({})).await.ok("once it pays it goes on");
    let left = (pro - free - 1).to_string();
    let _ = paid.has_header("and what it has used stays used", headers::RATELIMIT_REMAINING, |text| text == left);
    Ok(())
}
