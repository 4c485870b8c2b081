//! Which protocol a client speaks with its server, and the session that the server has opened for it.

use mcp_contracts::headers;
use mcp_contracts::service::PROTOCOL_MODERN;
use serde::{Deserialize, Serialize};

/// Header of the session of a legacy server.
pub(super) const SESSION_ID: &str = "mcp-session-id";

/// The protocol between a client and its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// 2026-07-28: every request is independent.
    Modern,
    /// A revision with the `initialize` handshake.
    Legacy {
        /// The revision that the server chose, such as `2025-11-25`.
        version: String,
        /// The session that the server opened; `None` if it has none.
        session: Option<String>,
    },
}

impl Protocol {
    /// The revision, such as `2026-07-28`.
    pub fn version(&self) -> &str {
        match self {
            Self::Modern => PROTOCOL_MODERN,
            Self::Legacy { version, .. } => version,
        }
    }
}

/// The state of a client: what it speaks, and whether it has to find that out.
#[derive(Debug)]
pub(super) struct Session {
    /// `None`: a handshake is due.
    protocol: Option<Protocol>,
    negotiates: bool,
    /// True if a handshake has shown that the server is a legacy one, so that the next one does not try 2026-07-28 again.
    is_legacy: bool,
}

impl Session {
    pub(super) const fn modern() -> Self {
        Self { protocol: Some(Protocol::Modern), negotiates: false, is_legacy: false }
    }

    pub(super) const fn unknown() -> Self {
        Self { protocol: None, negotiates: true, is_legacy: false }
    }

    pub(super) const fn protocol(&self) -> Option<&Protocol> {
        self.protocol.as_ref()
    }

    pub(super) const fn negotiates(&self) -> bool {
        self.negotiates
    }

    pub(super) const fn is_legacy(&self) -> bool {
        self.is_legacy
    }

    /// Returns true if calls have the form of 2026-07-28.
    pub(super) const fn is_modern(&self) -> bool {
        !matches!(self.protocol, Some(Protocol::Legacy { .. }))
    }

    pub(super) fn open(&mut self, protocol: Protocol) {
        self.is_legacy = matches!(protocol, Protocol::Legacy { .. });
        self.protocol = Some(protocol);
    }

    /// Takes the session out, so that the next call begins with a handshake.
    pub(super) fn close(&mut self) -> Option<Protocol> {
        if self.negotiates { self.protocol.take() } else { None }
    }

    /// Handles a 400 or 404: if the client has a session, the server has lost it.
    pub(super) fn lost(&mut self) {
        if matches!(self.protocol, Some(Protocol::Legacy { session: Some(_), .. })) {
            self.protocol = None;
        }
    }

    /// Returns the headers with which each request names the protocol and the session. There are none before a handshake.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = Vec::new();
        if let Some(protocol) = &self.protocol {
            fields.push((headers::MCP_PROTOCOL_VERSION, protocol.version()));
            if let Protocol::Legacy { session: Some(session), .. } = protocol {
                fields.push((SESSION_ID, session.as_str()));
            }
        }
        fields
    }
}
