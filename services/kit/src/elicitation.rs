//! Lets a tool ask the client's user a question before it replies (MCP 2026-07-28, multi round-trip requests). The first call ends with the
//! question, and the client repeats the call with the answer. The service keeps nothing between the two calls; the state of the question
//! travels through the client.

use serde_json::{Map, Value};

/// The state of the elicitation between a tool and the client's user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ElicitationContext {
    /// True if the client speaks revision 2026-07-28 and declared that it can ask its user for structured input.
    pub supports_elicitation: bool,
    /// The answers, if this call repeats an earlier one.
    pub responses: Option<ElicitationResponses>,
}

/// The answers that the client sent with a repeated call. They are untrusted: a tool must check the state before it uses the responses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ElicitationResponses {
    /// [`Elicitation::state`], as the client sent it back.
    pub state: String,
    /// Responses by the key of their question.
    pub responses: Map<String, Value>,
}

impl ElicitationResponses {
    /// Returns the content of an accepted response; `None` if the user declined, cancelled or was not asked.
    pub fn accepted(&self, key: &str) -> Option<&Map<String, Value>> {
        let response = self.responses.get(key)?;
        (response["action"] == "accept").then(|| response["content"].as_object())?
    }
}

/// Result of a tool: its reply, or a question.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolOutcome<T> {
    Complete(T),
    /// A question; the client repeats the call with the answer.
    InputRequired(Elicitation),
}

/// A question for the client's user.
#[derive(Debug, Clone, PartialEq)]
pub struct Elicitation {
    /// Key of the response.
    pub key: &'static str,
    pub message: String,
    /// JSON Schema of the response: an object of plain fields.
    pub schema: Value,
    /// State that the client sends back with the response. It must be signed, because it travels through the client.
    pub state: String,
}

impl Elicitation {
    /// Returns the fields of an `input_required` result.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let request = serde_json::json!({
            "method": "elicitation/create",
            "params": { "mode": "form", "message": self.message, "requestedSchema": self.schema },
        });
        Map::from_iter([
            ("resultType".to_owned(), Value::from("input_required")),
            ("inputRequests".to_owned(), Value::Object(Map::from_iter([(self.key.to_owned(), request)]))),
            ("requestState".to_owned(), Value::from(self.state.as_str())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_an_accepted_response_has_content() {
        let responses = json!({ "a": { "action": "accept", "content": { "yes": true } }, "b": { "action": "decline" }, "c": 7,
            "d": { "action": "cancel", "content": { "yes": true } } });
        let elicited = ElicitationResponses { state: String::new(), responses: responses.as_object().unwrap().clone() };
        assert_eq!(elicited.accepted("a").unwrap()["yes"], true);
        for key in ["b", "c", "d", "e"] {
            assert_eq!(elicited.accepted(key), None, "{key}");
        }
    }
}
