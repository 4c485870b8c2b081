//! Authentication and authorisation: which tokens are accepted, and what they allow.

pub(crate) mod claims;
pub(crate) mod delegated;
pub(crate) mod oracle;
pub(crate) mod passthrough;
pub(crate) mod presence;
pub(crate) mod roles;
pub(crate) mod rotation;
pub(crate) mod routes;
pub(crate) mod scope;
pub(crate) mod signature;
mod wiretap;

use harness_core::drive::hardening::{Caller, HttpRequest, Probe, Stop};

/// Sends each token to each service, after a valid token. Each must be refused with 401.
async fn refuse_tokens(
    probe: &Probe<'_>,
    tokens: impl Fn(&Probe<'_>, &Caller) -> Vec<(String, String)>,
) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        probe.control(&part, "a valid token", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        for (case, token) in tokens(probe, &ann) {
            probe.expect_status(&part, &case, &HttpRequest::tools_list().bearer(&token), 401).await;
        }
    }
    Ok(())
}
