//! Any body: exactly the requests of JSON-RPC and MCP are accepted, and a refusal is short and has a code.

use super::*;
use fuzzing::Target;
use serde_json::{Value, json};

const TARGET: Target = Target::new("envelopes", &["services/kit/src/mcp/envelope.rs"]).with_words(&[
    "\"jsonrpc\":\"2.0\",",
    "\"method\":\"tools/call\",",
    "\"id\":null,",
    "\"id\":7,",
    "\"id\":\"a\",",
    "\"params\":{},",
    "\"result\":{},",
    "\\ud800",
    "\\u0000",
    "[[[[[[[[",
    "]]]]]]]]",
    "{\"a\":",
]);
const DEPTH: usize = 8;
/// Longest message of a refusal, in bytes. It may repeat a word of the body, and not the body.
const LONGEST_MESSAGE: usize = 500;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Returns true if a value without repeated fields is a request or a notification.
fn is_request(value: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    let id = fields.get("id").is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64());
    fields.get("jsonrpc") == Some(&json!("2.0"))
        && fields.get("method").is_some_and(Value::is_string)
        && id
        // `null` stands for an omitted field.
        && fields.get("params").is_none_or(|params| params.is_object() || params.is_null())
        && depth(value) <= DEPTH
}

#[test]
fn exactly_the_requests_of_the_protocol_are_accepted() {
    TARGET.run(|body| {
        let parsed = parse(body, DEPTH);
        match &parsed {
            Ok(envelope) => {
                let params = envelope.params.map_or("{}", RawValue::get);
                let method = Value::from(&*envelope.method);
                let id = envelope.id.map(|id| format!("\"id\":{},", id.get())).unwrap_or_default();
                let plain = format!(r#"{{"jsonrpc":"2.0",{id}"method":{method},"params":{params}}}"#);
                let again = parse(plain.as_bytes(), DEPTH).expect("the plain form of an accepted request is accepted");
                assert_eq!(again.method, envelope.method);
                assert_eq!(again.id.map(RawValue::get), envelope.id.map(RawValue::get));
            }
            Err(failure) => {
                assert!([rpc::PARSE_ERROR, rpc::INVALID_REQUEST].contains(&failure.code()), "{failure:?}");
                let length = failure.message().len();
                assert!(length <= LONGEST_MESSAGE, "a message of {length} bytes");
            }
        }
        // What a JSON library writes has no repeated fields.
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
        let text = value.to_string();
        let accepted = parse(text.as_bytes(), DEPTH).is_ok();
        assert_eq!(accepted, is_request(&value), "{text}");
        // The id is returned as it was sent, so it may have more digits than a number of the library.
        let is_long = value["id"].is_f64();
        assert!(accepted || is_long || parsed.is_err(), "the body is accepted, and what it says is not: {text}");
    });
}
