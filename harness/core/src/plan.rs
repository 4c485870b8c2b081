//! The plan of a run: everything that was decided before anything starts.

use crate::experiment::Experiment;
use crate::topology::Topology;
use crate::workload::{Threshold, Workload};
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// A resolved and validated plan; `plan.json` in the run directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Identity of the run and name of its directory, such as `2026-11-23T18-05-11Z-load-memory-7f3a`.
    pub run_id: String,
    /// The exact command to repeat it.
    pub command: String,
    /// Decides every random choice of the run.
    pub seed: u64,
    /// Where the stack runs.
    pub backend: Backend,
    /// What the stack consists of.
    pub topology: Topology,
    /// What is done with it.
    pub subject: Subject,
}

/// What a run does with its stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Drives a load.
    Load(Workload),
    /// Plays a scenario.
    Scenario(Script),
    /// Runs an experiment.
    Experiment(Box<Experiment>),
}

/// A scenario, as far as a plan keeps it: its code is part of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Its name, such as `tenant-isolation`.
    pub name: String,
    /// What it shows, in one sentence.
    pub about: String,
    /// How long it may take.
    pub deadline: Duration,
    /// Standing checks that must come to a decision.
    pub required: Vec<String>,
    /// Bounds on its calls, where somebody asks for some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
}

impl Subject {
    /// Its kind, as in the name of a run.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Load(_) => "load",
            Self::Scenario(_) => "scenario",
            Self::Experiment(_) => "chaos",
        }
    }

    /// The name of the workload, of the scenario or of the experiment.
    pub fn name(&self) -> &str {
        match self {
            Self::Load(workload) => &workload.name,
            Self::Scenario(script) => &script.name,
            Self::Experiment(experiment) => &experiment.name,
        }
    }
}

/// Where the stack runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Plain processes on this machine.
    Process,
    /// Containers on this machine.
    Docker,
    /// Somebody else started it; base URL by service name.
    External {
        /// Service name to base URL, such as `memory` to `http://127.0.0.1:7420`.
        urls: BTreeMap<String, String>,
    },
}

impl Backend {
    /// The word on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::External { .. } => "external",
        }
    }
}

/// What a plan is made of.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The command as it was typed, without a seed.
    pub command: String,
    /// Seed; `None` draws one.
    pub seed: Option<u64>,
    /// Where the stack runs.
    pub backend: Backend,
    /// What the stack consists of.
    pub topology: Topology,
    /// What is done with it.
    pub subject: Subject,
}

/// Why there is no plan; all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan cannot be run:{}", problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub struct PlanError {
    /// One line for each problem.
    pub problems: Vec<String>,
}

impl Plan {
    /// Decides everything that is still open, and checks the whole.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn resolve(wish: Wish) -> Result<Self, PlanError> {
        let mut problems = wish.topology.problems();
        match &wish.backend {
            Backend::Process => {}
            Backend::Docker => problems.extend(cannot(wish.topology.needs_processes(), "docker")),
            Backend::External { urls } => {
                problems.extend(cannot(wish.topology.needs_own_stack(), "external"));
                let unknown = wish.topology.services().into_iter().map(Service::name);
                let missing = unknown.filter(|service| !urls.contains_key(*service));
                problems.extend(missing.map(|service| {
                    format!("no URL of `{service}` was given; add `--url {service}=http://127.0.0.1:PORT`")
                }));
                problems.extend(urls.iter().filter_map(|(service, url)| foreign(service, url)));
            }
        }
        if let Subject::Experiment(experiment) = &wish.subject {
            if matches!(wish.backend, Backend::External { .. }) {
                problems.extend(only_of_own(&wish.topology));
            }
            for order in &experiment.faults {
                problems.extend(order.fault.problems(&wish.topology, &wish.backend));
                problems.extend(order.fault.impossible_here(&wish.backend));
            }
        }
        if let Subject::Load(workload) = &wish.subject
            && workload.organisations > workload.users
        {
            problems.push(format!(
                "{} users cannot be spread over {} organisations; each needs at least one",
                workload.users, workload.organisations
            ));
        }
        if !problems.is_empty() {
            return Err(PlanError { problems });
        }
        let seed = wish.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let nonce: u16 = rand::random();
        Ok(Self {
            run_id: format!("{now}-{}-{}-{nonce:04x}", wish.subject.verb(), wish.subject.name()),
            command: format!("{} --seed {seed}", wish.command),
            seed,
            backend: wish.backend,
            topology: wish.topology,
            subject: wish.subject,
        })
    }
}

/// What the topology needs and this backend does not have.
fn cannot(needs: Vec<String>, backend: &str) -> Vec<String> {
    let told = |need| format!("{need}, which `--backend {backend}` cannot do; use `--backend process`");
    needs.into_iter().map(told).collect()
}

/// What an experiment asks of its stack that nobody can ask of one that runs already; one line for each.
fn only_of_own(topology: &Topology) -> Vec<String> {
    let plain = Topology::for_load(Service::Orchestrator);
    let mut problems = Vec::new();
    for part in &topology.parts {
        let Some(usual) = plain.part(&part.name) else {
            problems.push(format!("it asks for `{}`, one of several instances; leave `--url` away", part.name));
            continue;
        };
        let asked = part.settings.iter().filter(|(name, value)| usual.settings.get(*name) != Some(value));
        problems.extend(asked.map(|(name, value)| {
            format!("it asks for `{name}={value}` of `{}`, which a stack that runs already has or has not; leave `--url` away", part.name)
        }));
    }
    problems
}

/// A harness sends load and faults: it must not hit a machine by mistake.
fn foreign(service: &str, url: &str) -> Option<String> {
    let parsed = url.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    let Some(uri) = parsed else {
        return Some(format!("`{url}` of `{service}` is not a URL such as `http://127.0.0.1:7420`"));
    };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    // A name of one word is one of a container network: there is no such name on the internet.
    let container = !host.contains(['.', ':']) && host.starts_with(|first: char| first.is_ascii_alphabetic());
    (!loopback && !container).then(|| {
        format!("`{url}` of `{service}` is neither on this machine nor a name of a container network; load goes nowhere else")
    })
}

#[cfg(test)]
mod tests {
    use super::{foreign, only_of_own};
    use crate::topology::Topology;
    use mcp_contracts::{Service, env};

    #[test]
    fn load_goes_to_this_machine_and_to_containers_by_name_and_nowhere_else() {
        for near in ["http://127.0.0.1:7420", "http://localhost:7420", "http://[::1]:7420", "http://memory:7420"] {
            assert_eq!(foreign("memory", near), None, "{near}");
        }
        for far in
            ["http://192.0.2.7:7420", "http://memory.example:7420", "http://[2001:db8::1]:7420", "http://3232235777:80"]
        {
            assert!(foreign("memory", far).is_some_and(|why| why.contains("nowhere else")), "{far}");
        }
        assert!(foreign("memory", "https://127.0.0.1:7420").is_some_and(|why| why.contains("is not a URL")));
    }

    #[test]
    fn what_a_running_stack_cannot_be_asked_is_told() {
        let usual = Topology::memory().under_load();
        assert_eq!(only_of_own(&usual), Vec::<String>::new());
        assert_eq!(only_of_own(&Topology::full().under_load().proxied("client", "memory")), Vec::<String>::new());
        let set = usual.clone().setting(Service::Memory, env::QUOTA_FREE_DAILY, 80);
        assert!(only_of_own(&set).concat().contains("`QUOTA_FREE_DAILY=80` of `memory`"), "{:?}", only_of_own(&set));
        let two = usual.instances(Service::Memory, 2);
        assert!(only_of_own(&two).concat().contains("`memory-2`, one of several"), "{:?}", only_of_own(&two));
    }
}
