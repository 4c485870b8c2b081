//! One HTTP exchange with one instance: keep-alive connections, no proxy, no redirect, no retry by the library, a bounded body.

use super::error::PeerError;
use super::token::Tokens;
use super::{Call, wire};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp_contracts::headers;
use mcp_contracts::service::PROTOCOL_MODERN;
use mcp_kit::Settings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// Idle time after which a connection is closed. Shorter than the keep-alive of the peers, so that no connection is used that a peer is about
/// to close.
const IDLE_CONNECTION: Duration = Duration::from_secs(10);
const MAX_IDLE_CONNECTIONS: usize = 128;

pub struct Transport {
    client: reqwest::Client,
    tokens: Tokens,
}

/// A call that can be sent several times: a retry has the same id, token and body.
pub(super) struct PreparedCall {
    pub(super) id: u64,
    headers: HeaderMap,
    body: Bytes,
}

pub(super) struct HttpReply {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl HttpReply {
    pub(super) fn read<R: DeserializeOwned>(&self, id: u64) -> Result<R, PeerError> {
        wire::parse_reply(self.status, self.retry_after, &self.body, id)
    }
}

impl Transport {
    pub fn new(settings: &Settings, connect_deadline: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            // With HTTP/1.1 a dropped call closes its connection, and the peer can stop working on it.
            .http1_only()
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            // `Peer` decides about retries and counts them.
            .retry(reqwest::retry::never())
            .connect_timeout(connect_deadline)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .build()?;
        Ok(Self { client, tokens: Tokens::new(settings) })
    }

    pub(super) fn prepare<A: Serialize>(
        &self,
        call: &Call<'_>,
        id: u64,
        arguments: &A,
    ) -> Result<PreparedCall, PeerError> {
        let bearer = self.tokens.bearer(call.claims, call.tool.scopes, Instant::now()).map_err(PeerError::Tool)?;
        let text = |value: &str| {
            HeaderValue::from_str(value).map_err(|_| PeerError::Malformed("a value is not a valid header"))
        };
        let mut all = HeaderMap::with_capacity(8);
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        all.insert(ACCEPT, HeaderValue::from_static("application/json"));
        all.insert(headers::MCP_PROTOCOL_VERSION, HeaderValue::from_static(PROTOCOL_MODERN));
        all.insert(headers::MCP_METHOD, HeaderValue::from_static("tools/call"));
        all.insert(headers::MCP_NAME, HeaderValue::from_static(call.tool.name));
        all.insert(headers::EXECUTION_ID, text(call.execution_id)?);
        let mut bearer = text(&bearer)?;
        // Debug output of the headers does not show it.
        bearer.set_sensitive(true);
        all.insert(AUTHORIZATION, bearer);
        mcp_kit::telemetry::inject(&mut all);
        Ok(PreparedCall { id, headers: all, body: wire::encode_request(id, call.tool.name, arguments)?.into() })
    }

    pub(super) async fn send(&self, endpoint: &str, prepared: &PreparedCall) -> Result<HttpReply, PeerError> {
        let request = self.client.post(endpoint).headers(prepared.headers.clone()).body(prepared.body.clone());
        let mut response = request.send().await.map_err(|error| send_error(&error))?;
        // The services send seconds. A date, the other form, is ignored.
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        // In pieces, because `bytes()` would buffer a reply of any size.
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| PeerError::Cut)? {
            if body.len() + chunk.len() > wire::MAX_REPLY_BYTES {
                return Err(PeerError::Malformed("the reply is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpReply { status: response.status(), retry_after: retry_after.map(Duration::from_secs), body })
    }

    pub(super) async fn is_ready(&self, url: &str) -> bool {
        self.client.get(url).send().await.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    pub(super) async fn answers(&self, url: &str) -> bool {
        self.client.get(url).send().await.is_ok()
    }
}

fn send_error(error: &reqwest::Error) -> PeerError {
    // A connection that is not made in time is no refused one: the peer may be busy.
    match (error.is_timeout(), error.is_connect()) {
        (true, _) => PeerError::Slow,
        (false, true) => PeerError::Refused,
        (false, false) => PeerError::Cut,
    }
}
