//! Builds the environment variables of a part from the topology, the signing key and the addresses of the parts that it
//! calls.

use super::{StackRequest, postgres};
use crate::plan::topology::{Part, PartKind, peer_variable};
use mcp_contracts::{Service, env};
use std::collections::BTreeMap;

/// Returns the environment of a service, except for the variables that the backend sets. `addresses` are those of the
/// parts that it calls, in the order of its edges.
pub(super) fn environment(
    request: &StackRequest,
    part: &Part,
    addresses: &[(PartKind, String)],
) -> BTreeMap<String, String> {
    let mut values = part.settings.clone();
    // Services run as in production, unless the topology sets `APP_ENV` to test something that production refuses.
    values.entry(env::APP_ENV.to_owned()).or_insert_with(|| "production".to_owned());
    values.insert(env::JWT_SECRET.to_owned(), request.secret.clone());
    for (kind, address) in addresses {
        let Some(variable) = peer_variable(*kind) else { continue };
        // Several instances of a peer share one variable, as a list.
        let list = values.entry(variable.to_owned()).or_default();
        if !list.is_empty() {
            list.push(',');
        }
        match kind {
            PartKind::Postgres => list.push_str(&postgres::with_login(address, &request.secret)),
            PartKind::Redis | PartKind::Service(_) | PartKind::Target => list.push_str(address),
        }
    }
    values
}

/// Returns the variable that names a service's folder of rules or patterns.
pub(super) const fn folder_variable(kind: PartKind) -> Option<&'static str> {
    match kind {
        PartKind::Service(Service::Guardrails) => Some(env::RULES_DIR),
        PartKind::Service(Service::Patterns) => Some(env::CATALOG_DIR),
        PartKind::Service(Service::Memory | Service::Orchestrator)
        | PartKind::Redis
        | PartKind::Postgres
        | PartKind::Target => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{PartKind, StackRequest, environment};
    use crate::plan::Backend;
    use crate::plan::topology::Topology;
    use mcp_contracts::{Service, env};

    #[test]
    fn a_part_gets_the_addresses_of_the_parts_that_it_calls() {
        let request = StackRequest {
            backend: Backend::Process,
            topology: Topology::full(),
            dir: "/somewhere".into(),
            secret: "the-key".to_owned(),
            executable: "/bin/harness".into(),
            detached: false,
            fixtures: Vec::new(),
            image_tag: crate::stack::IMAGE_TAG.to_owned(),
            seed: 0,
        };
        let part = request.topology.part("orchestrator").unwrap();
        let at = |service, url: &str| (PartKind::Service(service), url.to_owned());
        let addresses = [
            (PartKind::Redis, "redis://r".to_owned()),
            at(Service::Memory, "http://one"),
            at(Service::Memory, "http://two"),
            at(Service::Patterns, "http://p"),
        ];
        let values = environment(&request, part, &addresses);
        assert_eq!(values[env::MCP_MEMORY_URL], "http://one,http://two");
        assert_eq!(
            (values[env::MCP_PATTERNS_URL].as_str(), values[env::REDIS_URL].as_str()),
            ("http://p", "redis://r")
        );
        assert_eq!((values[env::JWT_SECRET].as_str(), values[env::APP_ENV].as_str()), ("the-key", "production"));
        let part = Topology::full().with_setting(Service::Patterns, env::APP_ENV, "development");
        let values = environment(&request, part.part("patterns").unwrap(), &[]);
        assert_eq!(values[env::APP_ENV], "development", "a setting of the topology wins");
    }
}
