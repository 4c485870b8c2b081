//! Every tool, resource and prompt has its scope: without it the answer is 403 and names what is missing, with it alone the call comes in. Without
//! a good token the answer is 401, says where tokens come from, and nothing of why.

mod tokens;

use crate::lifecycle;
use harness_core::drive::scenario::{Ask, Broken, Reply, Scenario, Stage};
use mcp_contracts::{Scope, Service, guardrails, memory, orchestrator, patterns, rpc};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "scopes",
    "nothing is reached without its scope or without a good token, and each refusal says what it takes",
    lifecycle::patient,
    |stage| Box::pin(play(stage)),
);

const CHALLENGE: &str = "www-authenticate";

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    for service in Service::ALL {
        let doors = doors(service);
        every_door_is_known(stage, service, &doors).await;
        for door in &doors {
            scope_of(stage, door).await;
            tokens::refused(stage, door).await?;
        }
        tokens::metadata(stage, service).await?;
    }
    let mut runner = stage.user("ann", "acme").with_scopes(&[Scope::AgentsRun]);
    let order = json!({ "agent": "general", "action": "answer", "intent": "explain the release notes", "text": "" });
    let ran = runner.call("run_workflow", order).await;
    let completed = |reply: &Value| reply["status"] == "completed";
    let _ = ran.gives("the scope to run agents is enough for a workflow through all services", completed);
    Ok(())
}

/// Something that a service lets nobody to without a scope.
struct Door {
    name: String,
    scope: Scope,
    ask: Ask,
}

/// All of a service, by the contract.
fn doors(service: Service) -> Vec<Door> {
    let (tools, more): (&[&str], Vec<Ask>) = match service {
        Service::Memory => (&memory::tool::ALL, Vec::new()),
        Service::Guardrails => {
            let prompt = Ask::prompt(service, guardrails::BEFORE_ACTION_PROMPT, json!({ "action": "deploy" }));
            (&guardrails::tool::ALL, vec![Ask::resource(service, guardrails::RULES_URI), prompt])
        }
        Service::Patterns => (&patterns::tool::ALL, vec![Ask::resource(service, patterns::CATALOG_URI)]),
        Service::Orchestrator => (&orchestrator::tool::ALL, Vec::new()),
    };
    let tools = tools.iter().map(|tool| Ask::tool(tool, json!({})));
    let door = |ask: Ask| Door { name: ask.name().to_owned(), scope: scope(service, ask.name()), ask };
    tools.chain(more).map(door).collect()
}

fn scope(service: Service, name: &str) -> Scope {
    use memory::tool::{DELETE, DELETE_BY_TAG, IMPORT, STORE, UPDATE};
    match (service, name) {
        (Service::Memory, STORE | UPDATE | IMPORT) => Scope::MemoryWrite,
        (Service::Memory, DELETE | DELETE_BY_TAG) => Scope::MemoryDelete,
        (Service::Memory, _) => Scope::MemoryRead,
        (Service::Guardrails, _) => Scope::GuardrailsValidate,
        (Service::Patterns, _) => Scope::PatternsSelect,
        (Service::Orchestrator, _) => Scope::AgentsRun,
    }
}

/// A tool that the service has and nobody tries here would be a door without a guard.
async fn every_door_is_known(stage: &Stage<'_>, service: Service, doors: &[Door]) {
    let listed = stage.user("ann", "acme").send(Ask::method(service, "tools/list", json!({}))).await;
    let same = |reply: &Value| {
        let names = reply["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str());
        let expected = doors.iter().map(|door| &*door.name).filter(|name| !name.contains('/'));
        names.eq(expected)
    };
    let _ = listed.gives(&format!("`{}` has the tools of its contract and no other", service.name()), same);
}

async fn scope_of(stage: &Stage<'_>, door: &Door) {
    let (name, scope) = (&door.name, door.scope.name());
    let others: Vec<Scope> =
        Scope::ALL.into_iter().filter(|other| ![door.scope, Scope::Admin].contains(other)).collect();
    for (with, scopes) in
        [("every other scope", &*others), ("a scope of somebody else's", &[Scope::Unknown]), ("no scope", &[])]
    {
        let reply = stage.user("ann", "acme").with_scopes(scopes).send(door.ask.clone()).await;
        let challenge = reply.header(CHALLENGE).unwrap_or_default();
        let told =
            challenge.contains("error=\"insufficient_scope\"") && challenge.contains(&format!("scope=\"{scope}\""));
        let refused = reply.status() == Some(403) && reply.error()["code"] == rpc::FORBIDDEN;
        let held = refused && told && reply.error()["data"]["missing"] == json!([scope]);
        let expected =
            format!("`{name}` with {with} is refused with 403, and `{scope}` is named as all that is missing");
        stage.expect(&expected, held, seen(&reply), &[reply.op()]);
    }
    for (with, scope) in [("that scope alone", door.scope), ("`admin` alone", Scope::Admin)] {
        let reply = stage.user("ann", "acme").with_scopes(&[scope]).send(door.ask.clone()).await;
        let _ = reply.has_status(&format!("`{name}` with {with} comes in"), 200);
    }
}

fn seen(reply: &Reply<'_>) -> String {
    format!("{:?}, {CHALLENGE} {:?}, {}", reply.status(), reply.header(CHALLENGE), reply.error())
}
