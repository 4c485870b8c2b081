//! All HTTP paths of a service. Besides the MCP endpoint: liveness, readiness, metrics, version, and the metadata that
//! names the issuer of tokens.

use crate::mcp::{self, Endpoint};
use crate::readiness::Readiness;
use crate::settings::Settings;
use crate::telemetry::Telemetry;
use axum::Json;
use axum::Router;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{StatusCode, header};
use mcp_contracts::service::{
    HEALTHZ_PATH, MCP_PATH, METRICS_PATH, READYZ_PATH, RESOURCE_METADATA_PATH, VERSION_PATH, VersionInfo,
};
use mcp_contracts::{Scope, metric, rpc};
use serde_json::json;
use std::sync::Arc;

/// Builds the router with every path of a service.
pub fn router(settings: &Settings, endpoint: Arc<Endpoint>, telemetry: Telemetry, readiness: Readiness) -> Router {
    let service = settings.service;
    let version = VersionInfo {
        name: service.binary().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocols: mcp::PROTOCOLS.map(str::to_owned).to_vec(),
    };
    let pages: Vec<_> = endpoint.pages().to_vec();
    let paged = Arc::clone(&endpoint);
    let answer = move |request: Request| {
        let endpoint = Arc::clone(&endpoint);
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
    // The path of a resource follows the well-known prefix (RFC 9728, section 3.1), so each path of the endpoint has
    // its own document.
    let metadata = |settings: &Settings, path: String| {
        let mut document = json!({
            "resource": format!("{}{path}", settings.base_url()),
            "bearer_methods_supported": ["header"],
            "scopes_supported": Scope::ALL.map(Scope::name),
            "resource_name": settings.service.binary(),
        });
        if let Some(issuer) = &settings.authorization_server {
            document["authorization_servers"] = json!([issuer]);
        }
        document
    };
    let own_path = format!("{MCP_PATH}/{}", service.name());
    // Probes and scrapers have no token, so these paths need none; what they return names no tenant.
    let mut app = Router::new()
        .route(MCP_PATH, any(answer.clone()))
        .route(&own_path, any(answer))
        .route(HEALTHZ_PATH, get(|| async { "ok\n" }))
        .route(READYZ_PATH, get(move || async move { readyz(&readiness) }))
        .route(VERSION_PATH, get(move || async move { Json(version) }))
        .route(METRICS_PATH, get(move || async move { exposition(&telemetry) }));
    for path in [MCP_PATH.to_owned(), own_path] {
        let document = metadata(settings, path.clone());
        app = app.route(&format!("{RESOURCE_METADATA_PATH}{path}"), get(move || async move { Json(document) }));
    }
    for page in pages {
        let (endpoint, path) = (Arc::clone(&paged), page.path);
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
    .fallback(|| async { not_found("no such path; the MCP endpoint is `/mcp`") })
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

fn exposition(telemetry: &Telemetry) -> Response {
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
