//! How the clients of a run reach a target: the addresses that the run has resolved, the certificates and the tokens.

use super::Tool;
use crate::drive::client::{
    Bearer, BearerError, ClientOptions, ConnectionError, Endpoint, EndpointError, check_connection,
};
use crate::plan::bearer::BearerSource;
use crate::plan::reach::ResolvedHost;
use crate::plan::target::{TARGET, Target};
use crate::plan::topology::CLIENT;
use crate::plan::trust::Trust;
use crate::stack::Stack;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The way to a target. It has the places of the tokens and not the tokens, so that it may be sent to the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetAccess {
    pub url: String,
    /// The addresses of its host, resolved once.
    pub addresses: Vec<SocketAddr>,
    pub ca_file: Option<PathBuf>,
    /// Where the tokens come from; each stands for one organisation.
    pub tokens: Vec<BearerSource>,
    /// The fault proxy between the clients and the target; `None` if there is none.
    #[serde(default)]
    pub proxy: Option<SocketAddr>,
    /// Maximum rate of the calls before and after a load, in calls per second; `None` on loopback, which has no bounds.
    #[serde(default, rename = "quiet_per_second")]
    pub unscheduled_per_second: Option<u32>,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Bearer(#[from] BearerError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

impl AccessError {
    /// Returns true if the plan has to change; false if the server is down or broken.
    pub const fn is_plan_error(&self) -> bool {
        match self {
            Self::Endpoint(_) | Self::Bearer(_) => true,
            Self::Connection(error) => error.failure.is_plan_error(),
        }
    }
}

impl TargetAccess {
    /// Returns the way to a target at these addresses; `url` is that of the running server.
    pub fn new(target: &Target, url: &str, resolved_host: &ResolvedHost) -> Self {
        Self {
            url: url.to_owned(),
            addresses: resolved_host.addresses.clone(),
            ca_file: target.ca_file.clone(),
            tokens: target.tokens.clone(),
            proxy: None,
            unscheduled_per_second: (!resolved_host.is_loopback).then_some(target.reach.caps.per_second),
        }
    }

    /// Returns the way to the target of a stack, through the fault proxy if there is one; `None` if the stack is one of this product.
    pub fn of(stack: &Stack) -> Option<Self> {
        let (target, resolved_host, part) =
            (stack.request().backend.target()?, stack.resolved_host()?, stack.part(TARGET)?);
        let proxy = stack.proxy(CLIENT, TARGET).map(|proxy| proxy.address());
        Some(Self { proxy, ..Self::new(target, &part.url, &resolved_host) })
    }

    /// Returns the endpoint, which connects to the resolved addresses alone.
    ///
    /// # Errors
    /// The URL is not one of a server, or no certificate authority is trusted.
    pub fn endpoint(&self) -> Result<Endpoint, EndpointError> {
        let endpoint = Endpoint::new(&self.url, || Trust::load(self.ca_file.as_deref()))?;
        Ok(match self.proxy {
            // The proxy makes the connection with TLS, so that its rules see requests.
            Some(proxy) => endpoint.through(proxy),
            None => endpoint.pinned(&self.addresses),
        })
    }

    /// Reads the tokens, one for each organisation. Without a token there is one organisation, which sends none.
    ///
    /// # Errors
    /// A token cannot be read, or two are equal.
    pub fn bearers(&self) -> Result<Vec<Option<Arc<Bearer>>>, BearerError> {
        if self.tokens.is_empty() {
            return Ok(vec![None]);
        }
        let mut bearers: Vec<Option<Arc<Bearer>>> = Vec::new();
        for (number, source) in self.tokens.iter().enumerate() {
            let bearer = Bearer::open(source)?;
            // Two organisations with one token would see each other's records, and the judgement would call it a leak.
            let token = bearer.current().0;
            let same = bearers.iter().flatten().position(|other| other.current().0 == token);
            if let Some(other) = same {
                return Err(BearerError::same(&self.tokens[number], &self.tokens[other]));
            }
            bearers.push(Some(Arc::new(bearer)));
        }
        Ok(bearers)
    }

    /// Calls the target for the first time, with each token, and returns its tools.
    ///
    /// # Errors
    /// The target cannot be reached, refuses a token, or is no MCP server.
    pub async fn tools(&self, options: ClientOptions) -> Result<Vec<Tool>, AccessError> {
        // Not through the fault proxy, which makes the connection with TLS: a certificate that it refuses would look like a server that is down.
        let direct = Self { proxy: None, ..self.clone() };
        let endpoint = Arc::new(direct.endpoint()?);
        let mut tools = Vec::new();
        for bearer in self.bearers()? {
            let connection = Box::pin(check_connection(&endpoint, bearer.as_ref(), options)).await?;
            // What one token may not see, the calls of the other find out.
            if tools.is_empty() {
                tools = connection.tools.iter().filter_map(Tool::read).collect();
            }
        }
        Ok(tools)
    }
}

#[cfg(test)]
mod tests {
    use super::{BearerSource, ResolvedHost, Target, TargetAccess};
    use crate::plan::reach::Reach;

    fn access(tokens: Vec<BearerSource>, is_loopback: bool) -> TargetAccess {
        let url = "http://127.0.0.1:1/mcp".to_owned();
        let resolved_host = ResolvedHost { host: "127.0.0.1".to_owned(), addresses: Vec::new(), is_loopback };
        let target = Target { url: url.clone(), tokens, ca_file: None, reach: Reach::default(), start: None };
        TargetAccess::new(&target, &url, &resolved_host)
    }

    #[test]
    fn two_equal_tokens_are_refused_without_their_text() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ["one", "two", "three"].map(|name| BearerSource::File(folder.path().join(name)));
        for (name, token) in [("one", "sesame"), ("two", "other"), ("three", "sesame")] {
            std::fs::write(folder.path().join(name), token).unwrap();
        }
        assert_eq!(access(sources[..2].to_vec(), true).bearers().unwrap().len(), 2);
        let why = access(sources.to_vec(), true).bearers().unwrap_err().to_string();
        assert!(why.contains("three") && why.contains("one") && why.contains("the same token"), "{why}");
        assert!(why.contains("hint:") && !why.contains("sesame"), "{why}");
    }

    #[test]
    fn calls_around_a_load_have_a_bound_only_beyond_loopback() {
        assert_eq!(access(Vec::new(), true).unscheduled_per_second, None);
        assert_eq!(access(Vec::new(), false).unscheduled_per_second, Some(200));
    }
}
