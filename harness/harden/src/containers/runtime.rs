//! The rights and bounds of running containers, as the compose file declares them.

use super::compose::{Compose, ComposeService};
use super::{NEEDS, Rule, judge};
use harness_core::drive::hardening::{HardeningCheck, Probe, Stop};
use std::future::ready;

const FIX_IN: &[&str] = &["docker-compose.yml"];
/// Paths of the machine that give a container power over it.
const POWERFUL: [&str; 7] = ["/", "/etc", "/proc", "/sys", "/dev", "/var/run", "/run"];
const SOCKETS: [&str; 3] = ["docker.sock", "containerd.sock", "podman.sock"];

pub(crate) const CONFINED: HardeningCheck = HardeningCheck {
    id: "MCP-CON-03",
    title: "a container has no right that it does not need: no root, no capability, no part of the machine, nothing to write to",
    score: 8.2,
    why: "What confines a service that was taken over is only what its container lacks.",
    sources: &["CIS Docker Benchmark, section 5", "OWASP MCP04:2025", "CWE-250"],
    needs: NEEDS,
    how: "Reads every service of the compose file: a user that is not root, a read-only root, `cap_drop: [ALL]`, no added capability, `no-new-privileges`, no `privileged`, no namespace, device, socket or system folder of the machine.",
    remedy: "Declare these settings once, and merge them into every service.",
    fix_in: FIX_IN,
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(ready(each(probe, confined))),
};

pub(crate) const BOUNDED: HardeningCheck = HardeningCheck {
    id: "MCP-CON-04",
    title: "a container has bounds of memory, processors and processes, its ports are on loopback, and it is watched and restarted",
    score: 6.5,
    why: "A container without bounds takes the machine from the others, and a port on every address is reachable past the proxy that should guard it.",
    sources: &["CIS Docker Benchmark, section 5", "OWASP API4:2023", "CWE-770"],
    needs: NEEDS,
    how: "Reads every service of the compose file: bounds of memory, processors and processes, ports on a loopback address, a network of its own, a restart policy and a health check.",
    remedy: "Set the bounds of each service; publish ports on 127.0.0.1 and put a proxy in front.",
    fix_in: FIX_IN,
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(ready(each(probe, bounded))),
};

fn each(probe: &Probe<'_>, rules: fn(&ComposeService) -> Vec<Rule<'static>>) -> Result<(), Stop> {
    let compose = Compose::read(probe)?;
    for service in &compose.services {
        judge(probe, compose.file, &service.name, &service.excerpt(), &rules(service));
    }
    Ok(())
}

const fn rule(what: &'static str, holds: bool, fact: &'static str, effect: &'static str) -> Rule<'static> {
    Rule { what, holds, fact, effect }
}

fn confined(service: &ComposeService) -> Vec<Rule<'static>> {
    let user = service.text("user");
    let is_root = matches!(user.split(':').next(), Some("0" | "root"));
    // Without a user the image decides, which MCP-CON-01 judges for an image that is built here.
    let has_user = if user.is_empty() { !service.settings["build"].is_null() } else { !is_root };
    let has = |list: &str, entry: &str| service.list(list).iter().any(|text| text.eq_ignore_ascii_case(entry));
    let options = service.list("security_opt");
    let no_new = options.iter().any(|option| matches!(option.as_str(), "no-new-privileges" | "no-new-privileges:true"));
    let shared = ["network_mode", "pid", "ipc", "uts", "userns_mode"].iter().any(|name| service.is(name, "host"));
    vec![
        rule("the user is not root", has_user, "`user` is root or not set", "a break-out begins as root"),
        rule(
            "the root is read-only",
            service.is("read_only", "true"),
            "`read_only` is not true",
            "an attacker stores programs in the container",
        ),
        rule(
            "all capabilities are dropped",
            has("cap_drop", "ALL"),
            "`cap_drop` has no `ALL`",
            "Docker grants fourteen capabilities",
        ),
        rule(
            "no capability is added",
            service.list("cap_add").is_empty(),
            "`cap_add` is not empty",
            "the container has rights of root",
        ),
        rule(
            "no program gains privileges",
            no_new,
            "`security_opt` has no `no-new-privileges:true`",
            "a setuid file makes any user root",
        ),
        rule(
            "its system calls are filtered",
            !options.iter().any(|option| option.ends_with("is_unrestricted")),
            "a profile is `is_unrestricted`",
            "every system call is allowed",
        ),
        rule(
            "it is not privileged",
            !service.is("privileged", "true"),
            "`privileged` is true",
            "the container has every right of the machine",
        ),
        rule(
            "it shares no namespace with the machine",
            !shared,
            "a namespace is `host`",
            "the container sees processes or ports of the machine",
        ),
        rule(
            "it has no device of the machine",
            service.list("devices").is_empty(),
            "`devices` is not empty",
            "the container reads and writes hardware",
        ),
        rule(
            "it mounts no system folder or socket",
            !mounts_the_machine(service),
            "`volumes` has a system folder or a socket of containers",
            "the container controls the machine",
        ),
    ]
}

fn mounts_the_machine(service: &ComposeService) -> bool {
    service.list("volumes").iter().any(|mount| {
        let source = mount.split(':').next().unwrap_or_default();
        let source = if source.len() > 1 { source.trim_end_matches('/') } else { source };
        SOCKETS.iter().any(|socket| source.ends_with(socket)) || POWERFUL.contains(&source)
    })
}

fn bounded(service: &ComposeService) -> Vec<Rule<'static>> {
    let is_local = |port: &String| port.starts_with("127.") || port.starts_with("[::1]:") || port.starts_with("::1:");
    let own_network = !matches!(service.text("network_mode").as_str(), "host" | "bridge");
    let restarts = !matches!(service.text("restart").as_str(), "" | "no");
    let check = &service.settings["healthcheck"];
    let watched = !check.is_null() && check["disable"] != true;
    vec![
        rule(
            "its memory is bounded",
            service.is_bounded("mem_limit", "memory"),
            "no limit of memory is set",
            "one container takes the memory of all",
        ),
        rule(
            "its processors are bounded",
            service.is_bounded("cpus", "cpus"),
            "no limit of processors is set",
            "one container takes the processors of all",
        ),
        rule(
            "its processes are bounded",
            service.is_bounded("pids_limit", "pids"),
            "no limit of processes is set",
            "a fork bomb stops the machine",
        ),
        rule(
            "its ports are on loopback",
            service.list("ports").iter().all(is_local),
            "a port is published on every address",
            "other machines reach it without TLS",
        ),
        rule(
            "it has a network of its own",
            own_network,
            "`network_mode` is `host` or `bridge`",
            "containers of other stacks reach it",
        ),
        rule("it is restarted", restarts, "`restart` is not set or `no`", "a crash ends the service"),
        rule("its health is checked", watched, "there is no health check", "a service that hangs seems to run"),
    ]
}
