//! Determines the protocol era of a request and checks that its headers agree with its body (MCP 2026-07-28,
//! basic/transports/streamable-http and basic/versioning).

use super::envelope::Envelope;
use super::failure::Failure;
use base64::Engine;
use http::{HeaderMap, StatusCode};
use mcp_contracts::service::PROTOCOL_MODERN;
use mcp_contracts::{headers, rpc};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Supported protocol revisions, newest first.
pub(crate) const PROTOCOLS: [&str; 5] = [PROTOCOL_MODERN, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2026-07-28: requests are independent of each other.
    Modern,
    /// Revisions with `initialize`.
    Legacy,
}

#[derive(Deserialize)]
struct EraParams<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
}

/// The protocol era and the abilities of the client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientProtocol {
    pub(super) era: Era,
    /// True if the client can ask its user for structured input.
    pub(super) supports_elicitation: bool,
}

/// Determines the era; fails if headers and body contradict each other.
pub(super) fn decide(headers: &HeaderMap, envelope: &Envelope<'_>) -> Result<ClientProtocol, Failure> {
    let header = text(headers, headers::MCP_PROTOCOL_VERSION)?;
    let params: Option<EraParams<'_>> = match envelope.params {
        Some(params) => {
            Some(serde_json::from_str(params.get()).map_err(|error| invalid(format!("invalid `params`: {error}")))?)
        }
        None => None,
    };
    let meta = params.as_ref().and_then(|params| params.meta.as_ref());
    let version = meta.and_then(|meta| meta.version.as_deref());
    // First, because it is unknown which of two different revisions the client means.
    if let (Some(header), Some(version)) = (header.as_deref(), version) {
        check_equal(headers::MCP_PROTOCOL_VERSION, Some(header), Some(version))?;
    }
    for named in [header.as_deref(), version].into_iter().flatten() {
        if !PROTOCOLS.contains(&named) {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                rpc::UNSUPPORTED_VERSION,
                format!("protocol revision `{named}` is not supported"),
            )
            .with_data(serde_json::json!({ "supported": PROTOCOLS, "requested": named })));
        }
    }
    // Either place makes a request modern, so that a missing counterpart is reported and the request is not taken for
    // an older one.
    if header.as_deref() != Some(PROTOCOL_MODERN) && version != Some(PROTOCOL_MODERN) {
        return Ok(ClientProtocol { era: Era::Legacy, supports_elicitation: false });
    }
    // `_meta` is required in requests, not in notifications.
    if envelope.id.is_some() {
        let Some(meta) = meta.filter(|meta| meta.version.is_some()) else {
            return Err(invalid(format!("`_meta` must have `{}`", headers::META_PROTOCOL_VERSION)));
        };
        if !meta.capabilities.is_some_and(|capabilities| capabilities.get().starts_with('{')) {
            return Err(invalid(format!("`_meta` must have `{}`", headers::META_CLIENT_CAPABILITIES)));
        }
        check_equal(headers::MCP_PROTOCOL_VERSION, header.as_deref(), version)?;
    }
    let method = text(headers, headers::MCP_METHOD)?;
    check_equal(headers::MCP_METHOD, method.as_deref(), Some(&envelope.method))?;
    let mirrored = params.as_ref().and_then(|params| match envelope.method.as_ref() {
        "tools/call" | "prompts/get" => params.name,
        "resources/read" => params.uri,
        _ => None,
    });
    if let Some(mirrored) = mirrored {
        let name = text(headers, headers::MCP_NAME)?;
        let body: Option<Cow<'_, str>> = serde_json::from_str(mirrored.get()).ok();
        check_equal(headers::MCP_NAME, name.as_deref(), body.as_deref())?;
    }
    let supports_elicitation = meta.and_then(|meta| meta.capabilities).is_some_and(supports_elicitation);
    Ok(ClientProtocol { era: Era::Modern, supports_elicitation })
}

/// Returns true if the client declared that it can ask its user with a form. An empty declaration of `elicitation` counts as well.
fn supports_elicitation(capabilities: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Capabilities {
        #[serde(default)]
        elicitation: Option<std::collections::BTreeMap<String, serde::de::IgnoredAny>>,
    }
    let declared = serde_json::from_str::<Capabilities>(capabilities.get()).ok().and_then(|all| all.elicitation);
    declared.is_some_and(|kinds| kinds.is_empty() || kinds.contains_key("form"))
}

/// Reads a header as text. `=?base64?…?=` encodes characters that a header cannot have.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<Cow<'a, str>>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // A gateway may have read the other one.
    if values.any(|other| other != value) {
        return Err(mismatch(format!("header `{name}` is repeated with different values")));
    }
    let unreadable = || mismatch(format!("header `{name}` cannot be decoded"));
    let value = value.to_str().map_err(|_| unreadable())?.trim();
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(Some(Cow::Borrowed(value)));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| unreadable())?;
    String::from_utf8(bytes).map(|text| Some(Cow::Owned(text))).map_err(|_| unreadable())
}

fn check_equal(name: &str, header: Option<&str>, body: Option<&str>) -> Result<(), Failure> {
    match (header, body) {
        (Some(header), Some(body)) if header == body => Ok(()),
        (None, _) => Err(mismatch(format!("header `{name}` is missing"))),
        (Some(_), _) => Err(mismatch(format!("header `{name}` differs from the body"))),
    }
}

fn mismatch(message: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, rpc::HEADER_MISMATCH, message)
}

fn invalid(message: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, rpc::INVALID_PARAMS, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(pairs: &[(&'static str, &str)], body: &Value) -> Result<Era, i64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let body = body.to_string();
        let envelope = super::super::envelope::parse(body.as_bytes(), 16).unwrap();
        decide(&headers, &envelope).map(|client| client.era).map_err(|failure| failure.code())
    }

    fn modern(name: &str) -> Value {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}})
    }

    const ALL: [(&str, &str); 3] =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "a")];

    #[test]
    fn a_complete_modern_request_and_every_older_one_pass() {
        assert_eq!(of(&ALL, &modern("a")), Ok(Era::Modern));
        let old = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a"}});
        assert_eq!(of(&[], &old), Ok(Era::Legacy));
        assert_eq!(of(&[("mcp-protocol-version", "2025-06-18")], &old), Ok(Era::Legacy));
        let encoded = [ALL[0], ALL[1], ("mcp-name", "=?base64?w6Q=?=")];
        assert_eq!(of(&encoded, &modern("ä")), Ok(Era::Modern));
    }

    #[test]
    fn a_client_can_be_asked_only_if_it_declared_forms() {
        let declared = [
            (json!({}), false),
            (json!({ "elicitation": {} }), true),
            (json!({ "elicitation": { "form": {} } }), true),
            (json!({ "elicitation": { "url": {} } }), false),
            (json!({ "sampling": {} }), false),
            (json!({ "elicitation": 7 }), false),
        ];
        for (capabilities, expected) in declared {
            let raw = serde_json::value::to_raw_value(&capabilities).unwrap();
            assert_eq!(supports_elicitation(&raw), expected, "{capabilities}");
        }
    }

    #[test]
    fn contradictions_and_missing_headers_have_their_codes() {
        let call = modern("a");
        for missing in ALL {
            let pairs: Vec<_> = ALL.into_iter().filter(|pair| *pair != missing).collect();
            assert_eq!(of(&pairs, &call), Err(rpc::HEADER_MISMATCH), "without {missing:?}");
        }
        assert_eq!(of(&ALL, &modern("b")), Err(rpc::HEADER_MISMATCH));
        assert_eq!(of(&[ALL[0], ("mcp-method", "ping"), ALL[2]], &call), Err(rpc::HEADER_MISMATCH));
        assert_eq!(of(&[("mcp-protocol-version", "2025-06-18"), ALL[1], ALL[2]], &call), Err(rpc::HEADER_MISMATCH));
        assert_eq!(of(&[("mcp-protocol-version", "2031-01-01")], &call), Err(rpc::HEADER_MISMATCH));
        let mut unknown = modern("a");
        unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
        assert_eq!(of(&ALL, &unknown), Err(rpc::HEADER_MISMATCH));
        assert_eq!(
            of(&[("mcp-protocol-version", "2031-01-01"), ALL[1], ALL[2]], &unknown),
            Err(rpc::UNSUPPORTED_VERSION)
        );
        let twice = [ALL[0], ALL[1], ALL[2], ("mcp-name", "b")];
        assert_eq!(of(&twice, &call), Err(rpc::HEADER_MISMATCH));
        assert_eq!(of(&[ALL[0], ALL[1], ALL[2], ALL[2]], &call), Ok(Era::Modern));
        let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a"}});
        assert_eq!(of(&ALL, &bare), Err(rpc::INVALID_PARAMS));
        let mut half = modern("a");
        half["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
        assert_eq!(of(&ALL, &half), Err(rpc::INVALID_PARAMS));
    }
}
