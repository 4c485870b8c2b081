//! Every tool, resource and prompt has its scope: without it the answer is 403 and names what is missing, with it alone the call comes in. Without
//! a good token the answer is 401, says where tokens come from, and nothing of why.

use harness_core::scenario::{Ask, Broken, Reply, Scenario, Stage};
use harness_core::token::Minter;
use harness_core::topology::Topology;
use mcp_contracts::service::RESOURCE_METADATA_PATH;
use mcp_contracts::{Scope, Service, env, guardrails, memory, orchestrator, patterns, rpc};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "scopes",
    "nothing is reached without its scope or without a good token, and each refusal says what it takes",
    topology,
    |stage| Box::pin(play(stage)),
);

const CHALLENGE: &str = "www-authenticate";
/// A key of tokens that no stack has.
const FOREIGN_KEY: &str = "a-key-that-no-stack-has-ever-been-started-with";

/// One workflow runs through all services here; how fast is not what is tried.
fn topology() -> Topology {
    let patient = Topology::full().setting(Service::Orchestrator, env::PEER_DEADLINE_MS, 3_000);
    patient.setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, 9_000)
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    for service in Service::ALL {
        let doors = doors(service);
        every_door_is_known(stage, service, &doors).await;
        for door in &doors {
            scope_of(stage, door).await;
            token_of(stage, door).await?;
        }
        metadata(stage, service).await?;
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

/// No token, a text that is none, and one of another key: the same answer to all three.
async fn token_of(stage: &Stage<'_>, door: &Door) -> Result<(), Broken> {
    let foreign = Minter::new(FOREIGN_KEY).mint(stage.user("ann", "acme").grant());
    let foreign = foreign.map_err(|error| Broken(error.to_string()))?;
    let mut replies = Vec::new();
    for token in [None, Some("token"), Some(&*foreign)] {
        replies.push(stage.user("ann", "acme").with_token(token).send(door.ask.clone()).await);
    }
    let told = |reply: &Reply<'_>| (reply.error().clone(), reply.header(CHALLENGE).map(str::to_owned));
    let held = replies.iter().all(|reply| {
        let refused = reply.status() == Some(401) && reply.error()["code"] == rpc::UNAUTHORIZED;
        refused && reply.header(CHALLENGE).and_then(metadata_url).is_some() && told(reply) == told(&replies[0])
    });
    let expected = "without a good token is refused with 401, and told where tokens come from and nothing of why";
    let ops: Vec<u64> = replies.iter().map(Reply::op).collect();
    let seen: Vec<String> = replies.iter().map(seen).collect();
    stage.expect(&format!("`{}` {expected}", door.name), held, seen.join("; "), &ops);
    Ok(())
}

/// Follows a challenge to the document that it names (RFC 9728).
async fn metadata(stage: &Stage<'_>, service: Service) -> Result<(), Broken> {
    let reply = stage.user("ann", "acme").with_token(None).send(Ask::method(service, "tools/list", json!({}))).await;
    let url = reply.header(CHALLENGE).and_then(metadata_url).unwrap_or_default();
    let (base, resource) = url.split_once(RESOURCE_METADATA_PATH).unwrap_or_default();
    let part = &stage.instances(service)[0];
    let (status, document) = stage.page(part, &format!("{RESOURCE_METADATA_PATH}{resource}"), None).await;
    let scopes = json!(Scope::ALL.map(Scope::name));
    let held = status == Some(200)
        && document["resource"] == format!("{base}{resource}")
        && document["scopes_supported"] == scopes
        && document["bearer_methods_supported"] == json!(["header"]);
    let expected = format!("the challenge of `{}` leads to a document of the resource and its scopes", service.name());
    stage.expect(&expected, held, format!("{url}: {status:?} {document}"), &[reply.op()]);
    Ok(())
}

fn metadata_url(challenge: &str) -> Option<&str> {
    let url = challenge.strip_prefix("Bearer resource_metadata=\"")?.strip_suffix('"')?;
    url.contains(RESOURCE_METADATA_PATH).then_some(url)
}

fn seen(reply: &Reply<'_>) -> String {
    format!("{:?}, {CHALLENGE} {:?}, {}", reply.status(), reply.header(CHALLENGE), reply.error())
}
