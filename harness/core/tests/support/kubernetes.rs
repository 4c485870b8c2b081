//! `infra/kubernetes` has the parts, ports, variables, limits and edges of the topology and of the compose file, and every pod has the required restrictions.

use super::{compose, environment};
use harness_core::plan::topology::{Part, PartKind, Topology};
use mcp_contracts::service::{HEALTHZ_PATH, READYZ_PATH};
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Longest time that a service needs to close its store and to send its last spans, in seconds.
const CLOSE_SECS: u64 = 3;
const SETTINGS: &str = "mcp-settings";

/// Every object of every file that the kustomization lists.
fn objects() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/kubernetes");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let list: Value = serde_saphyr::from_str(&read("kustomization.yaml")).unwrap();
    let names: BTreeSet<&str> = list["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.filter(|name| name != "kustomization.yaml").collect();
    assert_eq!(names, files.iter().map(String::as_str).collect(), "the kustomization lists every file");
    names.iter().flat_map(|name| documents(&read(name))).collect()
}

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

struct Manifests {
    objects: Vec<Value>,
}

impl Manifests {
    fn find(&self, kinds: &[&str], name: &str) -> &Value {
        let is_wanted =
            |object: &&Value| object["metadata"]["name"] == name && kinds.iter().any(|kind| object["kind"] == *kind);
        self.objects.iter().find(is_wanted).unwrap_or(&Value::Null)
    }

    fn workload(&self, name: &str) -> &Value {
        self.find(&["StatefulSet", "Deployment"], name)
    }

    /// The variables of a container with a value: its own, and those of the settings that all services share.
    fn variables(&self, container: &Value) -> BTreeMap<String, Value> {
        let shared = self.find(&["ConfigMap"], SETTINGS)["data"].as_object().unwrap();
        let shared = shared.iter().map(|(name, value)| (name.clone(), value.clone()));
        let own = container["env"].as_array().into_iter().flatten();
        shared.chain(own.map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].clone()))).collect()
    }

    /// Returns the differences between the manifests and the topology, one line each.
    fn differences(&self, topology: &Topology) -> Vec<String> {
        let workloads =
            self.objects.iter().filter(|object| object["kind"] == "StatefulSet" || object["kind"] == "Deployment");
        let actual: BTreeSet<&str> = workloads.map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        let expected: BTreeSet<&str> = topology.parts.iter().map(|part| part.name.as_str()).collect();
        let mut lines: Vec<String> =
            expected.symmetric_difference(&actual).map(|name| format!("part {name}")).collect();
        for part in topology.parts.iter().filter(|part| actual.contains(part.name.as_str())) {
            let mut expectations = self.of_pod(part);
            expectations.extend(self.of_network(part, topology));
            if let PartKind::Service(service) = part.kind {
                expectations.extend(self.of_service(service, part, topology));
            }
            for (what, actual, expected) in expectations {
                if actual != expected {
                    lines.push(format!("{}: {what} is {actual}, expected {expected}", part.name));
                }
            }
        }
        lines
    }

    fn of_pod(&self, part: &Part) -> Vec<(String, Value, Value)> {
        let pod = &self.workload(&part.name)["spec"]["template"]["spec"];
        let (container, file) = (&pod["containers"][0], compose());
        let compose = &file["services"][&part.name];
        let limits = json!({
            "cpu": format!("{}m", compose["cpus"].as_f64().unwrap() * 1_000.0),
            "memory": compose["mem_limit"].as_str().unwrap().replace('m', "Mi"),
        });
        let of_pod = json!({
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        let of_container = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        let own_label = json!({ "app": part.name });
        let service = self.find(&["Service"], &part.name);
        let mut all = vec![
            ("the limits", &container["resources"]["limits"], limits.clone()),
            ("the requests", &container["resources"]["requests"], limits),
            ("securityContext of the pod", &pod["securityContext"], of_pod),
            ("securityContext", &container["securityContext"], of_container),
            ("the token of the cluster", &pod["automountServiceAccountToken"], json!(false)),
            ("the links to services", &pod["enableServiceLinks"], json!(false)),
            ("the label", &self.workload(&part.name)["spec"]["template"]["metadata"]["labels"], own_label.clone()),
            ("the selector of the service", &service["spec"]["selector"], own_label.clone()),
        ];
        let port = match part.kind {
            PartKind::Postgres | PartKind::Target => panic!("the stack has no such part"),
            PartKind::Redis => {
                all.push(("the command", &container["command"], compose["command"].clone()));
                all.push(("image", &container["image"], compose["image"].clone()));
                super::REDIS_PORT
            }
            PartKind::Service(service) => {
                all.push(("image", &container["image"], json!(service.binary())));
                let disruption = &self.find(&["PodDisruptionBudget"], &part.name)["spec"];
                all.push(("the selector of the disruption budget", &disruption["selector"]["matchLabels"], own_label));
                all.push(("maxUnavailable", &disruption["maxUnavailable"], json!(1)));
                service.default_port()
            }
        };
        all.push(("the port", &container["ports"][0]["containerPort"], json!(port)));
        all.push(("the port of the service", &service["spec"]["ports"][0]["port"], json!(port)));
        all.into_iter().map(|(what, actual, expected)| (what.to_owned(), actual.clone(), expected)).collect()
    }

    fn of_service(&self, service: Service, part: &Part, topology: &Topology) -> Vec<(String, Value, Value)> {
        let workload = self.workload(&part.name);
        let pod = &workload["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let variables = self.variables(container);
        let mut wanted = environment(part, topology);
        wanted.insert(env::ALLOWED_HOSTS.to_owned(), json!(part.name));
        // The only service without data of its own, and so the only one with several instances.
        if service == Service::Guardrails {
            wanted.insert(env::DATABASE_URL.to_owned(), Value::Null);
            let most = &self.find(&["HorizontalPodAutoscaler"], &part.name)["spec"]["maxReplicas"];
            wanted.insert(env::RATE_LIMIT_INSTANCES.to_owned(), json!(most.to_string()));
        } else {
            wanted.insert(env::RATE_LIMIT_INSTANCES.to_owned(), Value::Null);
        }
        let mut all: Vec<(String, Value, Value)> = wanted
            .into_iter()
            .map(|(name, value)| (name.clone(), variables.get(&name).cloned().unwrap_or_default(), value))
            .collect();
        let has_data = service != Service::Guardrails;
        all.push((
            "replicas".to_owned(),
            workload["spec"]["replicas"].clone(),
            if has_data { json!(1) } else { Value::Null },
        ));
        let unknown = variables.keys().filter(|name| env::ALL.iter().all(|variable| variable.name != **name));
        all.extend(
            unknown.map(|name| (format!("the variable {name}"), json!("set"), json!("one that the code reads"))),
        );
        for (probe, path) in
            [("startupProbe", READYZ_PATH), ("readinessProbe", READYZ_PATH), ("livenessProbe", HEALTHZ_PATH)]
        {
            all.push((probe.to_owned(), container[probe]["httpGet"].clone(), json!({ "path": path, "port": "http" })));
        }
        let of_variable = |name: &str| {
            let default = env::ALL.iter().find(|variable| variable.name == name).and_then(|variable| variable.default);
            let value = variables.get(name).and_then(Value::as_str).or(default).unwrap();
            value.parse::<u64>().unwrap().div_ceil(1_000)
        };
        let needed = of_variable(env::DRAIN_NOTICE_MS) + of_variable(env::DRAIN_DEADLINE_MS) + CLOSE_SECS;
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or_default();
        all.push((format!("a grace period of {needed} s"), json!(grace >= needed), json!(true)));
        all
    }

    fn of_network(&self, part: &Part, topology: &Topology) -> Vec<(String, Value, Value)> {
        let policy = &self.find(&["NetworkPolicy"], &part.name)["spec"];
        let apps = |peers: &Value| {
            let names = peers.as_array().into_iter().flatten();
            names
                .filter_map(|peer| peer["podSelector"]["matchLabels"]["app"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let called: BTreeSet<String> =
            policy["egress"].as_array().into_iter().flatten().flat_map(|rule| apps(&rule["to"])).collect();
        let callers: BTreeSet<String> = apps(&policy["ingress"][0]["from"]).into_iter().collect();
        let edges: BTreeSet<String> = part.edges.iter().map(|edge| edge.to.clone()).collect();
        let calls = |other: &&Part| other.edges.iter().any(|edge| edge.to == part.name);
        let expected: BTreeSet<String> = topology.parts.iter().filter(calls).map(|other| other.name.clone()).collect();
        let entrance = policy["ingress"][0]["from"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|from| !from["namespaceSelector"].is_null());
        vec![
            ("what it may call".to_owned(), json!(called), json!(edges)),
            ("who may call it".to_owned(), json!(callers), json!(expected)),
            ("an entrance for clients".to_owned(), json!(entrance), json!(part.kind.serves_clients())),
            ("both directions".to_owned(), policy["policyTypes"].clone(), json!(["Ingress", "Egress"])),
        ]
    }
}

#[test]
fn the_manifests_match_the_topology_and_the_compose_file() {
    assert_eq!(Manifests { objects: objects() }.differences(&Topology::full()), Vec::<String>::new());
}

#[test]
fn everything_that_no_policy_allows_is_denied() {
    let manifests = Manifests { objects: objects() };
    let denied = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
    assert_eq!(manifests.find(&["NetworkPolicy"], "deny-all")["spec"], denied);
}

#[test]
fn every_difference_of_the_manifests_is_reported_with_its_place() {
    const CONTAINER: &str = "/spec/template/spec/containers/0";
    let planted: [(&str, &str, String, Value, &str); 9] = [
        ("StatefulSet", "memory", format!("{CONTAINER}/resources/limits/memory"), json!("256Mi"), "memory: the limits"),
        ("StatefulSet", "memory", "/spec/replicas".to_owned(), json!(2), "memory: replicas"),
        (
            "StatefulSet",
            "patterns",
            format!("{CONTAINER}/livenessProbe/httpGet/path"),
            json!("/health"),
            "patterns: livenessProbe",
        ),
        (
            "StatefulSet",
            "orchestrator",
            format!("{CONTAINER}/env/0/name"),
            json!("LISTEN"),
            "orchestrator: LISTEN_ADDR",
        ),
        (
            "Deployment",
            "redis",
            format!("{CONTAINER}/securityContext/readOnlyRootFilesystem"),
            json!(false),
            "redis: securityContext",
        ),
        ("Service", "guardrails", "/spec/ports/0/port".to_owned(), json!(80), "guardrails: the port of the service"),
        (
            "HorizontalPodAutoscaler",
            "guardrails",
            "/spec/maxReplicas".to_owned(),
            json!(9),
            "guardrails: RATE_LIMIT_INSTANCES",
        ),
        (
            "NetworkPolicy",
            "patterns",
            "/spec/ingress/0/from/0/podSelector/matchLabels/app".to_owned(),
            json!("memory"),
            "patterns: who may call it",
        ),
        ("ConfigMap", SETTINGS, "/data/DRAIN_NOTICE_MS".to_owned(), json!("60000"), "memory: a grace period of 68 s"),
    ];
    for (kind, name, pointer, value, expected) in planted {
        let mut objects = objects();
        let object = objects.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        *object.unwrap().pointer_mut(&pointer).unwrap() = value;
        let lines = Manifests { objects }.differences(&Topology::full());
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:?}");
    }
}
