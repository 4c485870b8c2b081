//! How a hardening run reaches a target: the tokens of its users, the revision that the server speaks, and the session of an older one. The services of
//! this product need none of it: their tokens are signed by the stage, and they keep no session.

use super::request::HttpRequest;
use crate::drive::client::{
    Bearer, Client, ClientOptions, ConnectionError, Endpoint, Protocol, check_connection, exchange,
};
use mcp_contracts::headers;
use mcp_contracts::service::PROTOCOL_MODERN;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Header of the session of an older revision.
const SESSION: &str = "mcp-session-id";
/// Deadline of the request that ends the session.
const DEADLINE: Duration = Duration::from_secs(12);

/// The access to a target, which all checks of a run share.
pub(crate) struct Access {
    /// One token for each organisation; empty if the server needs none.
    tokens: Vec<String>,
    protocol: Protocol,
    /// Id of the last request. Checks run at the same time, and a session that gets one id twice answers only one of the two.
    last_id: AtomicU64,
}

impl Access {
    /// Makes the handshake with a server, as the client of a load does.
    ///
    /// # Errors
    /// The server cannot be called.
    pub(crate) async fn open(endpoint: Arc<Endpoint>, bearers: &[Arc<Bearer>]) -> Result<Self, ConnectionError> {
        // Lists the tools too, so that a token that is refused is an error of the plan and no finding.
        check_connection(&endpoint, bearers.first(), ClientOptions::default()).await?;
        let mut client = Client::negotiating(Arc::clone(&endpoint), ClientOptions::default());
        if let Some(bearer) = bearers.first() {
            client.set_bearer(Arc::clone(bearer));
        }
        let _ = client.ready().await;
        // The session that was just opened stays open until `close`.
        let protocol = client.protocol().cloned().unwrap_or(Protocol::Modern);
        let tokens = bearers.iter().map(|bearer| bearer.current().0.to_string()).collect();
        Ok(Self { tokens, protocol, last_id: AtomicU64::new(1) })
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(&self, endpoint: &Endpoint) {
        if let Protocol::Legacy { session: Some(_), .. } = &self.protocol {
            // A server may refuse it with 405 and end the session later (2025-11-25, session management).
            let request = self.adapted(&HttpRequest::bare("DELETE", None).bearer(self.token(0)));
            exchange(endpoint, &request.bytes(endpoint), DEADLINE).await;
        }
    }

    /// True if each request is independent (2026-07-28).
    pub(super) fn is_modern(&self) -> bool {
        self.protocol == Protocol::Modern
    }

    /// True if the server has opened a session, which it may lose.
    pub(super) const fn has_session(&self) -> bool {
        matches!(self.protocol, Protocol::Legacy { session: Some(_), .. })
    }

    /// Returns the token of an organisation, by its number; empty if the server needs none. Without a second token both are the same organisation.
    pub(super) fn token(&self, organisation: usize) -> &str {
        self.tokens.get(organisation).or(self.tokens.first()).map_or("", String::as_str)
    }

    /// Every secret that must not reach the evidence.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let session = match &self.protocol {
            Protocol::Legacy { session: Some(session), .. } => Some(session.as_str()),
            Protocol::Legacy { session: None, .. } | Protocol::Modern => None,
        };
        self.tokens.iter().map(String::as_str).chain(session).collect()
    }

    /// Returns the request as the server's revision requires it. A revision that a check has changed stays as it is.
    pub(super) fn adapted(&self, request: &HttpRequest) -> HttpRequest {
        let Protocol::Legacy { version, session } = &self.protocol else { return request.clone() };
        let mut adapted = request.clone();
        if adapted.value_of(headers::MCP_PROTOCOL_VERSION) == Some(PROTOCOL_MODERN) {
            adapted = adapted.with(headers::MCP_PROTOCOL_VERSION, version);
        }
        adapted = adapted.without_meta();
        match session {
            Some(session) if adapted.value_of(SESSION).is_none() => {
                let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
                adapted.header(SESSION, session).with_id(id)
            }
            Some(_) | None => adapted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, AtomicU64, Protocol, SESSION};
    use crate::drive::hardening::HttpRequest;
    use mcp_contracts::headers::MCP_PROTOCOL_VERSION;

    #[test]
    fn a_request_gets_the_revision_and_the_session_of_the_server() {
        let protocol = Protocol::Legacy { version: "2025-06-18".to_owned(), session: Some("s-1".to_owned()) };
        let access = Access { tokens: vec!["t".to_owned()], protocol, last_id: AtomicU64::new(99) };
        let adapted = access.adapted(&HttpRequest::tools_list());
        assert_eq!(
            (adapted.value_of(MCP_PROTOCOL_VERSION), adapted.value_of(SESSION)),
            (Some("2025-06-18"), Some("s-1"))
        );
        let (sent, whole) = (String::from_utf8_lossy(adapted.body()).into_owned(), HttpRequest::tools_list());
        assert!(!sent.contains("2026-07-28"), "{sent} contradicts its header");
        assert_eq!(sent.len(), whole.body().len(), "a check of a limit counts the bytes");
        let id =
            |request: &HttpRequest| serde_json::from_slice::<serde_json::Value>(request.body()).unwrap()["id"].clone();
        let ids = [id(&adapted), id(&access.adapted(&HttpRequest::tools_list()))];
        assert_eq!(ids, [100, 101], "a session that gets one id twice at the same time answers only one");
        let changed = access.adapted(&HttpRequest::tools_list().with(MCP_PROTOCOL_VERSION, "latest"));
        assert_eq!(changed.value_of(MCP_PROTOCOL_VERSION), Some("latest"), "what a check tests is not changed");
        assert_eq!((access.token(0), access.token(1), access.secrets()), ("t", "t", vec!["t", "s-1"]));
        let modern = Access { tokens: Vec::new(), protocol: Protocol::Modern, last_id: AtomicU64::new(1) };
        assert_eq!(modern.adapted(&HttpRequest::tools_list()).value_of(SESSION), None);
        assert_eq!((modern.token(0), modern.is_modern()), ("", true));
    }
}
