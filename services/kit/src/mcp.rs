//! The MCP endpoint: both eras of the protocol on one path, stateless. This file is the flow of one request; each
//! question it asks is answered in a module of its own. Tool calls take our own short way, everything else the SDK's.

mod bridge;
mod call;
mod envelope;
mod era;
mod failure;
mod media;
mod reply;

use crate::auth::{Authenticator, Refusal};
use crate::dialogue::Dialogue;
use crate::offer::{Offer, Page};
use crate::origin::OriginPolicy;
use crate::quota::{Decision, Quota, QuotaState};
use crate::readiness::Readiness;
use crate::settings::Settings;
use crate::telemetry::Telemetry;
use bytes::Bytes;
use envelope::Envelope;
pub(crate) use era::PROTOCOLS;
use era::Spoken;
use failure::Failure;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use mcp_contracts::limits::{MAX_BODY_BYTES, MAX_JSON_DEPTH};
use mcp_contracts::{Claims, Scope, Service, metric, rpc};
use media::Wanted;
use reply::reply_error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The body of every reply of the endpoint.
pub type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

/// A request whose form is known.
struct Asked<'a> {
    headers: &'a HeaderMap,
    path: &'a str,
    envelope: &'a Envelope<'a>,
    spoken: Spoken,
    wanted: Wanted,
}

/// Everything that answering needs.
pub struct Endpoint {
    service: Service,
    offer: Offer,
    authenticator: Authenticator,
    origins: OriginPolicy,
    quota: Quota,
    telemetry: Telemetry,
    readiness: Readiness,
    running: Arc<Semaphore>,
    deadline: Duration,
    resource_metadata: String,
    bridge: bridge::Bridge,
}

impl Endpoint {
    /// Puts an endpoint together.
    pub fn new(settings: &Settings, offer: Offer, quota: Quota, telemetry: Telemetry, readiness: Readiness) -> Self {
        Self {
            service: settings.service,
            bridge: bridge::Bridge::new(settings.service, &offer),
            offer,
            authenticator: Authenticator::new(settings),
            origins: OriginPolicy::new(settings.allowed_hosts.clone(), settings.allowed_origins.clone()),
            quota,
            telemetry,
            readiness,
            running: Arc::new(Semaphore::new(settings.max_concurrent_requests)),
            deadline: settings.request_deadline,
            resource_metadata: format!("{}{}", settings.base_url(), mcp_contracts::service::RESOURCE_METADATA_PATH),
        }
    }

    /// Answers one request to `path`, the endpoint's path as the client used it.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.admit(request).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(),
        }
    }

    async fn admit<B>(&self, request: Request<B>) -> Result<Response<Body>, Failure>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if let Some(name) = self.origins.refuses(&head.uri, &head.headers) {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                rpc::FORBIDDEN,
                format!("this `{name}` is not accepted here"),
            ));
        }
        if head.method != Method::POST {
            let failure = Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                rpc::BAD_HTTP,
                "use POST; this endpoint keeps no session and no stream",
            );
            return Err(failure.with_header(header::ALLOW, "POST"));
        }
        if self.readiness.is_draining() {
            return Err(Failure::unavailable("the service is stopping; another instance will answer", 1));
        }
        let Ok(_permit) = self.running.try_acquire() else {
            return Err(Failure::unavailable("too many requests at once; try again", 1));
        };
        let authorization = head.headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let claims =
            self.authenticator.check(authorization).map_err(|refusal| self.challenge(refusal, head.uri.path()))?;
        let wanted = media::wanted(&head.headers)?;
        let body = self.read(body).await?;
        let envelope = envelope::parse(&body, MAX_JSON_DEPTH)?;
        let spoken = era::decide(&head.headers, &envelope).map_err(|failure| failure.with_id(envelope.id))?;
        if envelope.id.is_none() {
            return Ok(reply::accepted());
        }
        let asked = Asked { headers: &head.headers, path: head.uri.path(), envelope: &envelope, spoken, wanted };
        match &*envelope.method {
            "tools/call" => self.call(&asked, claims).await,
            "resources/read" | "prompts/get" => self.bridged(&asked, body.clone(), claims).await,
            _ => {
                let context = call::context(&head.headers, claims, self.deadline, Dialogue::default());
                Ok(self.bridge.answer(&head.headers, body.clone(), wanted, context).await)
            }
        }
    }

    async fn read<B>(&self, body: B) -> Result<Bytes, Failure>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let too_large = || {
            let text = format!("the body is larger than {MAX_BODY_BYTES} bytes");
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, rpc::BAD_HTTP, text)
        };
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        match tokio::time::timeout(self.deadline, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Failure::new(StatusCode::BAD_REQUEST, rpc::BAD_HTTP, "the body ended early")),
            Err(_) => Err(Failure::new(StatusCode::REQUEST_TIMEOUT, rpc::BAD_HTTP, "the body took too long")),
        }
    }

    async fn call(&self, asked: &Asked<'_>, claims: Arc<Claims>) -> Result<Response<Body>, Failure> {
        let (envelope, headers) = (asked.envelope, asked.headers);
        let call = call::Call::parse(envelope, &self.offer.tools, asked.spoken.can_ask)
            .map_err(|failure| failure.with_id(envelope.id))?;
        let admitted = self.admitted(asked, call.tool.scopes, &claims).await?;
        let outcome = call.run(headers, claims, self.service, self.deadline, &self.telemetry).await;
        let reply = reply::result(envelope.id, &outcome.result, asked.spoken.era);
        let mut response = asked.wanted.response(reply);
        reply::told(response.headers_mut(), &admitted, &outcome.execution_id);
        Ok(response)
    }

    /// Reads that cost as much as a call: checked, counted and told like one, but put into words by the SDK.
    async fn bridged(&self, asked: &Asked<'_>, body: Bytes, claims: Arc<Claims>) -> Result<Response<Body>, Failure> {
        let (name, scopes) = match &*asked.envelope.method {
            "prompts/get" => ("prompts/get", self.offer.prompts.as_ref().map(|prompts| prompts.scopes())),
            _ => ("resources/read", self.offer.resources.as_ref().map(|resources| resources.scopes())),
        };
        let admitted = self.admitted(asked, scopes.unwrap_or_default(), &claims).await?;
        let context = call::context(asked.headers, claims, self.deadline, Dialogue::default());
        let work = async {
            let answered = self.bridge.answer(asked.headers, body, asked.wanted, context.clone()).await;
            Ok(answered)
        };
        let (service, deadline, telemetry) = (self.service, self.deadline, &self.telemetry);
        let work_of = call::Work { name, service, deadline, headers: asked.headers, context: &context, telemetry };
        let told = |response: &Response<Body>| if response.status().is_success() { "ok" } else { "refused" };
        let mut response = call::watch(&work_of, work, told).await.map_err(|error| {
            Failure::new(StatusCode::OK, rpc::INTERNAL_ERROR, error.message.clone()).with_id(asked.envelope.id)
        })?;
        reply::told(response.headers_mut(), &admitted, &context.execution_id);
        Ok(response)
    }

    /// Scopes first, then the quota: a call that is not allowed costs nothing.
    async fn admitted(&self, asked: &Asked<'_>, scopes: &[Scope], claims: &Claims) -> Result<QuotaState, Failure> {
        let id = asked.envelope.id;
        let missing: Vec<&str> =
            scopes.iter().filter(|scope| !claims.allows(**scope)).map(|scope| scope.name()).collect();
        if !missing.is_empty() {
            return Err(self.insufficient(&missing, asked.path).with_id(id));
        }
        match self.quota.decide(&claims.org_id, claims.plan).await {
            Decision::Admitted(state) => Ok(state),
            Decision::Limited(state) => Err(reply::limited(&state).with_id(id)),
            Decision::Refused { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                Err(Failure::unavailable("the quota cannot be checked now; try again", seconds).with_id(id))
            }
        }
    }

    /// Pages beside MCP.
    pub fn pages(&self) -> &[Page] {
        &self.offer.pages
    }

    /// Answers a page beside MCP.
    pub async fn page(&self, page: &Page, head: &http::request::Parts) -> Response<Body> {
        match self.answer_page(page, head).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(),
        }
    }

    async fn answer_page(&self, page: &Page, head: &http::request::Parts) -> Result<Response<Body>, Failure> {
        if let Some(name) = self.origins.refuses(&head.uri, &head.headers) {
            let text = format!("this `{name}` is not accepted here");
            return Err(Failure::new(StatusCode::FORBIDDEN, rpc::FORBIDDEN, text));
        }
        let Ok(_permit) = self.running.try_acquire() else {
            return Err(Failure::unavailable("too many requests at once; try again", 1));
        };
        let authorization = head.headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let claims =
            self.authenticator.check(authorization).map_err(|refusal| self.challenge(refusal, head.uri.path()))?;
        let context = call::context(&head.headers, claims, self.deadline, Dialogue::default());
        let (service, deadline, telemetry) = (self.service, self.deadline, &self.telemetry);
        let work =
            call::Work { name: page.path, service, deadline, headers: &head.headers, context: &context, telemetry };
        match call::watch(&work, page.run(context.clone()), |_| "ok").await {
            Ok(json) => Ok(Wanted::Json.response(Bytes::from(json.get().to_owned()))),
            Err(error) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, rpc::UNAVAILABLE, error.message)),
        }
    }

    fn challenge(&self, refusal: Refusal, path: &str) -> Failure {
        metrics::counter!(metric::AUTH_REFUSED_TOTAL, "service" => self.service.name(), "reason" => refusal.0)
            .increment(1);
        tracing::info!(reason = refusal.0, "token refused");
        let challenge = format!("Bearer resource_metadata=\"{}{path}\"", self.resource_metadata);
        Failure::new(StatusCode::UNAUTHORIZED, rpc::UNAUTHORIZED, "an acceptable bearer token is required")
            .with_header(header::WWW_AUTHENTICATE, &challenge)
    }

    fn insufficient(&self, missing: &[&str], path: &str) -> Failure {
        let scopes = missing.join(" ");
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", resource_metadata=\"{}{path}\"",
            self.resource_metadata
        );
        Failure::new(StatusCode::FORBIDDEN, rpc::FORBIDDEN, format!("the token lacks these scopes: {scopes}"))
            .with_data(serde_json::json!({ "code": "insufficient_scope", "missing": missing }))
            .with_header(header::WWW_AUTHENTICATE, &challenge)
    }
}

/// Turns bytes into a body.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// Answers with a JSON-RPC error that no request of ours was behind, such as a path that does not exist.
pub fn refuse(status: StatusCode, code: i64, message: &str) -> Response<Body> {
    reply_error(status, code, message)
}
