//! All HTTP paths of a service. Besides the MCP endpoint: liveness, readiness, metrics, version, and the metadata that
//! names the issuer of tokens.

use crate::cors;
use crate::mcp::{self, Endpoint};
use crate::readiness::Readiness;
use crate::settings::{Secret, Settings};
use crate::telemetry::Telemetry;
use axum::Json;
use axum::Router;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mcp_contracts::service::{
    HEALTHZ_PATH, MCP_PATH, METRICS_PATH, READYZ_PATH, RESOURCE_METADATA_PATH, VERSION_PATH, VersionInfo,
};
use mcp_contracts::{Scope, metric, rpc};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::future::{Ready, ready};
use std::sync::Arc;
use tower_http::set_header::SetResponseHeaderLayer;

/// Builds the router with every path of a service.
pub fn router(settings: &Settings, endpoint: Arc<Endpoint>, telemetry: Telemetry, readiness: Readiness) -> Router {
    let service = settings.service;
    let version = VersionInfo {
        name: service.binary().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocols: mcp::PROTOCOLS.map(str::to_owned).to_vec(),
    };
    let pages: Vec<_> = endpoint.pages().to_vec();
    let (scraped, metrics_token) = (Arc::clone(&endpoint), settings.metrics_token.clone());
    let metrics_page = move |request: Request| async move {
        match scraped.origins().refused_header_of_page(request.uri(), request.headers()) {
            Some(name) => forbidden(name),
            None => exposition(&telemetry, metrics_token.as_ref(), request.headers()),
        }
    };
    let called = Arc::clone(&endpoint);
    let answer = move |request: Request| {
        let endpoint = Arc::clone(&called);
        async move {
            let running = InFlight::new(service.name());
            let response = endpoint.answer(request).await;
            drop(running);
            let status = status_label(response.status());
            metrics::counter!(metric::HTTP_RESPONSES_TOTAL, "service" => service.name(), "status" => status)
                .increment(1);
            response.map(axum::body::Body::new)
        }
    };
    let own_path = format!("{MCP_PATH}/{}", service.name());
    // Probes and scrapers have no token, so these paths need none; what they return names no tenant.
    let mut app = Router::new()
        .route(READYZ_PATH, get(operator_page(&endpoint, move || readyz(&readiness))))
        .route(VERSION_PATH, get(operator_page(&endpoint, move || Json(version.clone()).into_response())));
    // Many people write the URL of a server with a slash at its end.
    for path in [MCP_PATH.to_owned(), format!("{MCP_PATH}/"), own_path.clone(), format!("{own_path}/")] {
        app = app.route(&path, any(answer.clone()));
    }
    let protected = [MCP_PATH, &own_path].into_iter().chain(pages.iter().map(|page| page.path));
    for path in protected.map(str::to_owned) {
        let (endpoint, issuer) = (Arc::clone(&endpoint), settings.authorization_server.clone());
        let route = format!("{RESOURCE_METADATA_PATH}{path}");
        let document = move |request: Request| async move { metadata(&endpoint, request, &path, issuer.as_deref()) };
        app = app.route(&route, get(document));
    }
    for page in pages {
        let (endpoint, path) = (Arc::clone(&endpoint), page.path);
        let answer = move |request: Request| async move {
            let (head, _) = request.into_parts();
            endpoint.page(&page, &head).await.map(axum::body::Body::new)
        };
        app = app.route(path, get(answer));
    }
    app.route(
        "/mcp/{other}",
        any(move |Path(other): Path<String>| async move { wrong_service(service.name(), &other) }),
    )
    .fallback(|| async { not_found("no such path; the MCP endpoint is `/mcp` (streamable HTTP)") })
    .layer(cors::layer(endpoint.origins()))
    // Below, what no page needs.
    .route(HEALTHZ_PATH, get(|| async { "ok\n" }))
    .route(METRICS_PATH, get(metrics_page))
    // A browser must not guess that a reply is a page or a script.
    .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
}

/// Serves a page without a token. A web page of a foreign origin cannot read it, also not with a name that its owner points to this machine.
fn operator_page<F>(endpoint: &Arc<Endpoint>, page: F) -> impl Fn(Request) -> Ready<Response> + Clone + use<F>
where
    F: Fn() -> Response + Clone + Send + 'static,
{
    let endpoint = Arc::clone(endpoint);
    move |request| {
        let refused = endpoint.origins().refused_header_of_page(request.uri(), request.headers());
        ready(refused.map_or_else(&page, forbidden))
    }
}

fn forbidden(header: &str) -> Response {
    let text = format!("this `{header}` is not allowed");
    mcp::refuse(StatusCode::FORBIDDEN, rpc::FORBIDDEN, &text).map(axum::body::Body::new)
}

/// Returns the metadata of the resource at `path` (RFC 9728). Its path follows the well-known prefix (section 3.1), so each resource has a
/// document of its own.
fn metadata(endpoint: &Endpoint, request: Request, path: &str, issuer: Option<&str>) -> Response {
    let (head, _) = request.into_parts();
    // The document repeats the host of the request.
    if let Some(name) = endpoint.origins().refused_header(&head.uri, &head.headers) {
        return forbidden(name);
    }
    let mut document = json!({
        "resource": endpoint.url_of(&head, path),
        "bearer_methods_supported": ["header"],
        "scopes_supported": Scope::ALL.map(Scope::name),
        "resource_name": endpoint.service().binary(),
    });
    if let Some(issuer) = issuer {
        document["authorization_servers"] = json!([issuer]);
    }
    Json(document).into_response()
}

/// Counts a request in the gauge until it is dropped, which also happens if its client disconnects.
struct InFlight(metrics::Gauge);

impl InFlight {
    fn new(service: &'static str) -> Self {
        let gauge = metrics::gauge!(metric::REQUESTS_IN_FLIGHT, "service" => service);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

fn readyz(readiness: &Readiness) -> Response {
    let reply = readiness.reply();
    let status = if reply.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(reply)).into_response()
}

/// Returns the metrics. They show how much a stack is used, so that `METRICS_TOKEN` can close them on a public port.
fn exposition(telemetry: &Telemetry, token: Option<&Secret>, headers: &HeaderMap) -> Response {
    if let Some(token) = token {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let sent = sent.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Hashes are compared, so that the time of the comparison says nothing about the token.
        if sent.is_none_or(|(_, sent)| Sha256::digest(sent.trim()) != Sha256::digest(token.reveal())) {
            let text = "the metrics require the token of `METRICS_TOKEN`";
            let mut reply = mcp::refuse(StatusCode::UNAUTHORIZED, rpc::UNAUTHORIZED, text);
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return reply.map(axum::body::Body::new);
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry.render()).into_response()
}

fn wrong_service(service: &str, other: &str) -> Response {
    // The client chose the name, so the reply repeats only its beginning.
    let other: String = other.chars().take(64).collect();
    not_found(&format!("this service is `{service}`; send the request to `{other}`"))
}

fn not_found(message: &str) -> Response {
    mcp::refuse(StatusCode::NOT_FOUND, rpc::BAD_HTTP, message).map(axum::body::Body::new)
}

// Static labels: a label built for each reply would cost an allocation per request.
fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        202 => "202",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        406 => "406",
        408 => "408",
        413 => "413",
        415 => "415",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}
