//! Everything but tool calls, answered by the SDK: `initialize`, `server/discover`, `ping`, `tools/list`. It can run tool
//! calls as well, so that tests can hold our short way to the SDK's.

use super::Body;
use super::era::PROTOCOLS;
use super::media::Wanted;
use crate::tool::{CallContext, Tool, ToolSet};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use mcp_contracts::{Claims, Service};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, DiscoverResult, Implementation,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may keep the list of tools and the discovery, in milliseconds.
const LIST_TTL_MS: u64 = 300_000;

type Sdk = StreamableHttpService<Handler, NeverSessionManager>;

/// The SDK's side of the endpoint.
pub(super) struct Bridge {
    json: Sdk,
    events: Sdk,
}

#[derive(Clone)]
struct Handler {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    tools: ToolSet,
    listed: Vec<rmcp::model::Tool>,
}

impl Bridge {
    pub(super) fn new(service: Service, tools: &ToolSet) -> Self {
        let listed = tools.iter().map(described).collect();
        let handler = Handler { inner: Arc::new(Inner { service, tools: tools.clone(), listed }) };
        let sdk = |json: bool| {
            let handler = handler.clone();
            // Host, Origin and size were judged before; the SDK would answer them with plain text.
            let config = StreamableHttpServerConfig::default()
                .with_legacy_session_mode(false)
                .with_json_response(json)
                .with_sse_keep_alive(None)
                .with_sse_retry(None)
                .disable_allowed_hosts();
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config)
        };
        Self { json: sdk(true), events: sdk(false) }
    }

    /// Hands a request over; its media types were judged before.
    pub(super) async fn answer(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        wanted: Wanted,
        claims: Arc<Claims>,
    ) -> Response<Body> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers.clone();
        let both = HeaderValue::from_static("application/json, text/event-stream");
        request.headers_mut().insert(header::ACCEPT, both);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.extensions_mut().insert(claims);
        let sdk = match wanted {
            Wanted::Json => &self.json,
            Wanted::Events => &self.events,
        };
        let mut response = Box::pin(sdk.handle(request)).await;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn described(tool: &Tool) -> rmcp::model::Tool {
    let mut described = rmcp::model::Tool::new(tool.name, tool.description, Arc::clone(&tool.input_schema));
    described.title = Some(tool.title.to_owned());
    described.output_schema = Some(Arc::clone(&tool.output_schema));
    described.annotations = Some(
        ToolAnnotations::with_title(tool.title)
            .read_only(tool.annotations.read_only)
            .destructive(tool.annotations.destructive)
            .idempotent(tool.annotations.idempotent)
            .open_world(false),
    );
    described
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let version = env!("CARGO_PKG_VERSION");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(self.inner.service.binary(), version))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS)
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut versions = self.supported_protocol_versions().into_owned();
        versions.sort_by_key(|version| PROTOCOLS.iter().position(|known| *known == version.as_str()));
        let discovered = DiscoverResult::from_server_info(versions, self.get_info());
        Ok(discovered.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("this list has one page; the cursor is not one of ours", None));
        }
        let list = ListToolsResult::with_all_items(self.inner.listed.clone());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("unknown tool `{}`", request.name), None);
        let tool = self.inner.tools.get(&request.name).ok_or_else(unknown)?;
        let claims =
            context.extensions.get::<http::request::Parts>().and_then(|parts| parts.extensions.get::<Arc<Claims>>());
        let claims = Arc::clone(claims.ok_or_else(|| ErrorData::internal_error("the request has no claims", None))?);
        let arguments = serde_json::value::to_raw_value(&request.arguments.unwrap_or_default())
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let context = CallContext {
            claims,
            execution_id: Arc::from(uuid::Uuid::new_v4().to_string()),
            deadline: Instant::now() + Duration::from_secs(10),
        };
        let result = match tool.call(context, arguments).await {
            Ok(json) => {
                let value = serde_json::from_str(json.get())
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                let mut result = CallToolResult::structured(value);
                result.content = vec![ContentBlock::text(json.get())];
                result
            }
            Err(error) => {
                let text = serde_json::to_string(&error).unwrap_or_default();
                CallToolResult::error(vec![ContentBlock::text(text)])
            }
        };
        Ok(result.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::era::Era;
    use crate::mcp::{envelope, reply};
    use crate::tool::{Annotations, ToolInfo};
    use http_body_util::BodyExt;
    use mcp_contracts::{ErrorCode, Plan, Role, ToolError};
    use proptest::prelude::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

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
            description: "Says it again.",
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
            role: Role::default(),
            scopes: Vec::new(),
            exp: u64::MAX,
            iat: 0,
            jti: String::new(),
            aud: "mcp".into(),
        })
    }

    /// What the short way and the SDK answer to the same request.
    async fn both(body: &Value, era: Era, headers: &HeaderMap) -> (Value, Value) {
        let (tools, text) = (tools(), body.to_string());
        let envelope = envelope::parse(text.as_bytes(), 64).unwrap();
        let parsed =
            super::super::call::Call::parse(&envelope, &tools).unwrap_or_else(|_| panic!("the call is well-formed"));
        let arguments = serde_json::value::to_raw_value(&body["params"]["arguments"]).unwrap();
        let context = CallContext {
            claims: claims(),
            execution_id: "e".into(),
            deadline: Instant::now() + Duration::from_secs(5),
        };
        let short = reply::result(envelope.id, &parsed.tool.call(context, arguments).await, era);
        let bridge = Bridge::new(Service::Memory, &tools);
        let response = bridge.answer(headers, Bytes::from(text.clone()), Wanted::Json, claims()).await;
        let sdk = response.into_body().collect().await.unwrap().to_bytes();
        (serde_json::from_slice(&short).unwrap(), serde_json::from_slice(&sdk).unwrap())
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
        fn the_short_way_answers_as_the_sdk_does(text in ".{0,40}", fail in any::<bool>(), number in any::<u32>(), modern in any::<bool>()) {
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
            let (short, mut sdk) = runtime.block_on(both(&body, era, &headers));
            // Who serves is told by the SDK in the metadata of every modern result; it is no part of the answer.
            if let Some(result) = sdk["result"].as_object_mut() {
                result.remove("_meta");
            }
            prop_assert_eq!(short, sdk);
        }
    }
}
