//! The JSON-RPC envelope of a request, borrowed from its body. A malformed one gets an error code of JSON-RPC 2.0; the SDK would return a
//! bare HTTP error.

use super::failure::Failure;
use http::StatusCode;
use mcp_contracts::rpc;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A request or a notification.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// A string or an integer; `None` in a notification.
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Cow<'a, str>,
    pub(super) params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Distinguishes `null` from a missing field.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Parses the envelope of `body`, which may be nested at most `depth` levels.
pub(super) fn parse(body: &[u8], depth: usize) -> Result<Envelope<'_>, Failure> {
    // Some clients on Windows write a byte order mark, which a parser may ignore (RFC 8259, section 8.1).
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    // First, because `serde_json` recurses once for each level.
    if deeper_than(body, depth) {
        return Err(invalid(format!("the body is nested deeper than {depth} levels")));
    }
    let text = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
    let raw: Raw<'_> = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => serde_json::from_str(text).map_err(|error| {
            if error.is_data() { invalid(format!("the body is not a request: {error}")) } else { not_json(&error) }
        })?,
        None => {
            let text = "the body is empty; send one JSON-RPC request";
            return Err(Failure::new(StatusCode::BAD_REQUEST, rpc::PARSE_ERROR, text));
        }
        Some(_) => {
            let _: serde::de::IgnoredAny = serde_json::from_str(text).map_err(|error| not_json(&error))?;
            return Err(invalid("the body must be one JSON object; revision 2025-06-18 removed batches"));
        }
    };
    // JSON-RPC also allows fractions and null as ids; MCP does not.
    if let Some(id) = raw.id
        && !is_valid_id(id.get())
    {
        return Err(invalid("`id` must be a string or an integer"));
    }
    let fail = |message: &str| invalid(message).with_id(raw.id);
    if raw.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return Err(fail("`jsonrpc` must be \"2.0\""));
    }
    let Some(method) = raw.method else {
        let is_reply = raw.result.is_some() || raw.error.is_some();
        return Err(fail(if is_reply {
            "this is a reply, and the service sends no requests"
        } else {
            "`method` is missing"
        }));
    };
    // A name without escapes is borrowed, which costs nothing.
    let method = serde_json::from_str::<&str>(method.get()).map(Cow::Borrowed).or_else(|_| {
        serde_json::from_str::<String>(method.get()).map(Cow::Owned).map_err(|_| fail("`method` must be a string"))
    });
    let method = method?;
    if raw.params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(fail("`params` must be an object"));
    }
    Ok(Envelope { id: raw.id, method, params: raw.params })
}

fn is_valid_id(id: &str) -> bool {
    match id.as_bytes().first() {
        Some(b'"') => true,
        Some(b'-' | b'0'..=b'9') => !id.contains(['.', 'e', 'E']),
        Some(_) | None => false,
    }
}

/// Counts brackets outside strings, so that no recursive parser gets a deeply nested body.
fn deeper_than(body: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn not_json(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, rpc::PARSE_ERROR, format!("the body is not JSON: {error}"))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, rpc::INVALID_REQUEST, message)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_malformed_body_has_its_code() {
        let cases: &[(&str, i64)] = &[
            ("", rpc::PARSE_ERROR),
            ("{", rpc::PARSE_ERROR),
            ("nonsense", rpc::PARSE_ERROR),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, rpc::PARSE_ERROR),
            ("[]", rpc::INVALID_REQUEST),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, rpc::INVALID_REQUEST),
            ("7", rpc::INVALID_REQUEST),
            ("{}", rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, rpc::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, rpc::INVALID_REQUEST),
        ];
        for (body, code) in cases {
            assert_eq!(parse(body.as_bytes(), 64).unwrap_err().code(), *code, "{body}");
        }
        // An error names the request as soon as its id is known.
        let reply = parse(br#"{"jsonrpc":"2.0","id":3,"result":{}}"#, 64).unwrap_err();
        assert!(reply.message().contains("a reply"), "{reply:?}");
        assert_eq!(reply.id(), Some("3"));
        let old = parse(br#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, 64).unwrap_err();
        assert_eq!(old.id(), Some("\"a\""));
        assert!(parse(b" \n", 64).unwrap_err().message().contains("empty"));
        assert_eq!(parse(b"\xEF\xBB\xBF{\"jsonrpc\":\"2.0\",\"method\":\"a\"}", 64).unwrap().method, "a");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(deep.as_bytes(), 64).unwrap_err().code(), rpc::INVALID_REQUEST);
        assert_eq!(parse(b"{\"a\":\"\xff\"}", 64).unwrap_err().code(), rpc::PARSE_ERROR);
    }

    #[test]
    fn brackets_in_strings_are_not_depth() {
        let body = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"x","params":{{"t":"{}\"["}}}}"#, "[".repeat(200));
        let envelope = parse(body.as_bytes(), 4).unwrap();
        assert_eq!(envelope.method, "x");
        assert_eq!(envelope.id.map(RawValue::get), Some("\"a\""));
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = parse(&body, 8);
        }
    }
}
