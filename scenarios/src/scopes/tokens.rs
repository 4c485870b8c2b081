//! Calls without a valid token: 401, with a link to the document that names the source of tokens.

use super::{CHALLENGE, Endpoint, describe};
use harness_core::drive::scenario::{Reply, ScenarioRequest, Stage, StepFailed};
use harness_core::drive::token::Minter;
use mcp_contracts::service::RESOURCE_METADATA_PATH;
use mcp_contracts::{Scope, Service, rpc};
use serde_json::json;

/// A signing key that no stack uses.
const FOREIGN_KEY: &str = "a-key-that-no-stack-has-ever-been-started-with";

/// Expects a rejection without a token, and the same one for a malformed token and a token of another key. RFC 6750 section 3.1 names an error
/// only to a client that sent a token.
pub(super) async fn expect_rejected(stage: &Stage<'_>, endpoint: &Endpoint) -> Result<(), StepFailed> {
    let foreign = Minter::new(FOREIGN_KEY).mint(stage.user("ann", "acme").grant());
    let foreign = foreign.map_err(|error| StepFailed(error.to_string()))?;
    let mut replies = Vec::new();
    for token in [None, Some("token"), Some(&*foreign)] {
        replies.push(stage.user("ann", "acme").with_token(token).send(endpoint.request.clone()).await);
    }
    let answer = |reply: &Reply<'_>| (reply.error().clone(), reply.header(CHALLENGE).map(str::to_owned));
    let names_error = |reply: &Reply<'_>| reply.header(CHALLENGE).is_some_and(|challenge| challenge.contains("error="));
    let holds = replies.iter().all(|reply| {
        let refused = reply.status() == Some(401) && reply.error()["code"] == rpc::UNAUTHORIZED;
        refused && reply.header(CHALLENGE).and_then(metadata_url).is_some()
    });
    let holds =
        holds && !names_error(&replies[0]) && names_error(&replies[1]) && answer(&replies[1]) == answer(&replies[2]);
    let expected = "without a valid token is rejected with 401, which names the source of tokens and not the reason";
    let ops: Vec<u64> = replies.iter().map(Reply::op).collect();
    let descriptions: Vec<String> = replies.iter().map(describe).collect();
    stage.expect(&format!("`{}` {expected}", endpoint.name), holds, descriptions.join("; "), &ops);
    Ok(())
}

/// Follows a challenge to the document that it names (RFC 9728).
pub(super) async fn expect_metadata(stage: &Stage<'_>, service: Service) -> Result<(), StepFailed> {
    let reply = stage
        .user("ann", "acme")
        .with_token(None)
        .send(ScenarioRequest::method(service, "tools/list", json!({})))
        .await;
    let url = reply.header(CHALLENGE).and_then(metadata_url).unwrap_or_default();
    let (base, resource) = url.split_once(RESOURCE_METADATA_PATH).unwrap_or_default();
    let part = &stage.instances(service)[0];
    let (status, document) = stage.page(part, &format!("{RESOURCE_METADATA_PATH}{resource}"), None).await;
    let scopes = json!(Scope::ALL.map(Scope::name));
    let holds = status == Some(200)
        && document["resource"] == format!("{base}{resource}")
        && document["scopes_supported"] == scopes
        && document["bearer_methods_supported"] == json!(["header"]);
    let expected = format!("the challenge of `{}` names a document with the resource and its scopes", service.name());
    stage.expect(&expected, holds, format!("{url}: {status:?} {document}"), &[reply.op()]);
    Ok(())
}

fn metadata_url(challenge: &str) -> Option<&str> {
    let (url, _) = challenge.strip_prefix("Bearer resource_metadata=\"")?.split_once('"')?;
    url.contains(RESOURCE_METADATA_PATH).then_some(url)
}
