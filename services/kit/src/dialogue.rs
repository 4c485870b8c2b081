//! How a tool asks its caller something before it answers (MCP 2026-07-28, multi round-trip requests): the first call ends with a
//! question, the client repeats it with the answer. Nothing is kept between the two calls but what the question's state carries.

use serde_json::{Map, Value};

/// What the client can be asked, and what it has answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dialogue {
    /// True where the client speaks the modern era and declared that it can ask its user for structured input.
    pub can_ask: bool,
    /// Its answers, where this call repeats an earlier one.
    pub answered: Option<Answered>,
}

/// What came back with a repeated call. It comes from outside: nothing in it is trusted before it was checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answered {
    /// The state of the question, as the client says it got it.
    pub state: String,
    /// Answers by the key of their question.
    pub responses: Map<String, Value>,
}

impl Answered {
    /// The content of an accepted answer; `None` where the user declined, cancelled or was not asked this.
    pub fn accepted(&self, key: &str) -> Option<&Map<String, Value>> {
        let response = self.responses.get(key)?;
        (response["action"] == "accept").then(|| response["content"].as_object())?
    }
}

/// What a tool answers: its reply, or a question first.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<T> {
    /// The reply.
    Complete(T),
    /// A question; the client calls again with the answer.
    Ask(Question),
}

/// A question for the client's user.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Key of its answer.
    pub key: &'static str,
    /// What the user reads.
    pub message: String,
    /// JSON Schema of the answer: an object of plain fields.
    pub schema: Value,
    /// What comes back with the answer; it travels through the client, so it must be signed.
    pub state: String,
}

impl Question {
    /// The `input_required` result, without what every result carries.
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
    fn only_an_accepted_answer_has_content() {
        let responses = json!({ "a": { "action": "accept", "content": { "yes": true } }, "b": { "action": "decline" }, "c": 7,
            "d": { "action": "cancel", "content": { "yes": true } } });
        let answered = Answered { state: String::new(), responses: responses.as_object().unwrap().clone() };
        assert_eq!(answered.accepted("a").unwrap()["yes"], true);
        for key in ["b", "c", "d", "e"] {
            assert_eq!(answered.accepted(key), None, "{key}");
        }
    }
}
