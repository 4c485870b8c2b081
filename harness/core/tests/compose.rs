//! docker-compose.yml has the parts, ports, data and edges of the topology, and every container has the required restrictions.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/kubernetes.rs"]
mod kubernetes;

use harness_core::plan::topology::{Part, PartKind, Topology, peer_variable};
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Port of Redis on the network of the stack.
const REDIS_PORT: u16 = 6379;
/// Settings that every container must have.
const RESTRICTIONS: [(&str, &str); 5] = [
    ("user", r#""65532:65532""#),
    ("read_only", "true"),
    ("cap_drop", r#"["ALL"]"#),
    ("security_opt", r#"["no-new-privileges:true"]"#),
    ("logging", r#"{"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}"#),
];

fn compose() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker-compose.yml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the differences between a compose file and a topology, one line each.
fn differences(compose: &Value, topology: &Topology) -> Vec<String> {
    let services = compose["services"].as_object().unwrap();
    // A service with a profile is no part of the stack.
    let parts = services.iter().filter(|(_, service)| service["profiles"].is_null());
    let actual: BTreeSet<&str> = parts.map(|(name, _)| name.as_str()).collect();
    let expected: BTreeSet<&str> = topology.parts.iter().map(|part| part.name.as_str()).collect();
    let mut lines: Vec<String> = expected.symmetric_difference(&actual).map(|name| format!("part {name}")).collect();
    for part in topology.parts.iter().filter(|part| actual.contains(part.name.as_str())) {
        let mut compare = |what: &str, expected: &Value, actual: &Value| {
            if expected != actual {
                lines.push(format!("{}: {what} is {actual}, expected {expected}", part.name));
            }
        };
        let service = &services[&part.name];
        for (name, value) in RESTRICTIONS {
            compare(name, &serde_json::from_str(value).unwrap(), &service[name]);
        }
        for name in ["cpus", "mem_limit", "pids_limit", "healthcheck"] {
            compare(&format!("having a {name}"), &json!(true), &json!(!service[name].is_null()));
        }
        compare("depends_on", &depends_on(part), &service["depends_on"]);
        for (name, expected) in expected_keys(part) {
            compare(&name, &expected, &service[name.as_str()]);
        }
        for (name, expected) in environment(part, topology) {
            compare(&name, &expected, &service["environment"][name.as_str()]);
        }
    }
    lines
}

fn depends_on(part: &Part) -> Value {
    let healthy = |name: &str| (name.to_owned(), json!({ "condition": "service_healthy" }));
    let names: serde_json::Map<String, Value> = part.edges.iter().map(|edge| healthy(&edge.to)).collect();
    if names.is_empty() { Value::Null } else { Value::Object(names) }
}

fn expected_keys(part: &Part) -> Vec<(String, Value)> {
    let pairs = match part.kind {
        PartKind::Target => panic!("the product has no target"),
        PartKind::Postgres => panic!("the stack of the compose file keeps its records in SQLite files"),
        // No client outside the stack uses its Redis.
        PartKind::Redis => vec![("image", json!("redis:7")), ("ports", Value::Null), ("volumes", Value::Null)],
        PartKind::Service(service) => {
            let port = service.default_port();
            vec![
                ("image", json!(format!("{}:dev", service.binary()))),
                ("ports", json!([format!("127.0.0.1:{port}:{port}")])),
                ("volumes", json!([format!("{}-data:/data", part.data)])),
            ]
        }
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns the variables with the address of a service and of the parts that it calls. The value is `null` for a part
/// that the service does not call.
fn environment(part: &Part, topology: &Topology) -> BTreeMap<String, Value> {
    let PartKind::Service(service) = part.kind else { return BTreeMap::new() };
    let mut values = BTreeMap::from([
        (env::LISTEN_ADDR.to_owned(), json!(format!("0.0.0.0:{}", service.default_port()))),
        (env::DATABASE_URL.to_owned(), json!(format!("sqlite:///data/{}.db", part.data))),
        (env::ALLOWED_HOSTS.to_owned(), json!(format!("{},${{ALLOWED_HOSTS:-}}", part.name))),
    ]);
    values.extend(part.settings.iter().map(|(name, value)| (name.clone(), json!(value))));
    for peer in &topology.parts {
        let Some(variable) = peer_variable(peer.kind) else { continue };
        let address = match peer.kind {
            PartKind::Postgres | PartKind::Target => panic!("the stack has no such part"),
            PartKind::Redis => format!("redis://{}:{REDIS_PORT}", peer.name),
            PartKind::Service(service) => format!("http://{}:{}", peer.name, service.default_port()),
        };
        let calls = part.edges.iter().any(|edge| edge.to == peer.name);
        values.insert(variable.to_owned(), if calls { json!(address) } else { Value::Null });
    }
    values
}

#[test]
fn the_compose_file_matches_the_topology() {
    assert_eq!(differences(&compose(), &Topology::full()), Vec::<String>::new());
}

#[test]
fn memory_has_the_limits_that_it_must_run_within() {
    let memory = &compose()["services"]["memory"];
    assert_eq!((&memory["cpus"], &memory["mem_limit"]), (&json!(0.25), &json!("512m")));
}

#[test]
fn every_service_has_a_volume_for_its_data() {
    let compose = compose();
    let volumes: BTreeSet<&str> = compose["volumes"].as_object().unwrap().keys().map(String::as_str).collect();
    let data = Service::ALL.map(|service| format!("{}-data", service.name()));
    assert_eq!(volumes, data.iter().map(String::as_str).collect());
}

#[test]
fn every_service_has_its_own_health_check() {
    for service in Service::ALL {
        let check = &compose()["services"][service.name()]["healthcheck"]["test"];
        assert_eq!(check, &json!(["CMD", "/service", "healthcheck"]), "{}", service.name());
    }
}

#[test]
fn the_observers_are_restricted_and_scrape_every_service() {
    let compose = compose();
    for name in ["prometheus", "alertmanager"] {
        let observer = &compose["services"][name];
        for (restriction, value) in RESTRICTIONS {
            assert_eq!(observer[restriction], serde_json::from_str::<Value>(value).unwrap(), "{name}: {restriction}");
        }
        let port = observer["ports"][0].as_str().unwrap();
        assert!(port.starts_with("127.0.0.1:") && observer["profiles"] == json!(["observe"]), "{name}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/observe/prometheus.yml");
    let prometheus: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let job = &prometheus["scrape_configs"][0];
    let targets: BTreeSet<&str> =
        job["static_configs"][0]["targets"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let services = Service::ALL.map(|service| format!("{}:{}", service.name(), service.default_port()));
    assert_eq!((&job["job_name"], targets), (&json!("mcp"), services.iter().map(String::as_str).collect()));
}

#[test]
fn every_difference_of_a_compose_file_is_reported_with_its_place() {
    let planted: [(&str, Value, &str); 6] = [
        ("/services/memory/ports/0", json!("7420:7420"), "memory: ports"),
        ("/services/patterns/read_only", json!(false), "patterns: read_only"),
        (
            "/services/orchestrator/environment/MCP_MEMORY_URL",
            json!("http://patterns:7422"),
            "orchestrator: MCP_MEMORY_URL",
        ),
        ("/services/guardrails/depends_on", json!({}), "guardrails: depends_on"),
        ("/services/redis/user", json!("0:0"), "redis: user"),
        ("/services/memory/healthcheck", Value::Null, "memory: having a healthcheck"),
    ];
    for (pointer, value, expected) in planted {
        let mut changed = compose();
        *changed.pointer_mut(pointer).unwrap() = value;
        let lines = differences(&changed, &Topology::full());
        assert!(lines.len() == 1 && lines[0].starts_with(expected), "{expected}: {lines:?}");
    }
    let more = Topology::full().instances(Service::Memory, 2);
    assert!(differences(&compose(), &more).iter().any(|line| line == "part memory-2"));
}
