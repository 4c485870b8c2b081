//! Methods other than tool calls, answered by the SDK: `initialize`, `server/discover`, `ping`, lists, resources, prompts. The
//! bridge also runs tool calls through the SDK, but only for a test that compares the fast path with it.

mod convert;

use super::Body;
use super::envelope::Envelope;
use super::era::PROTOCOLS;
use super::failure::Failure;
use super::media::ResponseFormat;
use crate::elicitation::ToolOutcome;
use crate::server_features::ServerFeatures;
use crate::tool::CallContext;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use mcp_contracts::{Service, ToolError, rpc};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult,
    DiscoverResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation,
    InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, PromptMessage, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Time for which a client may cache the discovery and the lists that are equal for all callers, in milliseconds.
const LIST_TTL_MS: u64 = 300_000;
/// Time for which a client may cache a resource or the list of resources, in milliseconds. Short, because both may depend on the caller
/// and the data behind them change.
const READ_TTL_MS: u64 = 5_000;

type Sdk = StreamableHttpService<Handler, NeverSessionManager>;

pub(super) struct Bridge {
    sdk: Sdk,
}

/// The reply of the SDK without its id.
#[derive(Deserialize)]
struct SdkReply<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Clone)]
struct Handler {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    features: ServerFeatures,
    listed: Vec<rmcp::model::Tool>,
}

impl Bridge {
    pub(super) fn new(service: Service, features: &ServerFeatures) -> Self {
        let listed = features.tools.iter().map(convert::tool).collect();
        let handler = Handler { inner: Arc::new(Inner { service, features: features.clone(), listed }) };
        // The endpoint has checked Host, Origin and size; the SDK would refuse them with plain text. No sessions: the SDK keeps 52 kB for
        // each and does not limit their number. Always JSON: the endpoint makes the event of a client that wants one.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .disable_allowed_hosts();
        let sdk =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
        Self { sdk }
    }

    /// Passes a request to the SDK. The endpoint has checked the media types and chosen `format`.
    pub(super) async fn answer(
        &self,
        headers: &HeaderMap,
        envelope: &Envelope<'_>,
        format: ResponseFormat,
        context: CallContext,
    ) -> Response<Body> {
        if has_odd_cursor(envelope) {
            let text = "`cursor` must be a text that a list returned";
            let failure = Failure::new(StatusCode::BAD_REQUEST, rpc::INVALID_PARAMS, text);
            return failure.with_id(envelope.id).into_response();
        }
        let (status, reply) = self.ask_sdk(headers, sdk_body(envelope), context).await;
        let id = envelope.id.map_or("null", RawValue::get);
        let document = match serde_json::from_slice::<SdkReply<'_>>(&reply) {
            Ok(SdkReply { result: Some(result), .. }) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
            Ok(SdkReply { error: Some(error), .. }) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
            // The SDK refuses in plain text what it cannot read.
            Ok(_) | Err(_) => {
                let text: String = String::from_utf8_lossy(&reply).chars().take(200).collect();
                // The endpoint has checked the media types, so the SDK sends this status only for a body that it cannot parse.
                let unparsed = status == StatusCode::UNSUPPORTED_MEDIA_TYPE;
                let status = if unparsed { StatusCode::BAD_REQUEST } else { status };
                return Failure::new(status, rpc::INVALID_REQUEST, text).with_id(envelope.id).into_response();
            }
        };
        // An error with a status of its own is read before any event.
        let format = if status.is_success() { format } else { ResponseFormat::Json };
        let mut response = format.response(format.frame(document.into()));
        *response.status_mut() = status;
        response
    }

    async fn ask_sdk(&self, headers: &HeaderMap, body: Bytes, context: CallContext) -> (StatusCode, Bytes) {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers.clone();
        // The SDK answers 406 unless the client accepts both media types.
        let both = HeaderValue::from_static("application/json, text/event-stream");
        request.headers_mut().insert(header::ACCEPT, both);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.extensions_mut().insert(context);
        // Boxed, because the future of the SDK is large and would enlarge that of every tool call.
        let (head, body) = Box::pin(self.sdk.handle(request)).await.into_parts();
        match body.collect().await {
            Ok(collected) => (head.status, collected.to_bytes()),
            Err(infallible) => match infallible {},
        }
    }
}

/// Returns true for a list whose `cursor` is no text. The SDK would return the first page as if there were none.
fn has_odd_cursor(envelope: &Envelope<'_>) -> bool {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow, default)]
        cursor: Option<&'a RawValue>,
    }
    let params = envelope.params.filter(|_| envelope.method.ends_with("/list")).map(RawValue::get);
    let page = params.and_then(|params| serde_json::from_str::<Page<'_>>(params).ok());
    page.and_then(|page| page.cursor).is_some_and(|cursor| !cursor.get().starts_with('"'))
}

/// Builds the request for the SDK. Its id is always 0, because the SDK has 64 bits for an id and a client may have more.
fn sdk_body(envelope: &Envelope<'_>) -> Bytes {
    let method = serde_json::Value::from(&*envelope.method);
    let params = envelope.params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":0,"method":{method}{params}}}"#).into()
}

/// Builds the error for a method that this service does not have.
fn no_method(method: &str) -> ErrorData {
    let text = format!("this service has no method `{}`", convert::short(method));
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text, None)
}

/// Returns the context that the endpoint added to the request.
fn caller(context: &RequestContext<RoleServer>) -> Result<CallContext, ErrorData> {
    let parts = context.extensions.get::<http::request::Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<CallContext>()).cloned();
    caller.ok_or_else(|| ErrorData::internal_error("the request has no caller", None))
}

/// Awaits a read and turns a panic into an error. Without this the SDK would never answer a request whose read panics.
async fn catch_panic<T>(work: BoxFuture<'static, Result<T, ToolError>>) -> Result<T, ErrorData> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result.map_err(|error| convert::error(&error)),
        Err(_) => Err(ErrorData::internal_error("the read failed; the log has the details", None)),
    }
}

/// Refuses a cursor, because every list has one page.
fn first_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.is_some_and(|request| request.cursor.is_some()) {
        true => {
            Err(ErrorData::invalid_params("this list has one page; the cursor was not issued by this service", None))
        }
        false => Ok(()),
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let version = env!("CARGO_PKG_VERSION");
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        capabilities.resources = self.inner.features.resources.as_ref().map(|_| Default::default());
        capabilities.prompts = self.inner.features.prompts.as_ref().map(|_| Default::default());
        ServerConfig::new(capabilities).with_server_info(Implementation::new(self.inner.service.binary(), version))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // The SDK passes a method that it knows as an unknown one if the parameters do not fit.
        let (features, method) = (&self.inner.features, &*request.method);
        let known = match method {
            "initialize" | "server/discover" | "ping" | "tools/list" => true,
            "resources/list" | "resources/templates/list" | "resources/read" => features.resources.is_some(),
            "prompts/list" | "prompts/get" => features.prompts.is_some(),
            _ => false,
        };
        if known {
            return Err(ErrorData::invalid_params(format!("the parameters of `{method}` have the wrong form"), None));
        }
        Err(no_method(method))
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut versions = self.supported_protocol_versions().into_owned();
        // Newest first, as in `PROTOCOLS`.
        versions.sort_by_key(|version| PROTOCOLS.iter().position(|protocol| *protocol == version.as_str()));
        let discovered = DiscoverResult::from_server_info(versions, self.get_info());
        Ok(discovered.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        first_page(request)?;
        let list = ListToolsResult::with_all_items(self.inner.listed.clone());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("unknown tool `{}`", request.name), None);
        let tool = self.inner.features.tools.get(&request.name).ok_or_else(unknown)?;
        let arguments = serde_json::value::to_raw_value(&request.arguments.unwrap_or_default())
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        match tool.call(caller(&context)?, arguments).await {
            Ok(ToolOutcome::Complete(json)) => {
                let value = serde_json::from_str(json.get())
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                let mut result = CallToolResult::structured(value);
                // The text block repeats the JSON, because several hosts read only text.
                result.content = vec![ContentBlock::text(json.get())];
                Ok(result.into())
            }
            Ok(ToolOutcome::InputRequired(question)) => {
                let question: InputRequiredResult = serde_json::from_value(question.fields().into())
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                Ok(question.into())
            }
            Err(error) => {
                // The error is text, because clients check structured content against the output schema (decision 0008).
                let text = serde_json::to_string(&error).unwrap_or_default();
                Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into())
            }
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        // A service answers the methods of what it declares, and no others.
        let resources = self.inner.features.resources.as_ref().ok_or_else(|| no_method("resources/list"))?;
        first_page(request)?;
        let all = resources.list(&caller(&context)?);
        let list = ListResourcesResult::with_all_items(all.into_iter().map(convert::resource).collect());
        Ok(list.with_ttl_ms(READ_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let resources = self.inner.features.resources.as_ref().ok_or_else(|| no_method("resources/templates/list"))?;
        first_page(request)?;
        let all = resources.templates();
        let list = ListResourceTemplatesResult::with_all_items(all.into_iter().map(convert::template).collect());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let resources = self.inner.features.resources.as_ref().ok_or_else(|| no_method("resources/read"))?;
        let read = catch_panic(resources.read(caller(&context)?, request.uri.clone())).await?;
        let contents = ResourceContents::text(read.text, request.uri).with_mime_type(read.mime_type);
        let result = ReadResourceResult::new(vec![contents]);
        Ok(result.with_ttl_ms(READ_TTL_MS).with_cache_scope(CacheScope::Private).into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = self.inner.features.prompts.as_ref().ok_or_else(|| no_method("prompts/list"))?;
        first_page(request)?;
        let all = prompts.list();
        let list = ListPromptsResult::with_all_items(all.into_iter().map(convert::prompt).collect());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompts = self.inner.features.prompts.as_ref().ok_or_else(|| no_method("prompts/get"))?;
        let arguments = convert::arguments(request.arguments)?;
        let prompt = catch_panic(prompts.get(caller(&context)?, request.name, arguments)).await?;
        let message = PromptMessage::new_text(Role::User, prompt.text);
        Ok(GetPromptResult::new(vec![message]).with_description(prompt.description).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elicitation::ElicitationContext;
    use crate::mcp::era::Era;
    use crate::mcp::{envelope, reply};
    use crate::tool::{Annotations, Tool, ToolInfo, ToolSet};
    use mcp_contracts::{Claims, ErrorCode, Plan};
    use proptest::prelude::*;
    use schemars::JsonSchema;
    use serde::Serialize;
    use serde_json::{Value, json};
    use std::time::{Duration, Instant};

    #[derive(Deserialize, Serialize, JsonSchema)]
    struct Echo {
        text: String,
        #[serde(default)]
        fail: bool,
    }

    fn tools() -> ToolSet {
        let info = ToolInfo {
            name: "echo",
            title: "Echo",
            description: "Returns its arguments.",
            annotations: Annotations { read_only: true, destructive: false, idempotent: true },
            scopes: &[],
        };
        ToolSet::new(vec![Tool::new(info, |_: CallContext, echo: Echo| async move {
            if echo.fail {
                Err(ToolError::new(ErrorCode::NotFound, echo.text).with_hint("look elsewhere"))
            } else {
                Ok(echo)
            }
        })])
    }

    fn claims() -> Arc<Claims> {
        Arc::new(Claims {
            sub: "ann".into(),
            org_id: "acme".into(),
            workspace_slug: "default".into(),
            plan: Plan::Free,
            role: mcp_contracts::Role::default(),
            scopes: Vec::new(),
            exp: u64::MAX,
            iat: 0,
            jti: String::new(),
            aud: "mcp".into(),
        })
    }

    /// Returns the replies of the fast path and of the SDK to the same request.
    async fn both(body: &Value, era: Era, headers: &HeaderMap) -> (Value, Value) {
        let (tools, text) = (tools(), body.to_string());
        let envelope = envelope::parse(text.as_bytes(), 64).unwrap();
        let parsed = super::super::call::Call::parse(&envelope, &tools, false)
            .unwrap_or_else(|_| panic!("the call is well-formed"));
        let arguments = serde_json::value::to_raw_value(&body["params"]["arguments"]).unwrap();
        let context = CallContext {
            claims: claims(),
            execution_id: "e".into(),
            deadline: Instant::now() + Duration::from_secs(5),
            elicitation: ElicitationContext::default(),
        };
        let fast = reply::result(envelope.id, &parsed.tool.call(context.clone(), arguments).await, era);
        let bridge = Bridge::new(Service::Memory, &tools.into());
        let response = bridge.answer(headers, &envelope, ResponseFormat::Json, context).await;
        let sdk = response.into_body().collect().await.unwrap().to_bytes();
        (serde_json::from_slice(&fast).unwrap(), serde_json::from_slice(&sdk).unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let json = [("content-type", "application/json"), ("host", "localhost")];
        json.iter()
            .chain(pairs)
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_fast_path_answers_as_the_sdk_does(text in ".{0,40}", fail in any::<bool>(), number in any::<u32>(), modern in any::<bool>()) {
            let mut body = json!({ "jsonrpc": "2.0", "id": number, "method": "tools/call",
                "params": { "name": "echo", "arguments": { "text": text, "fail": fail } } });
            let (era, headers) = if modern {
                body["params"]["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {} });
                let mirrored = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
                (Era::Modern, headers(&mirrored))
            } else {
                (Era::Legacy, headers(&[]))
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (fast, mut sdk) = runtime.block_on(both(&body, era, &headers));
            // The SDK adds the name of the server to the metadata of every modern result.
            if let Some(result) = sdk["result"].as_object_mut() {
                result.remove("_meta");
            }
            prop_assert_eq!(fast, sdk);
        }
    }
}
