//! One request to the endpoint: bounded in time and size, never retried (it may have cost money), never redirected (a redirect would receive the
//! key).

use super::LlmError;
use super::completion::MAX_REPLY_BYTES;
use crate::LlmSettings;
use mcp_kit::settings::Secret;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    url: String,
    key: Option<Secret>,
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: LlmError,
    /// True if the endpoint may have done the work.
    pub(super) may_have_cost: bool,
}

impl Wire {
    pub(super) fn new(settings: &LlmSettings) -> Result<Self, LlmError> {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(settings.deadline);
        // A proxy of the environment is for endpoints outside, and does not reach a model on this machine.
        let builder = if is_loopback(&settings.base_url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|_| LlmError::Unavailable("no HTTP client could be made"))?;
        let url = format!("{}/chat/completions", settings.base_url.trim_end_matches('/'));
        Ok(Self { client, url, key: settings.api_key.clone() })
    }

    /// Sends `body` and reads the reply within `limit`.
    pub(super) async fn send(&self, body: Vec<u8>, limit: Duration) -> Result<Vec<u8>, Failure> {
        tokio::time::timeout(limit, self.exchange(body)).await.unwrap_or_else(|_| Err(unknown("it timed out")))
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.reveal());
        }
        let mut response = request.send().await.map_err(|error| {
            let reached = !error.is_connect() && !error.is_builder();
            Failure { error: LlmError::Unavailable("the request failed"), may_have_cost: reached }
        })?;
        if !response.status().is_success() {
            let error = match response.status().as_u16() {
                401 | 403 => LlmError::Unavailable("it does not accept the key"),
                429 => LlmError::Unavailable("its rate limit is reached"),
                300..=399 => LlmError::Unavailable("it redirects, and redirects are not followed"),
                400..=499 => LlmError::Unavailable("it refuses the request"),
                _ => LlmError::Unavailable("it failed"),
            };
            return Err(Failure { error, may_have_cost: false });
        }
        let mut answer = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|_| unknown("the connection closed before the answer was complete"))?
        {
            if answer.len() + chunk.len() > MAX_REPLY_BYTES {
                return Err(Failure { error: LlmError::Unusable("it is too long"), may_have_cost: true });
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

const fn unknown(why: &'static str) -> Failure {
    Failure { error: LlmError::Unavailable(why), may_have_cost: true }
}

fn is_loopback(base_url: &str) -> bool {
    let host = Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}
