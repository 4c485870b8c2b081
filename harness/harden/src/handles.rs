//! Arguments of the tools that take a handle: an id, a confirmation, a verdict, an execution. Each handle comes from real calls made just before, so that
//! a check reaches what is behind it.

use crate::busy;
use harness_core::drive::hardening::{Answer, Caller, HttpRequest, Probe, Stop};
use mcp_contracts::{Service, guardrails, memory, orchestrator, patterns};
use serde_json::{Map, Value, json};

/// The tools that take a handle.
pub(crate) const TOOLS: [&str; 8] = [
    memory::tool::GET,
    memory::tool::UPDATE,
    memory::tool::DELETE,
    memory::tool::DELETE_BY_TAG,
    guardrails::tool::ACKNOWLEDGE,
    patterns::tool::INJECT,
    patterns::tool::LOG_USAGE,
    orchestrator::tool::GET_EXECUTION,
];

/// Returns arguments of a tool of [`TOOLS`] with a fresh handle, and with this text in every place that takes one. `None` if a call before it refuses the
/// text, so that there is no handle, or if the tool takes none.
///
/// # Errors
/// The stack lacks a service that gives the handle.
pub(crate) async fn arguments(probe: &Probe<'_>, tool: &str, user: &Caller, text: &str) -> Result<Option<Value>, Stop> {
    match tool {
        memory::tool::GET | memory::tool::UPDATE | memory::tool::DELETE | memory::tool::DELETE_BY_TAG => {
            of_memory(probe, tool, user, text).await
        }
        guardrails::tool::ACKNOWLEDGE => of_acknowledgement(probe, user, text).await,
        patterns::tool::INJECT => of_injection(probe, user, text).await,
        patterns::tool::LOG_USAGE => {
            let Some(pattern) = pattern(probe, user).await? else { return Ok(None) };
            let execution = execution_of(probe, text);
            Ok(Some(
                json!({ "patternId": pattern["id"], "outcome": "accepted", "executionId": execution, "note": text }),
            ))
        }
        orchestrator::tool::GET_EXECUTION => {
            let part = probe.need(Service::Orchestrator)?;
            let run = busy::workflow().changed(|body| body["params"]["arguments"]["text"] = json!(text));
            let ran = probe.send(&part, &run.bearer(&user.token)).await;
            Ok(handle(&ran, "executionId").map(|id| json!({ "executionId": id })))
        }
        _ => Ok(None),
    }
}

async fn of_memory(probe: &Probe<'_>, tool: &str, user: &Caller, text: &str) -> Result<Option<Value>, Stop> {
    let part = probe.need(Service::Memory)?;
    let tag = probe.mark("handle");
    let stored = call(probe, &part, user, memory::tool::STORE, &json!({ "content": text, "tags": [tag] })).await;
    let Some(id) = handle(&stored, "id") else { return Ok(None) };
    Ok(match tool {
        memory::tool::UPDATE => Some(json!({ "id": id, "content": text, "metadata": { "text": text } })),
        memory::tool::DELETE_BY_TAG => {
            let count = json!({ "tags": [tag], "dryRun": true });
            let counted = call(probe, &part, user, tool, &count).await;
            handle(&counted, "confirmationToken").map(|token| json!({ "tags": [tag], "confirmationToken": token }))
        }
        _ => Some(json!({ "id": id })),
    })
}

async fn of_acknowledgement(probe: &Probe<'_>, user: &Caller, text: &str) -> Result<Option<Value>, Stop> {
    let part = probe.need(Service::Guardrails)?;
    let action = json!({
        "action": "database", "intent": "review a migration that renames a column",
        "text": "ALTER TABLE customers RENAME COLUMN name TO full_name;",
    });
    let checked = call(probe, &part, user, guardrails::tool::CHECK, &action).await;
    if checked.structured()["verdict"] != "acknowledge" {
        return Ok(None);
    }
    // A reason has at least ten characters.
    let reason = format!("the reason is {text}");
    Ok(handle(&checked, "verdictToken").map(|token| json!({ "verdictToken": token, "reason": reason })))
}

async fn of_injection(probe: &Probe<'_>, user: &Caller, text: &str) -> Result<Option<Value>, Stop> {
    let part = probe.need(Service::Guardrails)?;
    let request = json!({ "action": "answer", "intent": "explain why checkout was slow", "text": text });
    let checked = call(probe, &part, user, guardrails::tool::CHECK, &request).await;
    let (Some(token), Some(execution)) = (handle(&checked, "verdictToken"), handle(&checked, "executionId")) else {
        return Ok(None);
    };
    let Some(pattern) = pattern(probe, user).await? else { return Ok(None) };
    let names = pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Only what was judged is injected.
    let variables: Map<String, Value> = names.map(|name| (name.to_owned(), json!(text))).collect();
    Ok(Some(json!({
        "patternId": pattern["id"], "request": request, "executionId": execution, "verdictToken": token, "variables": variables,
    })))
}

/// Returns the first recommended pattern.
async fn pattern(probe: &Probe<'_>, user: &Caller) -> Result<Option<Value>, Stop> {
    let part = probe.need(Service::Patterns)?;
    let intent = json!({ "intent": "review a database migration" });
    let selected = call(probe, &part, user, patterns::tool::SELECT, &intent).await;
    Ok(selected.structured()["patterns"].get(0).filter(|pattern| pattern["id"].is_string()).cloned())
}

async fn call(probe: &Probe<'_>, part: &str, user: &Caller, tool: &str, arguments: &Value) -> Answer {
    probe.send(part, &HttpRequest::tool(tool, arguments).bearer(&user.token)).await
}

/// Returns a text of a result.
fn handle(answer: &Answer, name: &str) -> Option<String> {
    answer.structured()[name].as_str().map(str::to_owned)
}

/// Returns an id of an execution that this text alone has.
fn execution_of(probe: &Probe<'_>, text: &str) -> String {
    let sum = text.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("{}-{sum:x}", probe.mark("execution"))
}
