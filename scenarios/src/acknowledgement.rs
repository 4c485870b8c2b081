//! If a rule of severity high applies to a request, the request continues only after its own caller has acknowledged
//! the rule: once, and for exactly that request. A stateless client gets the question as the reply to its call. An
//! older client passes a token to `acknowledge_guardrails`. Both ways are tried with a workflow and with a direct
//! check.

mod newer;
mod older;

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use mcp_contracts::ErrorCode;
use serde_json::{Map, Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "acknowledgement",
    "a request that requires an acknowledgement continues only after it, once, for that request and caller only",
    patient,
    |stage| Box::pin(play(stage)),
)
.within(120)
.requires(&["no-injection-without-verdict", "degraded-is-declared"]);

/// The rule of severity high that applies to the requests of this scenario.
const RULE: &str = "DATA-006";

/// A route to the protected action, with two conditions on its reply: one if the route stopped, one if it continued.
struct Route {
    name: &'static str,
    tool: &'static str,
    stopped: fn(&Value) -> bool,
    proceeds: fn(&Value) -> bool,
}

const DIRECT: Route = Route {
    name: "direct check",
    tool: "check_guardrails",
    stopped: |reply| reply["verdict"] == "acknowledge" && reply["acknowledged"] == false,
    proceeds: |reply| reply["verdict"] == "allow" && reply["acknowledged"] == true,
};
const WORKFLOW: Route = Route {
    name: "workflow",
    tool: "run_workflow",
    stopped: |reply| {
        let no_output = reply["pattern"].is_null() && reply["artefact"].is_null();
        no_output && reply["verdict"] == "acknowledge" && reply["status"] == "acknowledgement_required"
    },
    proceeds: |reply| reply["status"] == "completed" && reply["pattern"]["verdictId"].is_string(),
};

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let mut others = [("a colleague", stage.user("bob", "acme")), ("another organisation", stage.user("zoe", "zeta"))];
    let pattern = pattern(&mut ann).await?;
    let _ = newer::acknowledge(&mut ann, &mut others, &WORKFLOW).await?;
    let acknowledged = newer::acknowledge(&mut ann, &mut others, &DIRECT).await?;
    expect_injection(&mut ann, &mut others, &pattern, &acknowledged).await;

    let (checked, acknowledged) = older::acknowledge(&mut ann, &mut others, &DIRECT).await?;
    let early = inject(&mut ann, &pattern, &checked, "customers").await;
    let _ = early.expect_error("a token that was not acknowledged injects nothing", ErrorCode::VerdictInvalid);
    expect_injection(&mut ann, &mut others, &pattern, &acknowledged).await;
    let (stopped, acknowledged) = older::acknowledge(&mut ann, &mut others, &WORKFLOW).await?;
    older::resume(&mut ann, &mut others, &stopped, &acknowledged).await;
    Ok(())
}

/// Returns a request to change a table, to which [`RULE`] applies.
fn request(route: &Route, table: &str) -> Value {
    let text = format!("ALTER TABLE {table} RENAME COLUMN name TO full_name;");
    let mut request =
        json!({ "action": "database", "intent": "review a database migration that renames a column", "text": text });
    if route.tool == WORKFLOW.tool {
        request["agent"] = json!("general");
    }
    request
}

fn acknowledgement() -> Value {
    json!({ "acknowledge": true, "reason": "every reader of the old name has moved" })
}

/// Expects that an acknowledged token injects one pattern, only for its own request and organisation.
async fn expect_injection(
    ann: &mut Actor<'_>,
    others: &mut [(&str, Actor<'_>)],
    pattern: &Value,
    acknowledged: &Reply<'_>,
) {
    let other = inject(ann, pattern, acknowledged, "orders").await;
    let _ = other.expect_error("an acknowledged token injects nothing for another request", ErrorCode::VerdictInvalid);
    if let Some((who, actor)) = others.last_mut() {
        let other_org = inject(actor, pattern, acknowledged, "customers").await;
        let _ = other_org
            .expect_error(&format!("{who} cannot inject with an acknowledged token"), ErrorCode::VerdictInvalid);
    }
    let first = inject(ann, pattern, acknowledged, "customers").await;
    let _ = first
        .expect_result("an acknowledged token injects its pattern", |reply| reply["patternId"] == pattern["patternId"]);
    let again = inject(ann, pattern, acknowledged, "customers").await;
    let _ = again.expect_error("an acknowledged token cannot be used twice", ErrorCode::VerdictUsed);
}

/// Returns a matching pattern with a value for each of its variables.
async fn pattern(ann: &mut Actor<'_>) -> Result<Value, StepFailed> {
    let selected = ann.call("select_pattern", json!({ "intent": "review a database migration" })).await.or_stop()?;
    let best = &selected["patterns"][0];
    let names = best["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let variables: Map<String, Value> = names.map(|name| (name.to_owned(), json!("customers"))).collect();
    Ok(json!({ "patternId": best["id"], "variables": variables }))
}

async fn inject<'s>(ann: &mut Actor<'s>, pattern: &Value, verdict: &Reply<'_>, table: &str) -> Reply<'s> {
    let mut arguments = pattern.clone();
    arguments["request"] = request(&DIRECT, table);
    arguments["executionId"] = verdict["executionId"].clone();
    arguments["verdictToken"] = verdict["verdictToken"].clone();
    ann.call("inject_pattern", arguments).await
}
