//! How a hardening run reaches a target: the tokens of its users, the revision that the server speaks, and the session of an older one. The services of
//! this product need none of it: their tokens are signed by the stage, and they keep no session.

use super::request::HttpRequest;
use crate::drive::client::{Endpoint, exchange};
use mcp_contracts::headers;
use mcp_contracts::service::{PROTOCOL_LEGACY, PROTOCOL_MODERN};
use serde_json::{Value, json};
use std::time::Duration;

/// Header of the session of an older revision.
const SESSION: &str = "mcp-session-id";
/// Deadline of each request of the handshake.
const DEADLINE: Duration = Duration::from_secs(12);

/// The access to a target, which all checks of a run share.
pub struct Access {
    /// One token for each organisation; empty if the server needs none.
    tokens: Vec<String>,
    revision: Revision,
}

/// The revision of the protocol that a server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Revision {
    /// 2026-07-28 or later: each request is independent.
    Modern,
    /// An older one, with a handshake.
    Legacy { version: String, session: Option<String> },
}

impl Access {
    /// Finds out the revision of a server: asks for its tools as 2026-07-28 requires and, if that has no result, makes the handshake of the older ones.
    ///
    /// # Errors
    /// The server answers neither.
    pub(crate) async fn open(endpoint: &Endpoint, tokens: Vec<String>) -> Result<Self, String> {
        let token = tokens.first().cloned().unwrap_or_default();
        let modern = Self { tokens, revision: Revision::Modern };
        let listed = modern.send(endpoint, &HttpRequest::tools_list().bearer(&token)).await;
        if listed.message["result"]["tools"].is_array() {
            return Ok(modern);
        }
        let offer = json!({
            "protocolVersion": PROTOCOL_LEGACY, "capabilities": {},
            "clientInfo": { "name": "harness", "version": env!("CARGO_PKG_VERSION") },
        });
        let request = HttpRequest::legacy("initialize", &offer).bearer(&token);
        let greeted = modern.send(endpoint, &request).await;
        let Some(version) = greeted.message["result"]["protocolVersion"].as_str() else {
            let (modern, legacy) = (listed.describe(), greeted.describe());
            return Err(format!(
                "`tools/list` of {PROTOCOL_MODERN} has no result ({modern}), and `initialize` has none either ({legacy})"
            ));
        };
        let revision = Revision::Legacy { version: version.to_owned(), session: greeted.session };
        let legacy = Self { revision, ..modern };
        let initialized = HttpRequest::legacy_notification("notifications/initialized").bearer(&token);
        legacy.send(endpoint, &legacy.adapted(&initialized)).await;
        Ok(legacy)
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(&self, endpoint: &Endpoint) {
        if let Revision::Legacy { session: Some(_), .. } = &self.revision {
            // A server may refuse it with 405 and end the session later (2025-11-25, session management).
            self.send(endpoint, &self.adapted(&HttpRequest::bare("DELETE", None).bearer(self.token(0)))).await;
        }
    }

    /// True if each request is independent (2026-07-28).
    pub(super) fn is_modern(&self) -> bool {
        self.revision == Revision::Modern
    }

    /// Returns the token of an organisation, by its number; empty if the server needs none. Without a second token both are the same organisation.
    pub(super) fn token(&self, organisation: usize) -> &str {
        self.tokens.get(organisation).or(self.tokens.first()).map_or("", String::as_str)
    }

    /// Every secret that must not reach the evidence.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let session = match &self.revision {
            Revision::Legacy { session: Some(session), .. } => Some(session.as_str()),
            Revision::Legacy { session: None, .. } | Revision::Modern => None,
        };
        self.tokens.iter().map(String::as_str).chain(session).collect()
    }

    /// Returns the request as the server's revision requires it. A revision that a check has changed stays as it is.
    pub(super) fn adapted(&self, request: &HttpRequest) -> HttpRequest {
        let Revision::Legacy { version, session } = &self.revision else { return request.clone() };
        let mut adapted = request.clone();
        if adapted.value_of(headers::MCP_PROTOCOL_VERSION) == Some(PROTOCOL_MODERN) {
            adapted = adapted.with(headers::MCP_PROTOCOL_VERSION, version);
        }
        match session {
            Some(session) if adapted.value_of(SESSION).is_none() => adapted.header(SESSION, session),
            Some(_) | None => adapted,
        }
    }

    async fn send(&self, endpoint: &Endpoint, request: &HttpRequest) -> Greeting {
        let exchanged = exchange(endpoint, &request.bytes(endpoint), DEADLINE).await;
        let text = String::from_utf8_lossy(&exchanged.body).into_owned();
        let event = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
        let message = serde_json::from_str(event.unwrap_or(&text)).unwrap_or(Value::Null);
        let session = exchanged.headers.iter().find(|(name, _)| name == SESSION).map(|(_, value)| value.clone());
        let lost = exchanged.status.is_none().then(|| format!("{:?}", exchanged.outcome));
        Greeting { status: exchanged.status, message, session, lost }
    }
}

/// The reply to a request of the handshake.
struct Greeting {
    status: Option<u16>,
    message: Value,
    session: Option<String>,
    lost: Option<String>,
}

impl Greeting {
    fn describe(&self) -> String {
        let error = self.message["error"]["message"].as_str().map(|text| format!(", `{text}`")).unwrap_or_default();
        match (self.status, &self.lost) {
            (Some(status), _) => format!("status {status}{error}"),
            (None, lost) => format!("no reply: {}", lost.as_deref().unwrap_or("unknown")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Revision, SESSION};
    use crate::drive::hardening::HttpRequest;
    use mcp_contracts::headers::MCP_PROTOCOL_VERSION;

    #[test]
    fn a_request_gets_the_revision_and_the_session_of_the_server() {
        let revision = Revision::Legacy { version: "2025-06-18".to_owned(), session: Some("s-1".to_owned()) };
        let access = Access { tokens: vec!["t".to_owned()], revision };
        let adapted = access.adapted(&HttpRequest::tools_list());
        assert_eq!(
            (adapted.value_of(MCP_PROTOCOL_VERSION), adapted.value_of(SESSION)),
            (Some("2025-06-18"), Some("s-1"))
        );
        let changed = access.adapted(&HttpRequest::tools_list().with(MCP_PROTOCOL_VERSION, "latest"));
        assert_eq!(changed.value_of(MCP_PROTOCOL_VERSION), Some("latest"), "what a check tests is not changed");
        assert_eq!((access.token(0), access.token(1), access.secrets()), ("t", "t", vec!["t", "s-1"]));
        let modern = Access { tokens: Vec::new(), revision: Revision::Modern };
        assert_eq!(modern.adapted(&HttpRequest::tools_list()).value_of(SESSION), None);
        assert_eq!((modern.token(0), modern.is_modern()), ("", true));
    }
}
