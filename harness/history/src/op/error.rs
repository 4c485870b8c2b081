//! The kinds of errors that end a call.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// JSON-RPC code of a service that is overloaded or has no time left (HTTP 503).
const UNAVAILABLE: i64 = -31_503;
/// Codes of tools that mean the same.
const SLOW_CODES: [&str; 3] = ["deadline_exceeded", "dependency_unavailable", "overloaded"];

/// What kind of error ended a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No connection; nothing was sent.
    Connect,
    /// The request was sent, but no complete reply arrived before the deadline.
    Timeout,
    /// The request was sent, but the connection ended before the reply was complete.
    Reset,
    /// An HTTP status other than 2xx and 429.
    Http(u16),
    /// Refused by quota (429 without the code `overloaded`, or the code `quota_exceeded`).
    Quota,
    /// A JSON-RPC error, with its code.
    JsonRpc(i64),
    /// A tool result with `isError`, with its stable code.
    Tool(Arc<str>),
    /// The service asks the client a question first (`input_required`). It has not carried out the call.
    InputRequired,
    /// A reply that the protocol does not allow, with the reason.
    Malformed(Arc<str>),
    /// The machine of the harness failed, not the service, with the reason: it has no descriptor, port, buffer or memory left for a connection,
    /// cannot resolve the name of the host, does not trust its certificate, or has a token that ended after the service had accepted it.
    Local(Arc<str>),
}

impl ErrorKind {
    /// Name of the group in which reports count this error.
    pub const fn group(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Http(_) => "http",
            Self::Quota => "quota",
            Self::JsonRpc(_) => "json_rpc",
            Self::Tool(_) => "is_error",
            Self::InputRequired => "input_required",
            Self::Malformed(_) => "malformed",
            Self::Local(_) => "local",
        }
    }

    /// The group with its status or code, such as `http 503`.
    pub fn label(&self) -> String {
        match self {
            Self::Http(status) => format!("http {status}"),
            Self::JsonRpc(code) => format!("json_rpc {code}"),
            Self::Tool(code) => format!("is_error {code}"),
            Self::Connect
            | Self::Timeout
            | Self::Reset
            | Self::Quota
            | Self::InputRequired
            | Self::Malformed(_)
            | Self::Local(_) => self.group().to_owned(),
        }
    }

    /// Returns true if a machine that is too slow explains the error: no answer in time, or the answer of a service that has no time or waits for
    /// one that has none.
    pub(crate) fn is_explained_by_slowness(&self) -> bool {
        match self {
            Self::Timeout | Self::Connect | Self::Http(503 | 504) | Self::JsonRpc(UNAVAILABLE) => true,
            Self::Tool(code) => SLOW_CODES.contains(&&**code),
            Self::Reset
            | Self::Http(_)
            | Self::Quota
            | Self::JsonRpc(_)
            | Self::InputRequired
            | Self::Malformed(_)
            | Self::Local(_) => false,
        }
    }

    /// Returns true if one of these names is that of the error: an HTTP error has its status (`http_503`), a JSON-RPC error its code
    /// (`json_rpc_-32602`), an error of a tool its own code (`not_found`), and any other error the name of its group (`timeout`).
    pub fn is_named(&self, names: &[String]) -> bool {
        let named = |name: &str| names.iter().any(|known| known == name);
        match self {
            Self::Http(status) => named(&format!("http_{status}")),
            Self::JsonRpc(code) => named(&format!("json_rpc_{code}")) || named(self.group()),
            Self::Tool(code) => named(code),
            other => named(other.group()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn an_error_has_the_name_that_a_file_gives_it() {
        let names = ["quota", "http_503", "dependency_unavailable", "json_rpc_-32602"].map(str::to_owned);
        let named = [
            ErrorKind::Quota,
            ErrorKind::Http(503),
            ErrorKind::Tool("dependency_unavailable".into()),
            ErrorKind::JsonRpc(-32_602),
        ];
        assert!(named.iter().all(|kind| kind.is_named(&names)));
        let others =
            [ErrorKind::Http(500), ErrorKind::Tool("internal".into()), ErrorKind::Timeout, ErrorKind::JsonRpc(-32_603)];
        assert!(!others.iter().any(|kind| kind.is_named(&names)));
        assert!(ErrorKind::JsonRpc(-32_603).is_named(&["json_rpc".to_owned()]), "the whole group");
    }
}
