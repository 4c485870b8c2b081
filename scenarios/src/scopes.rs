//! Every tool, resource and prompt requires one scope. Without the scope, the reply is 403 and names it; with this
//! scope alone, the call is admitted. Without a valid token, the reply is 401, names the source of tokens, and does not
//! reveal why the token is invalid.

mod tokens;

use crate::lifecycle;
use harness_core::drive::scenario::{Reply, Scenario, ScenarioRequest, Stage, StepFailed};
use mcp_contracts::{Scope, Service, guardrails, memory, orchestrator, patterns, rpc};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "scopes",
    "every call needs a valid token and its scope, and each rejection names what is missing",
    lifecycle::patient,
    |stage| Box::pin(play(stage)),
);

const CHALLENGE: &str = "www-authenticate";

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    for service in Service::ALL {
        let endpoints = endpoints(service);
        expect_all_tools_tried(stage, service, &endpoints).await;
        for endpoint in &endpoints {
            expect_scope(stage, endpoint).await;
            tokens::expect_rejected(stage, endpoint).await?;
        }
        tokens::expect_metadata(stage, service).await?;
    }
    let mut runner = stage.user("ann", "acme").with_scopes(&[Scope::AgentsRun]);
    let order = json!({ "agent": "general", "action": "answer", "intent": "explain the release notes", "text": "" });
    let ran = runner.call("run_workflow", order).await;
    let completed = |reply: &Value| reply["status"] == "completed";
    let _ = ran.expect_result("the scope `agents.run` is enough for a workflow through all services", completed);
    Ok(())
}

/// A tool, resource or prompt that needs a scope.
struct Endpoint {
    name: String,
    scope: Scope,
    request: ScenarioRequest,
}

/// Returns everything that a service offers according to the contract.
fn endpoints(service: Service) -> Vec<Endpoint> {
    let (tools, more): (&[&str], Vec<ScenarioRequest>) = match service {
        Service::Memory => (&memory::tool::ALL, Vec::new()),
        Service::Guardrails => {
            let prompt =
                ScenarioRequest::prompt(service, guardrails::BEFORE_ACTION_PROMPT, json!({ "action": "deploy" }));
            (&guardrails::tool::ALL, vec![ScenarioRequest::resource(service, guardrails::RULES_URI), prompt])
        }
        Service::Patterns => (&patterns::tool::ALL, vec![ScenarioRequest::resource(service, patterns::CATALOG_URI)]),
        Service::Orchestrator => (&orchestrator::tool::ALL, Vec::new()),
    };
    let tools = tools.iter().map(|tool| ScenarioRequest::tool(tool, json!({})));
    let endpoint = |request: ScenarioRequest| Endpoint {
        name: request.name().to_owned(),
        scope: scope(service, request.name()),
        request,
    };
    tools.chain(more).map(endpoint).collect()
}

fn scope(service: Service, name: &str) -> Scope {
    use memory::tool::{DELETE, DELETE_BY_TAG, IMPORT, STORE, UPDATE};
    match (service, name) {
        (Service::Memory, STORE | UPDATE | IMPORT) => Scope::MemoryWrite,
        (Service::Memory, DELETE | DELETE_BY_TAG) => Scope::MemoryDelete,
        (Service::Memory, _) => Scope::MemoryRead,
        (Service::Guardrails, guardrails::tool::ACKNOWLEDGE) => Scope::GuardrailsAcknowledge,
        (Service::Guardrails, _) => Scope::GuardrailsValidate,
        (Service::Patterns, _) => Scope::PatternsSelect,
        (Service::Orchestrator, _) => Scope::AgentsRun,
    }
}

/// Expects that the service has exactly the tools of the contract, so that this scenario tries every tool.
async fn expect_all_tools_tried(stage: &Stage<'_>, service: Service, endpoints: &[Endpoint]) {
    let listed = stage.user("ann", "acme").send(ScenarioRequest::method(service, "tools/list", json!({}))).await;
    let same = |reply: &Value| {
        let names = reply["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str());
        let expected = endpoints.iter().map(|endpoint| &*endpoint.name).filter(|name| !name.contains('/'));
        names.eq(expected)
    };
    let _ = listed.expect_result(&format!("`{}` has exactly the tools of its contract", service.name()), same);
}

async fn expect_scope(stage: &Stage<'_>, endpoint: &Endpoint) {
    let (name, scope) = (&endpoint.name, endpoint.scope.name());
    // `admin` is not among the others, because it admits to everything; it is tried below.
    let others: Vec<Scope> =
        Scope::ALL.into_iter().filter(|other| ![endpoint.scope, Scope::Admin].contains(other)).collect();
    for (with, scopes) in [("every other scope", &*others), ("an unknown scope", &[Scope::Unknown]), ("no scope", &[])]
    {
        let reply = stage.user("ann", "acme").with_scopes(scopes).send(endpoint.request.clone()).await;
        let challenge = reply.header(CHALLENGE).unwrap_or_default();
        let named =
            challenge.contains("error=\"insufficient_scope\"") && challenge.contains(&format!("scope=\"{scope}\""));
        let refused = reply.status() == Some(403) && reply.error()["code"] == rpc::FORBIDDEN;
        let holds = refused && named && reply.error()["data"]["missing"] == json!([scope]);
        let expected = format!("`{name}` with {with} is rejected with 403, which names only `{scope}` as missing");
        stage.expect(&expected, holds, describe(&reply), &[reply.op()]);
    }
    for (with, scope) in [("only that scope", endpoint.scope), ("only `admin`", Scope::Admin)] {
        let reply = stage.user("ann", "acme").with_scopes(&[scope]).send(endpoint.request.clone()).await;
        let _ = reply.expect_status(&format!("`{name}` with {with} is admitted"), 200);
    }
}

fn describe(reply: &Reply<'_>) -> String {
    format!("{:?}, {CHALLENGE} {:?}, {}", reply.status(), reply.header(CHALLENGE), reply.error())
}
