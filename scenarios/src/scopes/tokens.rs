//! Without a good token: 401, and the way to a document that says where tokens come from.

use super::{CHALLENGE, Door, seen};
use harness_core::drive::scenario::{Ask, Broken, Reply, Stage};
use harness_core::drive::token::Minter;
use mcp_contracts::service::RESOURCE_METADATA_PATH;
use mcp_contracts::{Scope, Service, rpc};
use serde_json::json;

/// A key of tokens that no stack has.
const FOREIGN_KEY: &str = "a-key-that-no-stack-has-ever-been-started-with";

/// No token, a text that is none, and one of another key: the same answer to all three.
pub(super) async fn refused(stage: &Stage<'_>, door: &Door) -> Result<(), Broken> {
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
pub(super) async fn metadata(stage: &Stage<'_>, service: Service) -> Result<(), Broken> {
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
