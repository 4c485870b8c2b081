//! What an organisation gets follows from the plan in its token: patterns and rules of a dearer plan are not there on a cheaper one, calls and
//! models are held to the plan's limits, and what was counted stays counted when the plan changes.

mod limits;

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Ask, Broken, Scenario, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::{ErrorCode, Plan, Service, env, guardrails, patterns};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "plan-gates",
    "patterns, rules, calls and models are those of the plan, no more and no less",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.requires(&["no-injection-without-verdict", "degraded-is-declared"]);

/// A built-in pattern, the cheapest plan that has it, its category, and what it is for.
const PATTERN: (&str, Plan, &str, &str) =
    ("incident-commander", Plan::Team, "incident-response", "command an incident with several teams");
/// Calls a day and micro-dollars for models a day; those of the enterprise plan are what the settings of this stack say.
const LIMITS: [(Plan, u64, u64); 4] = [
    (Plan::Free, 100, 0),
    (Plan::Pro, 3_000, 500_000),
    (Plan::Team, 10_000, 2_000_000),
    (Plan::Enterprise, 54_321, 50_000_000),
];

/// A model that nobody answers for: who may not pay for it is told so, and who may is told that it is not there.
fn topology() -> Topology {
    let with_model = patient().setting(Service::Orchestrator, env::LLM_BASE_URL, "http://127.0.0.1:9/v1");
    with_model.everywhere(env::QUOTA_ENTERPRISE_DAILY, LIMITS[3].1)
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    for (plan, calls, budget) in LIMITS {
        let mut ann = stage.user("ann", &format!("acme-{}", plan.name())).on(plan);
        limits::first_calls(stage, &mut ann, calls, budget).await;
        pattern(&mut ann).await?;
        rules(&mut ann).await;
        workflow(&mut ann, budget).await;
    }
    limits::used_up(stage, LIMITS[0].1, LIMITS[1].1).await
}

/// Recommended, shown and injected on its plan and dearer ones alone; in the catalogue for everybody.
async fn pattern(ann: &mut Actor<'_>) -> Result<(), Broken> {
    let (id, needed, category, intent) = PATTERN;
    let (plan, has_it) = (ann.grant().plan, ann.grant().plan >= needed);
    let (plan, who) = (plan.name(), if has_it { "has" } else { "does not have" });
    let selected = ann.call("select_pattern", json!({ "intent": intent, "limit": 20 })).await;
    let _ = selected.gives(&format!("`{plan}` {who} `{id}` recommended"), |reply| {
        let recommended = list(&reply["patterns"]).iter().any(|pattern| pattern["id"] == id);
        if has_it { reply["patterns"][0]["id"] == id } else { !recommended && reply["onHigherPlan"].as_u64() > Some(0) }
    });
    let page = Ask::resource(Service::Patterns, &format!("{}?category={category}", patterns::CATALOG_URI));
    let listed = ann.send(page).await;
    let told = |result: &Value| {
        let page = document(result);
        let line = list(&page["patterns"]).iter().find(|line| line["id"] == id);
        line.is_some_and(|line| line["available"] == has_it && line["plan"] == needed.name())
    };
    let _ = listed.gives(&format!("the catalogue tells `{plan}` whether it {who} it"), told);
    let detail = ann.send(Ask::resource(Service::Patterns, &format!("{}{id}", patterns::DETAIL_URI_PREFIX))).await;
    let request = json!({ "action": "answer", "intent": intent, "text": "checkout is down" });
    let verdict = ann.call("check_guardrails", request.clone()).await.or_stop()?;
    let inject = json!({
        "patternId": id, "request": request, "executionId": verdict["executionId"], "verdictToken": verdict["verdictToken"],
        "variables": { "situation": "checkout is down", "people": "ann and bob" },
    });
    let injected = ann.call("inject_pattern", inject).await;
    if has_it {
        let _ = detail.gives(&format!("`{plan}` reads it"), |result| document(result)["id"] == id);
        let filled = |reply: &Value| reply["text"].as_str().is_some_and(|text| text.contains("checkout is down"));
        let _ = injected.gives(&format!("`{plan}` has it injected"), filled);
    } else {
        let _ = detail.refuses(&format!("`{plan}` does not read it"), ErrorCode::PlanRequired);
        let _ = injected.refuses(&format!("`{plan}` does not get it injected"), ErrorCode::PlanRequired);
    }
    Ok(())
}

/// Each rule is looked for and shown on its plan and dearer ones alone; each request breaks one.
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
        let who = if has_it { "is" } else { "is not" };
        let checked = ann.call("check_guardrails", request).await;
        let broken = |reply: &Value| list(&reply["rules"]).iter().any(|rule| rule["id"] == id) == has_it;
        let _ = checked.gives(&format!("`{plan}` {who} held to `{id}`"), broken);
        let shown = ann.send(Ask::resource(Service::Guardrails, &format!("{}{id}", guardrails::RULE_URI_PREFIX))).await;
        if has_it {
            let _ = shown.gives(&format!("`{plan}` reads `{id}`"), |result| document(result)["plan"] == needed.name());
        } else {
            let _ = shown.refuses(&format!("for `{plan}` there is no `{id}`"), ErrorCode::NotFound);
        }
    }
}

/// A workflow takes the best pattern of its plan, and asks a model that its plan pays for.
async fn workflow(ann: &mut Actor<'_>, budget: u64) {
    let (id, needed, _, intent) = PATTERN;
    let (plan, has_it) = (ann.grant().plan.name(), ann.grant().plan >= needed);
    let reason = if budget == 0 { "llm_budget" } else { "llm_unavailable" };
    let order = json!({ "agent": "general", "action": "answer", "intent": intent, "text": "checkout is down" });
    let ran = ann.call("run_workflow", order).await;
    let _ = ran.gives(
        &format!("a workflow of `{plan}` is degraded by `{reason}` alone, and its pattern is of its plan"),
        |reply| {
            let pattern = &reply["pattern"]["id"];
            reply["status"] == "degraded"
                && reply["reasons"] == json!([reason])
                && pattern.is_string()
                && (*pattern == id) == has_it
        },
    );
}

/// The JSON in a resource.
fn document(result: &Value) -> Value {
    result["contents"][0]["text"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
