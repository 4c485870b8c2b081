//! What a web page may do (Fetch Standard, CORS protocol): a page of an accepted origin may call the service and read its replies. Without
//! these headers a browser sends no call that has a token.

use crate::origin::OriginPolicy;
use axum::extract::Request;
use axum::response::Response;
use futures::future::Either;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use mcp_contracts::headers;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};
use tower_http::cors::{AllowHeaders, AllowOrigin, AllowPrivateNetwork, Cors, CorsLayer};

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

/// Returns the layer for the routes that a page needs. It answers preflights, which have no token, and marks every reply that a page can get.
pub(crate) fn layer(origins: &OriginPolicy) -> PagesLayer {
    PagesLayer(cors(origins))
}

/// Applies CORS to every request but a POST without `Origin`, which no browser sends for a page of another origin. Nearly all calls are such, and the
/// headers that no one reads are a part of their price. No cache keeps the reply to a POST, so it needs no `Vary`.
#[derive(Clone)]
pub(crate) struct PagesLayer(CorsLayer);

#[derive(Clone)]
pub(crate) struct PagesService<S> {
    inner: S,
    // Shared, because the router clones its services for every request.
    pages: Arc<Cors<S>>,
}

impl<S: Clone> Layer<S> for PagesLayer {
    type Service = PagesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PagesService { pages: Arc::new(self.0.layer(inner.clone())), inner }
    }
}

impl<S> Service<Request> for PagesService<S>
where
    S: Service<Request, Response = Response> + Clone,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Oneshot<Cors<S>, Request>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.method() == Method::POST && !request.headers().contains_key(header::ORIGIN) {
            return Either::Left(self.inner.call(request));
        }
        Either::Right((*self.pages).clone().oneshot(request))
    }
}

fn cors(origins: &OriginPolicy) -> CorsLayer {
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
