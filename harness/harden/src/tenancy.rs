//! Tenancy: no user reaches the data of another organisation, of a colleague or of another workspace.

pub(crate) mod by_id;
pub(crate) mod cursor;
pub(crate) mod deleted;
pub(crate) mod duplicates;
pub(crate) mod handles;
pub(crate) mod search;
pub(crate) mod tags;

use harness_core::drive::hardening::{Answer, Caller, HttpRequest, Probe, Stop};
use serde_json::{Value, json};

const TENANT_SOURCES: &[&str] = &["OWASP API1:2023", "OWASP MCP10:2025", "CWE-639"];

/// Calls a tool as a user.
async fn call(probe: &Probe<'_>, part: &str, user: &Caller, tool: &str, arguments: &Value) -> Answer {
    probe.send(part, &HttpRequest::tool(tool, arguments).bearer(&user.token)).await
}

/// Stores a memory as a user, as a control request, and returns its id.
async fn store(probe: &Probe<'_>, part: &str, user: &Caller, arguments: &Value) -> Result<String, Stop> {
    let request = HttpRequest::tool("store_memory", arguments).bearer(&user.token);
    let stored = probe.control(part, "the owner stores a memory", &request).await?;
    let id = stored.structured()["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Stop::Unclear("the reply of `store_memory` has no id".to_owned()))
}

/// Returns the users who may not see what `ann` of `acme` keeps private.
pub(crate) fn strangers(probe: &Probe<'_>) -> [(&'static str, Caller); 3] {
    [
        ("a colleague", probe.user("bob", "acme")),
        ("another organisation", probe.user("zoe", "zeta")),
        (
            "the same name in another workspace",
            probe.user_with("ann", "acme", |grant| "elsewhere".clone_into(&mut grant.workspace)),
        ),
    ]
}

/// Whether a call may be refused. A valid call that is refused shows nothing of anyone, so it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Valid,
    MayBeRefused,
}

/// Records as a case that a reply to a stranger shows nothing of a memory: neither its text nor its id.
fn expect_hidden(probe: &Probe<'_>, part: &str, case: &str, call: Call, answer: &Answer, (text, id): (&str, &str)) {
    let body = answer.body_text();
    let signs = [("the reply has the text", body.contains(text)), ("the reply has the id", body.contains(id))];
    let answered = proves_something(call, answer.has_result(), answer.is_refused());
    probe.judge(part, case, answered && !body.contains(text) && !body.contains(id), &signs, &[answer]);
}

/// Returns true if the reply to a call could have shown something: a result, or a refusal of a call that may be refused.
const fn proves_something(call: Call, has_result: bool, is_refused: bool) -> bool {
    match call {
        Call::Valid => has_result,
        Call::MayBeRefused => has_result || is_refused,
    }
}

/// Returns the id of a memory that does not exist, which differs from `id` in its last digits.
fn unknown_id(id: &str) -> String {
    let kept = id.get(..id.len().saturating_sub(4)).unwrap_or_default();
    let end = if id.ends_with("abcd") { "dcba" } else { "abcd" };
    format!("{kept}{end}")
}

fn note(content: &str) -> Value {
    json!({ "content": content })
}

#[cfg(test)]
mod tests {
    use super::{Call, proves_something};

    #[test]
    fn a_valid_call_that_is_refused_or_gets_no_reply_proves_nothing() {
        assert!(proves_something(Call::Valid, true, false) && proves_something(Call::MayBeRefused, false, true));
        assert!(!proves_something(Call::Valid, false, true));
        assert!(!proves_something(Call::Valid, false, false) && !proves_something(Call::MayBeRefused, false, false));
    }
}
