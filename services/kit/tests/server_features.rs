//! Resources, prompts, pages and questions of a service, with clients of both eras.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use futures::future::BoxFuture;
use mcp_contracts::{ErrorCode, Scope, Service, ToolError, env};
use mcp_kit::{
    Annotations, CallContext, Elicitation, Page, PromptArgument, PromptInfo, PromptText, Prompts, ResourceInfo,
    ResourceTemplate, ResourceText, Resources, ServerFeatures, Start, Tool, ToolInfo, ToolOutcome, ToolSet,
};
use mcp_testkit::{Caller, Server};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Notes;

impl Resources for Notes {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::MemoryRead]
    }

    fn list(&self, context: &CallContext) -> Vec<ResourceInfo> {
        vec![ResourceInfo {
            uri: "note://mine".into(),
            name: "mine".into(),
            title: format!("Notes of {}", context.claims.sub),
            description: "A note.".into(),
            mime_type: "text/plain",
        }]
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri_template: "note://{id}".into(),
            name: "note".into(),
            title: "A note".into(),
            description: "A note by its id.".into(),
            mime_type: "text/plain",
        }]
    }

    fn read(&self, context: CallContext, uri: String) -> BoxFuture<'static, Result<ResourceText, ToolError>> {
        Box::pin(async move {
            match uri.as_str() {
                "note://mine" => {
                    Ok(ResourceText { mime_type: "text/plain", text: format!("of {}", context.claims.org_id) })
                }
                "note://broken" => panic!("as the test expects"),
                _ => Err(ToolError::new(ErrorCode::NotFound, format!("no note `{uri}`"))),
            }
        })
    }
}

struct Greetings;

impl Prompts for Greetings {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::MemoryRead]
    }

    fn list(&self) -> Vec<PromptInfo> {
        let name = PromptArgument { name: "name".into(), description: "Whom to greet.".into(), required: true };
        vec![PromptInfo {
            name: "greet".into(),
            title: "Greet".into(),
            description: "Greets.".into(),
            arguments: vec![name],
        }]
    }

    fn get(
        &self,
        _: CallContext,
        name: String,
        arguments: BTreeMap<String, String>,
    ) -> BoxFuture<'static, Result<PromptText, ToolError>> {
        Box::pin(async move {
            if name != "greet" {
                return Err(ToolError::new(ErrorCode::NotFound, format!("no prompt `{name}`")));
            }
            let whom =
                arguments.get("name").ok_or_else(|| ToolError::new(ErrorCode::InvalidArgument, "`name` is missing"))?;
            Ok(PromptText { description: "Greets.".into(), text: format!("Say hello to {whom}.") })
        })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Said {
    said: String,
}

fn tools() -> ToolSet {
    let info = ToolInfo {
        name: "ask",
        title: "Ask",
        description: "Asks before it answers.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true },
        scopes: &[],
    };
    ToolSet::new(vec![Tool::with_elicitation(info, |context: CallContext, _: Nothing| async move {
        let Some(elicited) = &context.elicitation.responses else {
            if !context.elicitation.supports_elicitation {
                return Ok(ToolOutcome::Complete(Said { said: "could not ask".into() }));
            }
            return Ok(ToolOutcome::InputRequired(Elicitation {
                key: "colour",
                message: "Which colour?".into(),
                schema: json!({ "type": "object", "properties": { "colour": { "type": "string" } }, "required": ["colour"] }),
                state: "sealed".into(),
            }));
        };
        let colour = elicited.accepted("colour").and_then(|content| content["colour"].as_str()).unwrap_or("none");
        Ok(ToolOutcome::Complete(Said { said: format!("{colour}, with {}", elicited.state) }))
    })])
}

async fn start(values: &[(&str, &str)]) -> Server {
    let page = Page::new("/api/v1/test", |context| {
        Box::pin(async move {
            if context.claims.sub != "ann" {
                return Err(ToolError::new(ErrorCode::DependencyUnavailable, "unavailable"));
            }
            Ok(serde_json::value::to_raw_value(&json!({ "user": context.claims.sub })).unwrap())
        })
    });
    let features = ServerFeatures {
        resources: Some(Arc::new(Notes)),
        prompts: Some(Arc::new(Greetings)),
        pages: vec![page],
        ..ServerFeatures::from(tools())
    };
    Server::start(Service::Memory, values, Caller::new("acme", &[Scope::MemoryRead]), async |_: Start| features).await
}

/// Sends a request of the older era. No handshake precedes it, because the service keeps no session.
async fn legacy(server: &Server, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    server.post(body.to_string()).send().await.unwrap().json().await.unwrap()
}

async fn modern(server: &Server, method: &str, name: &str, capabilities: Value, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": capabilities });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request =
        server.post(body.to_string()).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    if !name.is_empty() {
        request = request.header("mcp-name", name);
    }
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn resources_are_listed_and_read_in_both_eras() {
    let server = start(&[]).await;
    let listed = legacy(&server, "resources/list", json!({})).await;
    assert_eq!(listed["result"]["resources"][0]["title"], "Notes of ann");
    assert_eq!(
        legacy(&server, "resources/templates/list", json!({})).await["result"]["resourceTemplates"][0]["uriTemplate"],
        "note://{id}"
    );
    let read = legacy(&server, "resources/read", json!({ "uri": "note://mine" })).await;
    assert_eq!(read["result"]["contents"][0]["text"], "of acme");
    let read = modern(&server, "resources/read", "note://mine", json!({}), json!({ "uri": "note://mine" })).await;
    assert_eq!(
        (&read["result"]["contents"][0]["text"], &read["result"]["resultType"]),
        (&json!("of acme"), &json!("complete"))
    );
    // Content that depends on the caller must not be cached for other callers.
    assert_eq!(read["result"]["cacheScope"], "private");
    assert!(read["result"]["ttlMs"].is_u64());
}

#[tokio::test]
async fn an_unknown_resource_is_an_error_of_the_request() {
    let server = start(&[]).await;
    for reply in [
        legacy(&server, "resources/read", json!({ "uri": "note://other" })).await,
        modern(&server, "resources/read", "note://other", json!({}), json!({ "uri": "note://other" })).await,
    ] {
        assert_eq!(
            (&reply["error"]["code"], &reply["error"]["data"]["code"]),
            (&json!(-32602), &json!("not_found")),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_read_that_panics_is_one_failed_read() {
    let server = start(&[]).await;
    let reply = legacy(&server, "resources/read", json!({ "uri": "note://broken" })).await;
    assert!(reply["error"]["message"].as_str().unwrap().contains("the read failed"), "{reply}");
    assert_eq!(
        legacy(&server, "resources/read", json!({ "uri": "note://mine" })).await["result"]["contents"][0]["text"],
        "of acme"
    );
}

#[tokio::test]
async fn reading_needs_its_scopes_and_is_counted_like_a_call() {
    let server = start(&[(env::QUOTA_ENTERPRISE_DAILY, "2")]).await;
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"note://mine"}}"#;
    let got = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"greet","arguments":{"name":"zoe"}}}"#;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#;
    let mut without = server.post(read).build().unwrap();
    let bearer = format!("Bearer {}", Caller::new("acme", &[Scope::PatternsSelect]).token());
    without.headers_mut().insert("authorization", bearer.parse().unwrap());
    let refused = server.http.execute(without).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().contains("scope=\"memory.read\""));
    for (body, status) in [(read, 200), (list, 200), (got, 200), (read, 429), (got, 429), (list, 200)] {
        let reply = server.post(body).send().await.unwrap();
        assert_eq!(reply.status(), status, "{body}");
        assert_eq!(reply.headers().contains_key("x-execution-id"), status == 200 && body != list, "{body}");
    }
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    let server = start(&[]).await;
    let listed = legacy(&server, "prompts/list", json!({})).await;
    assert_eq!(listed["result"]["prompts"][0]["arguments"][0]["required"], true);
    let got = legacy(&server, "prompts/get", json!({ "name": "greet", "arguments": { "name": "zoe" } })).await;
    assert_eq!(got["result"]["messages"][0]["content"]["text"], "Say hello to zoe.");
    for (name, arguments) in [("greet", json!({})), ("greet", json!({ "name": 7 })), ("other", json!({}))] {
        let refused = legacy(&server, "prompts/get", json!({ "name": name, "arguments": arguments })).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
}

#[tokio::test]
async fn a_tool_asks_clients_that_support_it_and_continues_with_the_answer() {
    let server = start(&[]).await;
    let forms = json!({ "elicitation": { "form": {} } });
    let call = json!({ "name": "ask", "arguments": {} });
    let asked = modern(&server, "tools/call", "ask", forms.clone(), call.clone()).await;
    let result = &asked["result"];
    assert_eq!((&result["resultType"], &result["requestState"]), (&json!("input_required"), &json!("sealed")));
    assert_eq!(result["inputRequests"]["colour"]["method"], "elicitation/create");
    assert_eq!(result["inputRequests"]["colour"]["params"]["requestedSchema"]["required"][0], "colour");
    let mut again = call.clone();
    again["requestState"] = result["requestState"].clone();
    again["inputResponses"] = json!({ "colour": { "action": "accept", "content": { "colour": "green" } } });
    let reply = modern(&server, "tools/call", "ask", forms, again).await;
    assert_eq!(reply["result"]["structuredContent"]["said"], "green, with sealed");
    for reply in
        [modern(&server, "tools/call", "ask", json!({}), call.clone()).await, legacy(&server, "tools/call", call).await]
    {
        assert_eq!(reply["result"]["structuredContent"]["said"], "could not ask");
    }
}

#[tokio::test]
async fn the_client_of_the_sdk_reads_and_answers_a_question() {
    use rmcp::model::{
        CallToolRequestParams, ClientCapabilities, ElicitRequestParams, ElicitResult, ElicitationAction,
        Implementation, ProtocolVersion, ReadResourceRequestParams,
    };
    use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext, RoleClient};
    use rmcp::transport::StreamableHttpClientTransport;
    use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
    use rmcp::{ClientHandler, ErrorData, model::ClientConfig};

    #[derive(Clone)]
    struct Person;
    impl ClientHandler for Person {
        fn get_info(&self) -> ClientConfig {
            ClientConfig::new(
                ClientCapabilities::builder().enable_elicitation().build(),
                Implementation::new("test", "0"),
            )
        }
        async fn create_elicitation(
            &self,
            _: ElicitRequestParams,
            _: RequestContext<RoleClient>,
        ) -> Result<ElicitResult, ErrorData> {
            Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "colour": "blue" })))
        }
    }
    let server = start(&[]).await;
    let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", server.base))
        .auth_header(server.caller.token());
    let transport = StreamableHttpClientTransport::from_config(config);
    let mode = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    };
    let client = Person.serve_with_lifecycle(transport, mode).await.unwrap();
    let read = client.read_resource(ReadResourceRequestParams::new("note://mine")).await.unwrap();
    assert_eq!(serde_json::to_value(&read.contents).unwrap()[0]["text"], "of acme");
    let reply = client.call_tool(CallToolRequestParams::new("ask")).await.unwrap();
    assert_eq!(reply.structured_content.unwrap()["said"], "blue, with sealed");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_page_needs_a_token_and_reports_its_failure() {
    let mut server = start(&[]).await;
    let get = |bearer: String| server.http.get(format!("{}/api/v1/test", server.base)).bearer_auth(bearer).send();
    let page = get(Caller::new("acme", &[]).token()).await.unwrap();
    assert_eq!((page.status().as_u16(), page.json::<Value>().await.unwrap()), (200, json!({ "user": "ann" })));
    let refused = get(server.caller.token_signed_with("another-key-another-key-another-key-another")).await.unwrap();
    assert_eq!(refused.status(), 401);
    let posted = server
        .http
        .post(format!("{}/api/v1/test", server.base))
        .bearer_auth(Caller::new("acme", &[]).token())
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), 405);
    let foreign = server
        .http
        .get(format!("{}/api/v1/test", server.base))
        .bearer_auth(Caller::new("acme", &[]).token())
        .header("origin", "http://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    assert!(server.call("ask", json!({})).await["result"]["isError"] == false);
    server.stop.cancel();
    assert!(server.drained().await);
}
