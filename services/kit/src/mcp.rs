//! The MCP endpoint. It serves the stateless and the older protocol revisions on one path and keeps no session. This file follows one
//! request from its head to its reply; the modules have the steps. Tool calls take a fast path of our own, because
//! nearly all requests are tool calls and the SDK costs 2 to 4 times the CPU
//! (decision 0001). Every other method goes through the SDK.

mod bridge;
mod call;
mod denied;
mod envelope;
mod era;
mod failure;
mod media;
mod reply;
mod request_capacity;

use crate::auth::{Authenticator, Refusal, bearer};
use crate::cors;
use crate::elicitation::ElicitationContext;
use crate::origin::OriginPolicy;
use crate::provider::Provider;
use crate::quota::{Quota, QuotaDecision, QuotaState};
use crate::readiness::Readiness;
use crate::server_features::{Page, ServerFeatures};
use crate::settings::Settings;
use crate::telemetry::Telemetry;
use bytes::Bytes;
use envelope::Envelope;
use era::ClientProtocol;
pub(crate) use era::PROTOCOLS;
use failure::Failure;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use mcp_contracts::limits::{MAX_BODY_BYTES, MAX_JSON_DEPTH};
use mcp_contracts::{Claims, Scope, Service, metric, rpc};
use media::ResponseFormat;
use reply::reply_error;
use request_capacity::{Full as FullCapacity, Kind, RequestCapacity};
use std::sync::Arc;
use std::time::Duration;

/// Body of every response of the endpoint.
pub type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

/// A request with a valid envelope and valid headers.
struct McpRequest<'a> {
    head: &'a http::request::Parts,
    envelope: &'a Envelope<'a>,
    client: ClientProtocol,
    format: ResponseFormat,
}

pub struct Endpoint {
    service: Service,
    features: ServerFeatures,
    authenticator: Authenticator,
    /// The identity provider whose tokens are accepted besides those of the shared secret.
    provider: Option<Provider>,
    origins: OriginPolicy,
    quota: Quota,
    telemetry: Telemetry,
    readiness: Readiness,
    capacity: RequestCapacity,
    deadline: Duration,
    public_url: Option<String>,
    bridge: bridge::Bridge,
}

impl Endpoint {
    pub fn new(
        settings: &Settings,
        features: ServerFeatures,
        quota: Quota,
        telemetry: Telemetry,
        readiness: Readiness,
    ) -> Self {
        Self {
            service: settings.service,
            bridge: bridge::Bridge::new(settings.service, &features),
            features,
            authenticator: Authenticator::new(settings.accepted_secrets()),
            provider: settings.provider.clone().map(|provider| Provider::start(provider, &readiness)),
            origins: OriginPolicy::new(settings.allowed_hosts.clone(), settings.allowed_origins.clone()),
            quota,
            telemetry,
            readiness,
            capacity: RequestCapacity::new(settings.max_concurrent_requests),
            deadline: settings.request_deadline,
            public_url: settings.public_url.clone(),
        }
    }

    /// Answers a request to the endpoint.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.handle(request).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(),
        }
    }

    async fn handle<B>(&self, request: Request<B>) -> Result<Response<Body>, Failure>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Checks that need only the head come first, so that no body is read for a request that is refused in any case.
        let (head, body) = request.into_parts();
        self.check_origin(&head)?;
        if head.method != Method::POST {
            let failure = Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                rpc::BAD_HTTP,
                "use POST; this endpoint has no sessions and no streams",
            );
            return Err(failure.with_header(header::ALLOW, cors::METHODS));
        }
        if self.readiness.is_draining() {
            return Err(Failure::unavailable("the service is stopping; retry at another instance", 1));
        }
        let claims = self.authenticate(&head).await?;
        media::check_body(&head.headers)?;
        let format = media::response_format(&head.headers)?;
        // Reserved before the body is read and until the reply is built, because the body stays in memory that long.
        let expected = body.size_hint().upper().map_or(MAX_BODY_BYTES, |bytes| (bytes as usize).min(MAX_BODY_BYTES));
        let _bytes = self.capacity.take(&claims.org_id, Kind::RequestBytes, expected)?;
        let body = self.read(body).await?;
        // Reserved after the body has arrived, so that a slow client does not occupy a slot. A full service answers at once and does not queue,
        // so that the client or the load balancer can choose another instance.
        let _running = self.capacity.take(&claims.org_id, Kind::Running, 1)?;
        let envelope = envelope::parse(&body, MAX_JSON_DEPTH)?;
        let client = era::decide(&head.headers, &envelope).map_err(|failure| failure.with_id(envelope.id))?;
        // A notification: the protocol requires 202 and no reply.
        if envelope.id.is_none() {
            return Ok(reply::accepted());
        }
        let request = McpRequest { head: &head, envelope: &envelope, client, format };
        match &*envelope.method {
            "tools/call" => self.call(&request, claims).await,
            "resources/read" if self.features.resources.is_some() => self.call_sdk(&request, claims).await,
            "prompts/get" if self.features.prompts.is_some() => self.call_sdk(&request, claims).await,
            _ => {
                let context = call::context(&head.headers, claims, self.deadline, ElicitationContext::default());
                let organisation = context.claims.org_id.clone();
                // Lists, discovery, handshake and ping need no scope and cost no quota.
                let response = self.bridge.answer(&head.headers, &envelope, format, context).await;
                self.count_reply(&organisation, response).await
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
        // A body whose declared length is too large is refused before it is read.
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        match tokio::time::timeout(self.deadline, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Failure::new(StatusCode::BAD_REQUEST, rpc::BAD_HTTP, "the body is incomplete")),
            Err(_) => Err(Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                rpc::BAD_HTTP,
                "the body did not arrive within the deadline",
            )),
        }
    }

    async fn call(&self, request: &McpRequest<'_>, claims: Arc<Claims>) -> Result<Response<Body>, Failure> {
        let (envelope, headers) = (request.envelope, &request.head.headers);
        let call = call::Call::parse(envelope, &self.features.tools, request.client.supports_elicitation)
            .map_err(|failure| failure.with_id(envelope.id))?;
        let admitted = self.admit_call(request, (call.tool.name, call.tool.scopes), &claims).await?;
        let organisation = claims.org_id.clone();
        // The reply of a write is not refused, because its client must learn what was written.
        let reads = call.tool.annotations.read_only;
        if reads {
            // Work whose reply would be refused is not begun.
            let _room = self.capacity.take(&organisation, Kind::ReplyBytes, 1)?;
        }
        let outcome = call.run(headers, claims, self.service, self.deadline, &self.telemetry).await;
        let reply = request.format.frame(reply::result(envelope.id, &outcome.result, request.client.era));
        let reply = match self.capacity.hold(&organisation, reply.clone()) {
            Ok(reply) => reply,
            Err(full) if reads => return Err(Failure::from(full).with_id(envelope.id)),
            Err(FullCapacity::Service(_) | FullCapacity::Organisation(_)) => reply,
        };
        let mut response = request.format.response(reply);
        reply::set_call_headers(response.headers_mut(), &admitted, &outcome.execution_id);
        Ok(response)
    }

    /// Handles the methods that count as a call: scopes, quota and telemetry apply as for a tool, but the SDK makes the reply.
    async fn call_sdk(&self, request: &McpRequest<'_>, claims: Arc<Claims>) -> Result<Response<Body>, Failure> {
        let headers = &request.head.headers;
        let (name, scopes) = match &*request.envelope.method {
            "prompts/get" => ("prompts/get", self.features.prompts.as_ref().map(|prompts| prompts.scopes())),
            _ => ("resources/read", self.features.resources.as_ref().map(|resources| resources.scopes())),
        };
        let admitted = self.admit_call(request, (name, scopes.unwrap_or_default()), &claims).await?;
        let context = call::context(headers, claims, self.deadline, ElicitationContext::default());
        let work = async { Ok(self.bridge.answer(headers, request.envelope, request.format, context.clone()).await) };
        let (service, deadline, telemetry) = (self.service, self.deadline, &self.telemetry);
        let call = call::Work { name, service, deadline, headers, context: &context, telemetry };
        let outcome = |response: &Response<Body>| if response.status().is_success() { "ok" } else { "refused" };
        let response = call::run_recorded(&call, work, outcome).await.map_err(|error| {
            Failure::new(StatusCode::OK, rpc::INTERNAL_ERROR, error.message.clone()).with_id(request.envelope.id)
        })?;
        let mut response = self.count_reply(&context.claims.org_id, response).await?;
        reply::set_call_headers(response.headers_mut(), &admitted, &context.execution_id);
        Ok(response)
    }

    /// Counts the bytes of a reply of the SDK until its client has read them.
    async fn count_reply(&self, organisation: &str, response: Response<Body>) -> Result<Response<Body>, Failure> {
        let (head, body) = response.into_parts();
        let reply = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(infallible) => match infallible {},
        };
        Ok(Response::from_parts(head, full(self.capacity.hold(organisation, reply)?)))
    }

    /// Checks the scopes, then the quota, so that a call without the scopes does not use up the quota.
    async fn admit_call(
        &self,
        request: &McpRequest<'_>,
        (name, scopes): (&'static str, &[Scope]),
        claims: &Claims,
    ) -> Result<QuotaState, Failure> {
        let id = request.envelope.id;
        // The challenge names all missing scopes at once (MCP, authorization), so that a client needs only one new
        // token.
        let missing: Vec<&str> =
            scopes.iter().filter(|scope| !claims.allows(**scope)).map(|scope| scope.name()).collect();
        if !missing.is_empty() {
            denied::log_user(request.head, claims, name, "insufficient_scope");
            return Err(self.missing_scopes(&missing, request.head).with_id(id));
        }
        let decision = if claims.scopes.contains(&Scope::Prepaid) {
            self.quota.decide_prepaid(&claims.org_id, claims.plan)
        } else {
            self.quota.decide(&claims.org_id, claims.plan).await
        };
        match decision {
            QuotaDecision::Admitted(state) => Ok(state),
            QuotaDecision::Limited(state) => {
                denied::log_user(request.head, claims, name, "quota");
                Err(reply::limited(&state).with_id(id))
            }
            QuotaDecision::Refused { retry_after } => {
                denied::log_user(request.head, claims, name, "quota_not_checked");
                let seconds = retry_after.as_secs().max(1);
                Err(Failure::unavailable("the quota cannot be checked; retry", seconds).with_id(id))
            }
        }
    }

    /// Returns true if no request is running. A request whose body has not arrived does not count.
    pub fn is_idle(&self) -> bool {
        self.capacity.total(Kind::Running) == 0
    }

    pub fn service(&self) -> Service {
        self.service
    }

    pub fn pages(&self) -> &[Page] {
        &self.features.pages
    }

    /// Answers a request to a page. The request needs a valid token and costs no quota.
    pub async fn page(&self, page: &Page, head: &http::request::Parts) -> Response<Body> {
        match self.answer_page(page, head).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(),
        }
    }

    async fn answer_page(&self, page: &Page, head: &http::request::Parts) -> Result<Response<Body>, Failure> {
        self.check_origin(head)?;
        let claims = self.authenticate(head).await?;
        let organisation = claims.org_id.clone();
        let _running = self.capacity.take(&organisation, Kind::Running, 1)?;
        let context = call::context(&head.headers, claims, self.deadline, ElicitationContext::default());
        let (service, deadline, telemetry) = (self.service, self.deadline, &self.telemetry);
        let work =
            call::Work { name: page.path, service, deadline, headers: &head.headers, context: &context, telemetry };
        match call::run_recorded(&work, page.run(context.clone()), |_| "ok").await {
            Ok(json) => {
                let reply = self.capacity.hold(&organisation, Bytes::from(json.get().to_owned()))?;
                Ok(ResponseFormat::Json.response(reply))
            }
            Err(error) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, rpc::UNAVAILABLE, error.message)),
        }
    }

    /// Refuses a request with a foreign host or origin.
    fn check_origin(&self, head: &http::request::Parts) -> Result<(), Failure> {
        let Some(name) = self.origins.refused_header(&head.uri, &head.headers) else { return Ok(()) };
        denied::log_stranger(head, if name == "Host" { "host" } else { "origin" });
        Err(Failure::new(StatusCode::FORBIDDEN, rpc::FORBIDDEN, format!("this `{name}` is not allowed")))
    }

    /// Returns the claims of the token of a request.
    async fn authenticate(&self, head: &http::request::Parts) -> Result<Arc<Claims>, Failure> {
        let mut sent = head.headers.get_all(header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
        let checked = match (sent.next(), sent.next()) {
            // Two headers are refused: a gateway may have checked only the other one.
            (_, Some(_)) => Err(Refusal("repeated")),
            (first, None) => match (&self.provider, bearer(first)) {
                (Some(provider), Ok(token)) if Provider::names_provider_algorithm(token) => provider.check(token).await,
                (Some(_) | None, Ok(_) | Err(_)) => self.authenticator.check(first),
            },
        };
        let claims = checked.map_err(|refusal| {
            denied::log_stranger(head, refusal.0);
            self.challenge(refusal, head)
        })?;
        // Checked on every request, because the token may be in a cache of checked tokens.
        if self.quota.is_revoked(&claims) {
            denied::log_revoked(head, &claims);
            return Err(self.challenge(denied::REVOKED, head));
        }
        Ok(claims)
    }

    /// Returns the policy for hosts and origins.
    pub fn origins(&self) -> &OriginPolicy {
        &self.origins
    }

    /// Returns the URL of `path` as the client of this request knows the service: below `PUBLIC_URL`, or at the host of the request.
    pub fn url_of(&self, head: &http::request::Parts, path: &str) -> String {
        // The listen address would be wrong: a client cannot connect to 0.0.0.0.
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| head.headers.get(header::HOST)?.to_str().ok()).unwrap_or("localhost");
        self.public_url.as_ref().map_or_else(|| format!("http://{host}{path}"), |base| format!("{base}{path}"))
    }

    fn resource_metadata(&self, head: &http::request::Parts) -> String {
        let path = head.uri.path().trim_end_matches('/');
        self.url_of(head, &format!("{}{path}", mcp_contracts::service::RESOURCE_METADATA_PATH))
    }

    fn challenge(&self, refusal: Refusal, head: &http::request::Parts) -> Failure {
        metrics::counter!(metric::AUTH_REFUSED_TOTAL, "service" => self.service.name(), "reason" => refusal.0)
            .increment(1);
        // A request without a token gets no error code (RFC 6750, section 3.1).
        let error = if refusal.0 == "missing" { "" } else { ", error=\"invalid_token\"" };
        let challenge = format!("Bearer resource_metadata=\"{}\"{error}", self.resource_metadata(head));
        Failure::new(StatusCode::UNAUTHORIZED, rpc::UNAUTHORIZED, "a valid bearer token is required")
            .with_header(header::WWW_AUTHENTICATE, &challenge)
    }

    fn missing_scopes(&self, missing: &[&str], head: &http::request::Parts) -> Failure {
        let scopes = missing.join(" ");
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", resource_metadata=\"{}\"",
            self.resource_metadata(head)
        );
        Failure::new(StatusCode::FORBIDDEN, rpc::FORBIDDEN, format!("the token lacks these scopes: {scopes}"))
            .with_data(serde_json::json!({ "code": "insufficient_scope", "missing": missing }))
            .with_header(header::WWW_AUTHENTICATE, &challenge)
    }
}

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// Returns a JSON-RPC error for a request outside the endpoint, such as an unknown path.
pub fn refuse(status: StatusCode, code: i64, message: &str) -> Response<Body> {
    reply_error(status, code, message)
}
