//! The answer of a model, parsed strictly: one JSON object from field names to texts. The draft checks the names.

use super::LlmError;
use serde::Deserialize;
use std::collections::BTreeMap;

pub const MAX_REPLY_BYTES: usize = 64 << 10;

#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Completion {
    pub(super) fn read(body: &[u8]) -> Result<Self, LlmError> {
        serde_json::from_slice(body).map_err(|_| LlmError::Unusable("its body is not a chat completion"))
    }

    /// Tokens of the prompt and of the completion, if the endpoint reports them.
    pub(super) fn tokens(&self) -> Option<(u64, u64)> {
        self.usage.as_ref().map(|usage| (usage.prompt_tokens, usage.completion_tokens))
    }

    pub(super) fn wording(&self) -> Result<BTreeMap<String, String>, LlmError> {
        let content = self.choices.first().and_then(|choice| choice.message.content.as_deref());
        let content = content.ok_or(LlmError::Unusable("it has no content"))?;
        let wording: BTreeMap<String, String> = serde_json::from_str(unfenced(content))
            .map_err(|_| LlmError::Unusable("its content is not a JSON object of texts"))?;
        if wording.values().any(|text| text.chars().any(char::is_alphanumeric)) {
            Ok(wording)
        } else {
            Err(LlmError::Unusable("it has no text"))
        }
    }
}

/// Removes the code fence that many models put around JSON.
fn unfenced(content: &str) -> &str {
    let content = content.trim();
    let inner = content.strip_prefix("```json").or_else(|| content.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).map_or(content, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wording(content: &str) -> Result<BTreeMap<String, String>, LlmError> {
        let body = json!({ "choices": [{ "message": { "role": "assistant", "content": content } }] }).to_string();
        Completion::read(body.as_bytes()).unwrap().wording()
    }

    #[test]
    fn one_object_of_texts_is_wording_also_inside_a_fence() {
        for content in [r#"{"summary":"x"}"#, "```json\n{\"summary\":\"x\"}\n```", "```\n{\"summary\":\"x\"}```"] {
            assert_eq!(wording(content).unwrap()["summary"], "x", "{content}");
        }
    }

    #[test]
    fn anything_else_is_unusable() {
        for content in [
            "",
            "Sure! {\"summary\":\"x\"}",
            "[]",
            "{}",
            r#"{"summary":3}"#,
            r#"{"summary":{"a":"b"}}"#,
            r#"{"summary":" "}"#,
        ] {
            assert!(matches!(wording(content), Err(LlmError::Unusable(_))), "{content}");
        }
        for body in ["", "null", "{}", r#"{"choices":{}}"#] {
            assert!(Completion::read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Completion::read(br#"{"choices":[]}"#).unwrap().wording().is_err());
    }
}
