//! The first contact with a target before a load: whether it can be reached with this certificate and this token, what it speaks, and which tools it has.
//! What is found here is a mistake of the plan, and not an error rate.

use super::{Bearer, Client, ClientOptions, Endpoint, Handshake, Message, Protocol};
use harness_history::{ErrorKind, Outcome};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// Maximum number of pages of a list of tools.
const MAX_PAGES: usize = 100;
/// Maximum number of tools.
const MAX_TOOLS: usize = 10_000;

/// What the first contact has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionCheck {
    pub handshake: Handshake,
    pub protocol: Protocol,
    /// The tools of the server as it lists them: objects with `name`, `inputSchema` and more.
    pub tools: Vec<Value>,
}

/// Why a target cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionError {
    /// Host, port and path.
    pub target: String,
    pub failure: ConnectionFailure,
    pub why: String,
}

/// The kinds of reasons. Those that the user can remove in the plan come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionFailure {
    /// Its certificate is not accepted, or its name cannot be resolved.
    NotTrusted,
    /// It needs a token, and none was sent.
    NotAuthorized,
    /// It refuses the token.
    TokenRefused,
    /// It answers with a redirect, which is never followed.
    Redirect,
    /// It is no MCP endpoint.
    NotMcp,
    /// It cannot be reached, or does not answer in time.
    NotReached,
}

impl ConnectionFailure {
    /// Returns true if the plan has to change; false if the server is down or broken.
    pub const fn is_plan_error(self) -> bool {
        match self {
            Self::NotTrusted | Self::NotAuthorized | Self::TokenRefused | Self::Redirect => true,
            Self::NotMcp | Self::NotReached => false,
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::NotTrusted => {
                "name the authority that signed the certificate with `--ca-file`, and use the host that the certificate names"
            }
            Self::NotAuthorized => {
                "pass a token with `--bearer-env NAME`, where NAME is a variable that holds it, or with `--bearer-file PATH`"
            }
            Self::TokenRefused => "check that the token has not expired and is for this server",
            Self::Redirect => "use the URL to which the server redirects, if it is the right one",
            Self::NotMcp => {
                "check the path of the URL, which is often `/mcp`, and that the server speaks streamable HTTP"
            }
            Self::NotReached => "check that the server is running and that host and port are right",
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, failure, why } = self;
        let what = match failure {
            ConnectionFailure::NotMcp => "no MCP server answers at",
            ConnectionFailure::NotAuthorized | ConnectionFailure::TokenRefused => {
                "access is refused by the MCP server at"
            }
            ConnectionFailure::NotTrusted | ConnectionFailure::Redirect | ConnectionFailure::NotReached => {
                "cannot call the MCP server at"
            }
        };
        write!(f, "{what} `{target}`: {why}\nhint: {}", failure.hint())
    }
}

impl std::error::Error for ConnectionError {}

/// Makes the handshake with a target and lists its tools, then ends its session.
///
/// # Errors
/// The target cannot be called; see [`ConnectionFailure`].
pub async fn check_connection(
    endpoint: &Arc<Endpoint>,
    bearer: Option<&Arc<Bearer>>,
    options: ClientOptions,
) -> Result<ConnectionCheck, ConnectionError> {
    let mut client = Client::negotiating(Arc::clone(endpoint), options);
    if let Some(bearer) = bearer {
        client.set_bearer(Arc::clone(bearer));
    }
    let failed = |failure: ConnectionFailure, why: String| {
        let (failure, why) = match (failure, bearer) {
            (ConnectionFailure::NotAuthorized, Some(_)) => {
                (ConnectionFailure::TokenRefused, format!("{why} to this token"))
            }
            (ConnectionFailure::NotAuthorized, None) => (failure, format!("{why} to a request without a token")),
            (other, _) => (other, why),
        };
        ConnectionError { target: format!("{}{}", endpoint.authority(), endpoint.path()), failure, why }
    };
    let handshake =
        client.ready().await.ok_or_else(|| failed(ConnectionFailure::NotMcp, "it made no handshake".to_owned()))?;
    let Some(protocol) = handshake.protocol.clone() else {
        let (failure, mut why) = reason(&handshake.outcome, client.location().as_deref());
        if endpoint.is_secure() && handshake.outcome == Outcome::Failed(ErrorKind::Connect) {
            why.push_str(" with TLS");
        }
        return Err(failed(failure, why));
    };
    let listed = tools(&mut client).await;
    // A server that does not close a session keeps it until it expires; the load is not affected.
    let _ = client.end().await;
    let tools = listed.map_err(|(failure, why)| failed(failure, format!("`tools/list`: {why}")))?;
    Ok(ConnectionCheck { handshake, protocol, tools })
}

/// Lists all tools, page by page.
async fn tools(client: &mut Client) -> Result<Vec<Value>, (ConnectionFailure, String)> {
    let broken = |why: String| (ConnectionFailure::NotMcp, why);
    let (mut tools, mut cursor) = (Vec::new(), None::<Value>);
    for _ in 0..MAX_PAGES {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let params = params.as_object().cloned().unwrap_or_default();
        let mut response = client.ask(&Message { method: "tools/list".to_owned(), params, ..Message::default() }).await;
        if response.outcome != Outcome::Ok {
            return Err(reason(&response.outcome, response.header("location")));
        }
        let Value::Array(page) = response.result["tools"].take() else {
            return Err(broken("the reply has no list of tools".to_owned()));
        };
        tools.extend(page);
        if tools.len() > MAX_TOOLS {
            return Err(broken(format!("it has more than {MAX_TOOLS} tools")));
        }
        match response.result["nextCursor"].take() {
            Value::Null => return Ok(tools),
            next => cursor = Some(next),
        }
    }
    Err(broken(format!("the list has more than {MAX_PAGES} pages")))
}

/// Returns why a request failed, in words.
fn reason(outcome: &Outcome, location: Option<&str>) -> (ConnectionFailure, String) {
    let (Outcome::Failed(kind) | Outcome::Unknown(kind)) = outcome else {
        return (ConnectionFailure::NotMcp, "its answer is not one of an MCP server".to_owned());
    };
    match kind {
        ErrorKind::Local(why) => (ConnectionFailure::NotTrusted, why.to_string()),
        ErrorKind::Connect => (ConnectionFailure::NotReached, "it does not accept a connection".to_owned()),
        ErrorKind::Timeout => (ConnectionFailure::NotReached, "it does not answer in time".to_owned()),
        ErrorKind::Reset => (ConnectionFailure::NotReached, "it closes the connection without an answer".to_owned()),
        ErrorKind::Http(status @ (401 | 403)) => {
            (ConnectionFailure::NotAuthorized, format!("it answers with status {status}"))
        }
        ErrorKind::Http(status @ 300..=399) => {
            let place = location.map(|place| format!(" to `{place}`")).unwrap_or_default();
            (
                ConnectionFailure::Redirect,
                format!("it redirects with status {status}{place}, and a redirect is never followed"),
            )
        }
        ErrorKind::Http(status @ 500..) => (ConnectionFailure::NotReached, format!("it answers with status {status}")),
        ErrorKind::Http(status) => (ConnectionFailure::NotMcp, format!("it answers with status {status}")),
        ErrorKind::Quota => (ConnectionFailure::NotReached, "it refuses calls because of a quota".to_owned()),
        ErrorKind::JsonRpc(code) => (ConnectionFailure::NotMcp, format!("it answers with the JSON-RPC error {code}")),
        ErrorKind::Malformed(why) => (ConnectionFailure::NotMcp, format!("its answer is malformed: {why}")),
        ErrorKind::Tool(_) | ErrorKind::InputRequired => {
            (ConnectionFailure::NotMcp, format!("it answers with `{}`", kind.label()))
        }
    }
}
