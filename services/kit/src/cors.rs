//! What a web page may do (Fetch Standard, CORS protocol): a page of an accepted origin may call the service and read its replies. Without
//! these headers a browser sends no call that has a token.

use crate::origin::OriginPolicy;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use mcp_contracts::headers;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, AllowPrivateNetwork, CorsLayer};

/// Methods of the endpoint, for `Allow`.
pub(crate) const METHODS: &str = "POST, OPTIONS";
/// Time for which a browser may keep the answer to a preflight. Chromium keeps it for two hours at most.
const MAX_AGE: Duration = Duration::from_secs(7_200);

/// Returns the headers of replies that a page may read, besides those that every page may read.
fn exposed() -> [HeaderName; 8] {
    [
        header::WWW_AUTHENTICATE,
        header::RETRY_AFTER,
        header::ACCEPT_ENCODING,
        HeaderName::from_static(headers::RATELIMIT_LIMIT),
        HeaderName::from_static(headers::RATELIMIT_REMAINING),
        HeaderName::from_static(headers::RATELIMIT_RESET),
        HeaderName::from_static(headers::RATELIMIT_MODE),
        HeaderName::from_static(headers::EXECUTION_ID),
    ]
}

/// Returns the layer for the routes that a page needs. It answers preflights, which have no token, and marks every reply.
pub(crate) fn layer(origins: &OriginPolicy) -> CorsLayer {
    let accepts = |origins: &OriginPolicy, origin: &HeaderValue| {
        origin.to_str().is_ok_and(|origin| origins.accepts_origin(origin))
    };
    let (named, near) = (origins.clone(), origins.clone());
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _: &Parts| accepts(&named, origin)))
        // A page of a public address may call a service on the machine of its user only with this one, too.
        .allow_private_network(AllowPrivateNetwork::predicate(move |origin, _: &Parts| accepts(&near, origin)))
        .allow_methods([Method::GET, Method::POST])
        // Mirrored, because the names of `Mcp-Param-*` are those of a tool's arguments. No cookie is a credential here.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed())
        .max_age(MAX_AGE)
}
