//! What a high rule stands against goes on only after its own caller has taken the rule on, once, and for exactly what was asked: in the newer
//! era the call itself asks, in the older one `acknowledge_guardrails` takes the token; through a workflow as well as by hand.

mod newer;
mod older;

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Broken, Reply, Scenario, Stage};
use mcp_contracts::ErrorCode;
use serde_json::{Map, Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "acknowledgement",
    "what must be acknowledged goes on after that, once, and for nothing and nobody else",
    patient,
    |stage| Box::pin(play(stage)),
)
.within(120)
.requires(&["no-injection-without-verdict", "degraded-is-declared"]);

/// The rule of severity high that stands against what is asked here.
const RULE: &str = "DATA-006";

/// A way to what is asked for: how it looks when it is stopped, and when it goes on.
struct Way {
    name: &'static str,
    tool: &'static str,
    stopped: fn(&Value) -> bool,
    goes_on: fn(&Value) -> bool,
}

const BY_HAND: Way = Way {
    name: "by hand",
    tool: "check_guardrails",
    stopped: |reply| reply["verdict"] == "acknowledge" && reply["acknowledged"] == false,
    goes_on: |reply| reply["verdict"] == "allow" && reply["acknowledged"] == true,
};
const BY_WORKFLOW: Way = Way {
    name: "through a workflow",
    tool: "run_workflow",
    stopped: |reply| {
        let nothing = reply["pattern"].is_null() && reply["artefact"].is_null();
        nothing && reply["verdict"] == "acknowledge" && reply["status"] == "acknowledgement_required"
    },
    goes_on: |reply| reply["status"] == "completed" && reply["pattern"]["verdictId"].is_string(),
};

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let mut ann = stage.user("ann", "acme");
    let mut others = [("a colleague", stage.user("bob", "acme")), ("another organisation", stage.user("zoe", "zeta"))];
    let pattern = pattern(&mut ann).await?;
    let _ = newer::asked(&mut ann, &mut others, &BY_WORKFLOW).await?;
    let taken = newer::asked(&mut ann, &mut others, &BY_HAND).await?;
    injected(&mut ann, &mut others, &pattern, &taken).await;

    let (checked, taken) = older::second_tool(&mut ann, &mut others, &BY_HAND).await?;
    let early = inject(&mut ann, &pattern, &checked, "customers").await;
    let _ = early.refuses("what was only checked injects nothing", ErrorCode::VerdictInvalid);
    injected(&mut ann, &mut others, &pattern, &taken).await;
    let (stopped, taken) = older::second_tool(&mut ann, &mut others, &BY_WORKFLOW).await?;
    older::resumed(&mut ann, &mut others, &stopped, &taken).await;
    Ok(())
}

/// What somebody wants to do to a table; [`RULE`] stands against it.
fn request(way: &Way, table: &str) -> Value {
    let text = format!("ALTER TABLE {table} RENAME COLUMN name TO full_name;");
    let mut request =
        json!({ "action": "database", "intent": "review a database migration that renames a column", "text": text });
    if way.tool == BY_WORKFLOW.tool {
        request["agent"] = json!("general");
    }
    request
}

fn yes() -> Value {
    json!({ "acknowledge": true, "reason": "every reader of the old name has moved" })
}

/// The acknowledged token of a check injects one pattern, for its own request and organisation.
async fn injected(ann: &mut Actor<'_>, others: &mut [(&str, Actor<'_>)], pattern: &Value, taken: &Reply<'_>) {
    let other = inject(ann, pattern, taken, "orders").await;
    let _ = other.refuses("what was acknowledged injects nothing for another request", ErrorCode::VerdictInvalid);
    if let Some((who, actor)) = others.last_mut() {
        let foreign = inject(actor, pattern, taken, "customers").await;
        let _ = foreign.refuses(&format!("nor does {who} get anything for it"), ErrorCode::VerdictInvalid);
    }
    let first = inject(ann, pattern, taken, "customers").await;
    let _ =
        first.gives("what was acknowledged injects its pattern", |reply| reply["patternId"] == pattern["patternId"]);
    let again = inject(ann, pattern, taken, "customers").await;
    let _ = again.refuses("and nothing a second time", ErrorCode::VerdictUsed);
}

/// A pattern that fits, with a value for each of its variables.
async fn pattern(ann: &mut Actor<'_>) -> Result<Value, Broken> {
    let selected = ann.call("select_pattern", json!({ "intent": "review a database migration" })).await.or_stop()?;
    let best = &selected["patterns"][0];
    let names = best["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let variables: Map<String, Value> = names.map(|name| (name.to_owned(), json!("customers"))).collect();
    Ok(json!({ "patternId": best["id"], "variables": variables }))
}

async fn inject<'s>(ann: &mut Actor<'s>, pattern: &Value, verdict: &Reply<'_>, table: &str) -> Reply<'s> {
    let mut arguments = pattern.clone();
    arguments["request"] = request(&BY_HAND, table);
    arguments["executionId"] = verdict["executionId"].clone();
    arguments["verdictToken"] = verdict["verdictToken"].clone();
    ann.call("inject_pattern", arguments).await
}
