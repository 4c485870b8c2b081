//! How the clients of a run reach its target: the endpoint, through the fault proxy if there is one, and the tokens.

use crate::drive::client::{Bearer, BearerError, Endpoint, EndpointError};
use crate::plan::bearer::BearerSource;
use crate::plan::target::{TARGET, Target, TokenSource};
use crate::plan::topology::CLIENT;
use crate::plan::trust::TrustError;
use crate::stack::Stack;
use std::sync::Arc;

/// Returns the endpoint of the target of a stack; `None` if the stack is one of this product.
///
/// # Errors
/// The URL of the target is none that a client can call.
pub fn endpoint(stack: &Stack) -> Option<Result<Endpoint, EndpointError>> {
    let target = stack.target()?;
    let no_trust = || TrustError { why: "none was loaded".to_owned() };
    let endpoint = Endpoint::new(&target.url, || target.trust.clone().ok_or_else(no_trust));
    let endpoint = endpoint.map(|endpoint| match stack.proxy(CLIENT, TARGET) {
        Some(proxy) => endpoint.through(proxy.address()),
        None => endpoint.pinned(&target.reached.addresses),
    });
    Some(endpoint)
}

/// Reads the tokens of a target, one for each organisation.
///
/// # Errors
/// A token is missing.
pub fn bearers(target: &Target) -> Result<Vec<Arc<Bearer>>, BearerError> {
    let open = |source: &TokenSource| Bearer::open(&bearer_source(source)).map(Arc::new);
    target.tokens.iter().map(open).collect()
}

fn bearer_source(source: &TokenSource) -> BearerSource {
    match source {
        TokenSource::Env(name) => BearerSource::Variable(name.clone()),
        TokenSource::File(path) => BearerSource::File(path.clone()),
    }
}
