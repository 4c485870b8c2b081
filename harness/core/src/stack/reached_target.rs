//! A target within reach: its URL, the addresses of its host, and the authorities that may sign its certificate. All three are decided once, before
//! anything is sent.

use super::StackError;
use crate::plan::reach::{Reach, Reached};
use crate::plan::target::{TARGET, Target};
use crate::plan::trust::Trust;

#[derive(Debug, Clone)]
pub struct ReachedTarget {
    /// The MCP endpoint, with the port of a server that the harness has started.
    pub url: String,
    pub reached: Reached,
    /// `None` without TLS.
    pub trust: Option<Trust>,
}

impl ReachedTarget {
    /// Resolves the host of `url` and checks it against the hosts that the user allows.
    ///
    /// # Errors
    /// The host is out of reach, or there is no authority to trust.
    pub(super) async fn resolve(target: &Target, url: &str) -> Result<Self, StackError> {
        let out_of_reach = |why: String| StackError::OutOfReach { url: url.to_owned(), why };
        let reached = Reach::to(&target.hosts).resolve(url).await.map_err(out_of_reach)?;
        let trust = url.starts_with("https://").then(|| Trust::load(target.ca_file.as_deref())).transpose();
        let trust = trust.map_err(|error| StackError::start(TARGET, error))?;
        Ok(Self { url: url.to_owned(), reached, trust })
    }
}
