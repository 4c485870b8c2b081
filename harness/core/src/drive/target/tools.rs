//! The tools of a server, from its `tools/list`.

use crate::drive::client::{Client, Message};
use harness_history::Outcome;
use serde_json::{Map, Value};

/// Maximum number of pages of the list. A server whose cursors never end is not waited for.
const MAX_PAGES: usize = 100;

/// A tool, as the server describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    /// First line of the description; empty if it has none.
    pub about: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
}

/// Why the tools of a server are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the target does not list its tools: {0}")]
pub struct ToolsError(pub String);

/// Requests the tools, page by page.
///
/// # Errors
/// The server does not answer, refuses the request, or answers with something else.
pub async fn list_tools(client: &mut Client) -> Result<Vec<Tool>, ToolsError> {
    let (mut tools, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..MAX_PAGES {
        let params: Map<String, Value> = cursor.take().map(|cursor| ("cursor".to_owned(), cursor.into())).into_iter().collect();
        let message = Message { method: "tools/list".to_owned(), params, ..Message::default() };
        let reply = client.ask(&message).await;
        if reply.outcome != Outcome::Ok {
            return Err(ToolsError(refusal(&reply.outcome, &reply.error)));
        }
        let listed = reply.result["tools"].as_array();
        let listed = listed.ok_or_else(|| ToolsError("its reply to `tools/list` has no list `tools`".to_owned()))?;
        tools.extend(listed.iter().filter_map(tool));
        match reply.result["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(tools),
        }
    }
    Err(ToolsError(format!("the list has more than {MAX_PAGES} pages")))
}

fn refusal(outcome: &Outcome, error: &Value) -> String {
    let label = outcome.error().map(harness_history::ErrorKind::label).unwrap_or_default();
    match error["message"].as_str() {
        Some(message) => format!("{label}: {message}"),
        None => label,
    }
}

/// Reads one tool; `None` if it has no name, so that no client can call it.
fn tool(value: &Value) -> Option<Tool> {
    let name = value["name"].as_str()?.to_owned();
    let about = value["description"].as_str().and_then(|text| text.trim().lines().next()).unwrap_or_default();
    Some(Tool { name, about: about.to_owned(), input_schema: value["inputSchema"].clone() })
}

#[cfg(test)]
mod tests {
    use super::{Tool, tool};
    use serde_json::json;

    #[test]
    fn a_tool_has_its_name_its_first_line_and_its_schema() {
        let listed = json!({ "name": "add", "description": "\n Adds.\nSlowly.", "inputSchema": { "type": "object" } });
        let expected = Tool { name: "add".to_owned(), about: "Adds.".to_owned(), input_schema: json!({ "type": "object" }) };
        assert_eq!(tool(&listed), Some(expected));
        assert_eq!(tool(&json!({ "description": "no name" })), None);
    }
}
