//! The request to a model: the rules, the fields to reword, the facts. It never has a token, an organisation or a user in it.

use super::MAX_COMPLETION_TOKENS;
use crate::agent::Draft;
use serde_json::{Map, Value, json};

/// If fields and facts are longer than this, only the fields are sent.
pub const MAX_PROMPT_BYTES: usize = 48 << 10;

const RULES: &str = include_str!("../../templates/complete.md");

pub(super) fn request(model: &str, draft: &Draft) -> Vec<u8> {
    let fields: Map<String, Value> =
        draft.prose().into_iter().map(|(name, text)| (name, Value::String(text))).collect();
    let mut material = json!({ "fields": fields, "facts": draft.data() });
    if let Some(guidance) = draft.guidance() {
        material["guidance"] = Value::String(guidance.to_owned());
    }
    let mut text = material.to_string();
    if text.len() > MAX_PROMPT_BYTES {
        text = json!({ "fields": material["fields"] }).to_string();
    }
    json!({
        "model": model,
        "messages": [{ "role": "system", "content": RULES }, { "role": "user", "content": text }],
        "response_format": { "type": "json_object" },
        "max_tokens": MAX_COMPLETION_TOKENS,
    })
    .to_string()
    .into_bytes()
}
