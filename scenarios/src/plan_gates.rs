//! The plan in the token decides what an organisation can use. Patterns of a higher plan cannot be used, and rules of a higher plan are not
//! checked. Calls and models are limited by the plan. A change of the plan does not reset the usage.

mod limits;

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Scenario, ScenarioRequest, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{ErrorCode, Plan, Service, env, guardrails, patterns};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "plan-gates",
    "an organisation can use exactly the patterns, rules, calls and models of its plan",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.requires(&["no-injection-without-verdict", "degraded-is-declared"]);

/// A built-in pattern, the lowest plan that includes it, its category, and an intent that matches it.
const PATTERN: (&str, Plan, &str, &str) =
    ("incident-commander", Plan::Team, "incident-response", "command an incident with several teams");
/// The daily limits of each plan: number of calls, and micro-dollars for models. [`topology`] sets the calls of the
/// enterprise plan.
const LIMITS: [(Plan, u64, u64); 4] = [
    (Plan::Free, 100, 0),
    (Plan::Pro, 3_000, 500_000),
    (Plan::Team, 10_000, 2_000_000),
    // A number that is no default, so that it can come only from the setting.
    (Plan::Enterprise, 54_321, 50_000_000),
];

/// Returns a stack with a model URL on which no server listens. A workflow on a plan without a budget then reports
/// `llm_budget`, and a workflow on a plan with a budget reports `llm_unavailable`.
fn topology() -> Topology {
    let with_model = patient().with_setting(Service::Orchestrator, env::LLM_BASE_URL, "http://127.0.0.1:9/v1");
    with_model.with_setting_everywhere(env::QUOTA_ENTERPRISE_DAILY, LIMITS[3].1)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    for (plan, calls, budget) in LIMITS {
        let mut ann = stage.user("ann", &format!("acme-{}", plan.name())).on_plan(plan);
        limits::first_calls(stage, &mut ann, calls, budget).await;
        pattern(&mut ann).await?;
        rules(&mut ann).await;
        workflow(&mut ann, budget).await;
    }
    limits::use_up(stage, LIMITS[0].1, LIMITS[1].1).await
}

/// Expects that the pattern is recommended, shown and injected only on its own plan and on higher ones. The catalogue lists it on every plan.
async fn pattern(ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    let (id, needed, category, intent) = PATTERN;
    let (plan, has_it) = (ann.grant().plan, ann.grant().plan >= needed);
    let (plan, verb) = (plan.name(), if has_it { "recommends" } else { "does not recommend" });
    let selected = ann.call("select_pattern", json!({ "intent": intent, "limit": 20 })).await;
    let _ = selected.expect_result(&format!("`{plan}` {verb} `{id}`"), |reply| {
        let recommended = list(&reply["patterns"]).iter().any(|pattern| pattern["id"] == id);
        if has_it { reply["patterns"][0]["id"] == id } else { !recommended && reply["onHigherPlan"].as_u64() > Some(0) }
    });
    let page = ScenarioRequest::resource(Service::Patterns, &format!("{}?category={category}", patterns::CATALOG_URI));
    let listed = ann.send(page).await;
    let listed_as = |result: &Value| {
        let page = document(result);
        let line = list(&page["patterns"]).iter().find(|line| line["id"] == id);
        line.is_some_and(|line| line["available"] == has_it && line["plan"] == needed.name())
    };
    let _ = listed.expect_result(&format!("the catalogue shows on `{plan}` whether `{id}` is available"), listed_as);
    let detail =
        ann.send(ScenarioRequest::resource(Service::Patterns, &format!("{}{id}", patterns::DETAIL_URI_PREFIX))).await;
    let request = json!({ "action": "answer", "intent": intent, "text": "checkout is down; ann and bob are on call" });
    let verdict = ann.call("check_guardrails", request.clone()).await.or_stop()?;
    let inject = json!({
        "patternId": id, "request": request, "executionId": verdict["executionId"], "verdictToken": verdict["verdictToken"],
        "variables": { "situation": "checkout is down", "people": "ann and bob" },
    });
    let injected = ann.call("inject_pattern", inject).await;
    if has_it {
        let _ = detail.expect_result(&format!("`{plan}` can read `{id}`"), |result| document(result)["id"] == id);
        let filled = |reply: &Value| reply["text"].as_str().is_some_and(|text| text.contains("checkout is down"));
        let _ = injected.expect_result(&format!("`{plan}` can inject `{id}`"), filled);
    } else {
        let _ = detail.expect_error(&format!("`{plan}` cannot read `{id}`"), ErrorCode::PlanRequired);
        let _ = injected.expect_error(&format!("`{plan}` cannot inject `{id}`"), ErrorCode::PlanRequired);
    }
    Ok(())
}

/// Expects that each rule is checked and shown only on its own plan and on higher ones. Each request breaks one of the rules.
async fn rules(ann: &mut Actor<'_>) {
    let endless = "reply = client.chat(messages, max_tokens=None)";
    let licence = "allow = [\"MIT\", \"AGPL-3.0-only\"]";
    for (id, needed, request) in [
        ("FIN-011", Plan::Pro, json!({ "action": "edit", "intent": "answer the customer", "text": endless })),
        (
            "INT-013",
            Plan::Team,
            json!({ "action": "edit", "intent": "allow it", "files": ["deny.toml"], "text": licence }),
        ),
    ] {
        let (plan, has_it) = (ann.grant().plan.name(), ann.grant().plan >= needed);
        let verb = if has_it { "checks" } else { "does not check" };
        let checked = ann.call("check_guardrails", request).await;
        let broken = |reply: &Value| list(&reply["rules"]).iter().any(|rule| rule["id"] == id) == has_it;
        let _ = checked.expect_result(&format!("`{plan}` {verb} `{id}`"), broken);
        let shown = ann
            .send(ScenarioRequest::resource(Service::Guardrails, &format!("{}{id}", guardrails::RULE_URI_PREFIX)))
            .await;
        if has_it {
            let _ = shown.expect_result(&format!("`{plan}` can read `{id}`"), |result| {
                document(result)["plan"] == needed.name()
            });
        } else {
            let _ = shown.expect_error(&format!("`{plan}` cannot read `{id}`"), ErrorCode::NotFound);
        }
    }
}

/// Expects that a workflow uses a pattern of its plan, and a model only if the plan has a budget.
async fn workflow(ann: &mut Actor<'_>, budget: u64) {
    let (id, needed, _, intent) = PATTERN;
    let (plan, has_it) = (ann.grant().plan.name(), ann.grant().plan >= needed);
    let reason = if budget == 0 { "llm_budget" } else { "llm_unavailable" };
    let order = json!({ "agent": "general", "action": "answer", "intent": intent, "text": "checkout is down" });
    let ran = ann.call("run_workflow", order).await;
    let _ = ran.expect_result(
        &format!("a workflow on `{plan}` is degraded only by `{reason}`, with a pattern of its plan"),
        |reply| {
            let pattern = &reply["pattern"]["id"];
            reply["status"] == "degraded"
                && reply["reasons"] == json!([reason])
                && pattern.is_string()
                && (*pattern == id) == has_it
        },
    );
}

/// Parses the JSON of a resource.
fn document(result: &Value) -> Value {
    result["contents"][0]["text"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
