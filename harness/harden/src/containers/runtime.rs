//! The rights and bounds of running containers, as the compose file declares them.

use super::compose::{Compose, ComposeService, shown};
use super::{NEEDS, Rule, judge};
use harness_core::drive::hardening::{HardeningCheck, Lane, Probe, Stop};
use std::future::ready;

const FIX_IN: &[&str] = &["docker-compose.yml"];
/// Paths of the machine that give a container power over it.
const POWERFUL: [&str; 3] = ["/home", "/var", "/usr"];
/// Paths of the machine that give a container power over it, together with everything below them.
const POWERFUL_TREES: [&str; 9] =
    ["/etc", "/proc", "/sys", "/dev", "/run", "/var/run", "/var/lib/docker", "/root", "/boot"];
/// Files below these paths that everyone may read.
const HARMLESS: [&str; 6] =
    ["/etc/localtime", "/etc/timezone", "/etc/ssl", "/etc/ca-certificates", "/dev/shm", "/dev/null"];
const SOCKETS: [&str; 3] = ["docker.sock", "containerd.sock", "podman.sock"];

pub(crate) const CONFINED: HardeningCheck = HardeningCheck {
    id: "MCP-CON-03",
    title: "a container has no right that it does not need: no root, no capability, no part of the machine, a read-only root",
    score: 8.2,
    why: "Only missing rights of its container confine a service that was taken over.",
    sources: &["CIS Docker Benchmark, section 5", "OWASP MCP04:2025", "CWE-250"],
    needs: NEEDS,
    how: "Reads every service of the compose file, with the defaults of its variables: a user that is not root, a read-only root, `cap_drop: [ALL]`, no added capability, `no-new-privileges`, no `privileged`, no namespace, device, socket or system folder of the machine.",
    remedy: "Declare these settings once, and merge them into every service.",
    fix_in: FIX_IN,
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(ready(each(probe, confined))),
};

pub(crate) const BOUNDED: HardeningCheck = HardeningCheck {
    id: "MCP-CON-04",
    title: "a container has bounds of memory, processors and processes, its ports are on loopback or those of a proxy, and it is watched and restarted",
    score: 6.5,
    why: "A container without bounds takes the machine from the others, and a port on every address is reachable past the proxy that should guard it.",
    sources: &["CIS Docker Benchmark, section 5", "OWASP API4:2023", "CWE-770"],
    needs: NEEDS,
    how: "Reads every service of the compose file: bounds of memory, processors and processes, ports other than 80 and 443 on a loopback address, a network of its own, a restart policy and a health check. A service that others wait for until it has ended needs no restart and no health check.",
    remedy: "Set the bounds of each service; publish ports on 127.0.0.1 and put a proxy in front.",
    fix_in: FIX_IN,
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(ready(each(probe, bounded))),
};

fn each(probe: &Probe<'_>, rules: fn(&ComposeService) -> Vec<Rule>) -> Result<(), Stop> {
    let compose = Compose::read(probe)?;
    for service in &compose.services {
        judge(probe, compose.file, &service.name, &rules(service));
    }
    Ok(())
}

/// A rule about settings of a service; it is open if a variable decides one of them and it does not hold already.
fn rule(
    service: &ComposeService,
    what: &'static str,
    holds: bool,
    fact: &'static str,
    effect: &'static str,
    settings: &[&str],
) -> Rule {
    let is_open = settings.iter().any(|name| service.is_open(name));
    let shows: Vec<String> = settings.iter().map(|name| format!("{name}: {}", service.settings[*name])).collect();
    Rule { what, holds: (!is_open).then_some(holds), fact, effect, shows: shows.join("\n") }
}

/// Returns true if the container does not run as root; `None` if its image decides that, and no other check reads how the image is made.
fn has_user(service: &ComposeService) -> Option<bool> {
    let user = service.text("user");
    let name = user.split(':').next().unwrap_or_default();
    match name {
        _ if user.contains('$') => None,
        "" if service.is_built_here() => Some(true),
        "" => service.settings["build"].is_null().then_some(false),
        name => Some(name != "root" && name.parse::<u32>() != Ok(0)),
    }
}

fn confined(service: &ComposeService) -> Vec<Rule> {
    let has = |list: &str, entry: &str| service.list(list).iter().any(|text| text.eq_ignore_ascii_case(entry));
    let options = service.list("security_opt");
    let no_new = options.iter().any(|option| {
        matches!(
            option.as_str(),
            "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true" | "no_new_privileges"
        )
    });
    let of = |what, holds, fact, effect, settings: &[&str]| rule(service, what, holds, fact, effect, settings);
    let mut user =
        of("the user is not root", false, "`user` is root or not set", "a break-out begins as root", &["user"]);
    user.holds = has_user(service);
    let rights = vec![
        user,
        of(
            "the root is read-only",
            service.is_on("read_only"),
            "`read_only` is not true",
            "an attacker stores programs in the container",
            &["read_only"],
        ),
        of(
            "all capabilities are dropped",
            has("cap_drop", "ALL"),
            "`cap_drop` has no `ALL`",
            "Docker grants fourteen capabilities",
            &["cap_drop"],
        ),
        of(
            "no capability is added",
            service.list("cap_add").is_empty(),
            "`cap_add` is not empty",
            "the container has rights of root",
            &["cap_add"],
        ),
        of(
            "no program gains privileges",
            no_new,
            "`security_opt` has no `no-new-privileges:true`",
            "a setuid file makes any user root",
            &["security_opt"],
        ),
        of(
            "its system calls are filtered",
            !options.iter().any(|option| option.ends_with("unconfined")),
            "a profile is `unconfined`",
            "every system call is allowed",
            &["security_opt"],
        ),
    ];
    rights.into_iter().chain(apart(service)).collect()
}

/// The rules about what a container shares with its machine.
fn apart(service: &ComposeService) -> Vec<Rule> {
    let spaces = ["network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup"];
    let shared = spaces.iter().any(|name| service.is(name, "host"));
    let of = |what, holds, fact, effect, settings: &[&str]| rule(service, what, holds, fact, effect, settings);
    vec![
        of(
            "it is not privileged",
            !service.is_on("privileged"),
            "`privileged` is true",
            "the container has every right of the machine",
            &["privileged"],
        ),
        of(
            "it shares no namespace with the machine",
            !shared,
            "a namespace is `host`",
            "the container sees processes or ports of the machine",
            &spaces,
        ),
        of(
            "it has no device of the machine",
            service.list("devices").is_empty(),
            "`devices` is not empty",
            "the container reads and writes hardware",
            &["devices"],
        ),
        of(
            "it mounts no system folder or socket",
            !mounts_the_machine(service),
            "`volumes` has a system folder or a socket of containers",
            "the container controls the machine",
            &["volumes"],
        ),
    ]
}

fn mounts_the_machine(service: &ComposeService) -> bool {
    let mounts = service.list("volumes");
    let sources = mounts.iter().map(|mount| mount.split(':').next().unwrap_or_default());
    sources.chain(service.bound.iter().map(String::as_str)).any(is_powerful)
}

fn is_powerful(source: &str) -> bool {
    let source = if source.starts_with('/') { resolved(source) } else { source.to_owned() };
    let is_below = |tree: &str| source.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = source.trim_end_matches('/');
    SOCKETS.iter().any(|socket| path.ends_with(socket))
        || source.starts_with('/') && (path.is_empty() || POWERFUL.contains(&path))
        || POWERFUL_TREES.iter().any(|tree| is_below(tree)) && !HARMLESS.iter().any(|path| is_below(path))
}

/// Returns an absolute path without `.`, `..` and repeated slashes, as the kernel reads it.
fn resolved(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Returns true for a port on a loopback address, and for the ports 80 and 443, which belong to a proxy.
fn is_guarded(port: &str) -> bool {
    let is_local = ["127.", "[::1]:", "::1:"].iter().any(|start| port.starts_with(start));
    let published = port.split('/').next().unwrap_or_default().rsplit(':').nth(1).unwrap_or_default();
    is_local || matches!(published, "80" | "443")
}

/// Returns true if the health of a service is checked; `None` if its image decides that.
fn is_watched(service: &ComposeService) -> Option<bool> {
    let check = &service.settings["healthcheck"];
    if service.is_one_shot {
        return Some(true);
    }
    // Without a test, an interval alone changes how often the test of the image runs.
    let test = &check["test"];
    let has_test = !matches!(shown(test).as_str(), "" | "[]");
    let is_off = matches!(shown(&check["disable"]).to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1");
    if !has_test && !is_off {
        // The checks of images judge the `Dockerfile` in the root of the repository.
        return service.is_built_here().then_some(true);
    }
    let is_none = test == "NONE" || test[0] == "NONE";
    Some(!is_off && !is_none)
}

fn bounded(service: &ComposeService) -> Vec<Rule> {
    let own_network = !matches!(service.text("network_mode").as_str(), "host" | "bridge");
    let policy = &service.settings["deploy"]["restart_policy"];
    let by_policy = policy.is_object() && policy["condition"] != "none";
    let restarts = !matches!(service.text("restart").as_str(), "" | "no" | "false") || by_policy || service.is_one_shot;
    let of = |what, holds, fact, effect, settings: &[&str]| rule(service, what, holds, fact, effect, settings);
    let bound = |what, name, below, fact, effect| Rule {
        what,
        holds: service.is_bounded(name, below),
        fact,
        effect,
        shows: format!("{name}: {}", service.settings[name]),
    };
    let mut watched =
        of("its health is checked", false, "there is no health check", "a service that hangs seems to run", &[]);
    watched.holds = is_watched(service);
    vec![
        bound(
            "its memory is bounded",
            "mem_limit",
            "memory",
            "no limit of memory is set",
            "one container takes the memory of all",
        ),
        bound(
            "its processors are bounded",
            "cpus",
            "cpus",
            "no limit of processors is set",
            "one container takes the processors of all",
        ),
        bound(
            "its processes are bounded",
            "pids_limit",
            "pids",
            "no limit of processes is set",
            "a fork bomb stops the machine",
        ),
        of(
            "its ports are on loopback",
            service.list("ports").iter().all(|port| is_guarded(port)),
            "a port is published on every address",
            "other machines reach it without TLS",
            &["ports"],
        ),
        of(
            "it has a network of its own",
            own_network,
            "`network_mode` is `host` or `bridge`",
            "containers of other stacks reach it",
            &["network_mode"],
        ),
        of("it is restarted", restarts, "`restart` is not set or `no`", "a crash ends the service", &["restart"]),
        watched,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::compose::services_of;
    use super::{bounded, confined};
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "image": "a:1", "user": "65532:65532", "read_only": true, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
            "cpus": 0.5, "mem_limit": "64m", "pids_limit": 9, "ports": ["127.0.0.1:1:1"], "restart": "always",
            "healthcheck": { "test": ["CMD", "/a"] }, "volumes": ["data:/data"], "environment": { "KEY": "hunter2" },
        })
    }

    /// Returns the rules that a service breaks, and the number of those that the file does not decide.
    fn broken(change: &Value) -> (Vec<&'static str>, usize) {
        let mut settings = good();
        for (name, value) in change.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let tree = json!({
            "services": { "a": settings, "b": { "depends_on": { "job": { "condition": "service_completed_successfully" } } } },
            "volumes": {
                "root": { "driver_opts": { "o": "bind", "device": "/" } },
                "default": { "driver_opts": { "o": "bind", "device": "${DATA:-/}" } },
                "open": { "driver_opts": { "o": "bind", "device": "${DATA}" } },
            },
        });
        let service = services_of(&tree).remove(0);
        let rules: Vec<_> = confined(&service).into_iter().chain(bounded(&service)).collect();
        assert!(rules.iter().all(|rule| !rule.shows.contains("hunter2")), "a value of the environment is shown");
        let wrong = rules.iter().filter(|rule| rule.holds == Some(false)).map(|rule| rule.what).collect();
        (wrong, rules.iter().filter(|rule| rule.holds.is_none()).count())
    }

    #[test]
    fn each_rule_is_broken_by_one_setting_and_by_no_other() {
        let (mounts, user) = ("it mounts no system folder or socket", "the user is not root");
        for (change, rule) in [
            (json!({ "user": "0:0" }), user),
            (json!({ "user": "00" }), user),
            (json!({ "user": "${UID:-0}" }), user),
            (json!({ "user": null }), user),
            (json!({ "read_only": false }), "the root is read-only"),
            (json!({ "cap_drop": [] }), "all capabilities are dropped"),
            (json!({ "cap_add": ["SYS_ADMIN"] }), "no capability is added"),
            (json!({ "security_opt": [] }), "no program gains privileges"),
            (
                json!({ "security_opt": ["no-new-privileges:true", "seccomp:unconfined"] }),
                "its system calls are filtered",
            ),
            (json!({ "privileged": "${P:-true}" }), "it is not privileged"),
            (json!({ "privileged": "yes" }), "it is not privileged"),
            (json!({ "privileged": "On" }), "it is not privileged"),
            (json!({ "pid": "host" }), "it shares no namespace with the machine"),
            (json!({ "cgroup": "host" }), "it shares no namespace with the machine"),
            (json!({ "devices": ["/dev/sda"] }), "it has no device of the machine"),
            (json!({ "volumes": ["${SOCK:-/var/run/docker.sock}:/s"] }), mounts),
            (json!({ "volumes": ["/etc/kubernetes:/a"] }), mounts),
            (json!({ "volumes": ["/:/a"] }), mounts),
            (json!({ "volumes": ["root:/a"] }), mounts),
            (json!({ "volumes": ["default:/a"] }), mounts),
            (json!({ "volumes": ["//:/a"] }), mounts),
            (json!({ "volumes": ["/./etc:/a"] }), mounts),
            (json!({ "volumes": ["/srv/../var/run:/a"] }), mounts),
            (json!({ "mem_limit": "0m" }), "its memory is bounded"),
            (json!({ "cpus": "0.0" }), "its processors are bounded"),
            (json!({ "pids_limit": -1 }), "its processes are bounded"),
            (json!({ "ports": ["7420:7420"] }), "its ports are on loopback"),
            (json!({ "network_mode": "bridge" }), "it has a network of its own"),
            (json!({ "restart": "no" }), "it is restarted"),
            (json!({ "restart": false }), "it is restarted"),
            (json!({ "healthcheck": { "test": ["NONE"] } }), "its health is checked"),
            (json!({ "healthcheck": { "disable": true } }), "its health is checked"),
            (json!({ "healthcheck": { "disable": "yes" } }), "its health is checked"),
        ] {
            assert_eq!(broken(&change), (vec![rule], 0), "{change}");
        }
    }

    #[test]
    fn ordinary_settings_break_no_rule_and_what_the_file_does_not_decide_is_open() {
        for change in [
            json!({}),
            json!({ "security_opt": ["no-new-privileges=true"] }),
            json!({ "read_only": "${RO:-true}" }),
            json!({ "ports": ["${BIND:-127.0.0.1}:80:80"] }),
            json!({ "ports": ["443:8443", "0.0.0.0:80:80/tcp"] }),
            json!({ "restart": null, "deploy": { "restart_policy": { "condition": "any" } } }),
            json!({ "volumes": ["/etc/localtime:/etc/localtime:ro", "/srv/data:/data", "./etc:/etc"] }),
            json!({ "user": null, "healthcheck": null, "build": { "context": "." } }),
        ] {
            assert_eq!(broken(&change), (vec![], 0), "{change}");
        }
        for change in [
            json!({ "user": "$UID" }),
            json!({ "user": null, "build": "./api" }),
            json!({ "healthcheck": null }),
            json!({ "healthcheck": { "interval": "5s" } }),
            json!({ "volumes": ["open:/a"] }),
            json!({ "cpus": "${CPUS}" }),
        ] {
            assert_eq!(broken(&change), (vec![], 1), "{change}");
        }
    }

    #[test]
    fn a_service_that_ends_needs_no_restart_and_no_health_check() {
        let mut settings = good();
        (settings["restart"], settings["healthcheck"]) = (json!("no"), json!(null));
        let tree = json!({ "services": {
            "job": settings, "z": { "depends_on": { "job": { "condition": "service_completed_successfully" } } },
        } });
        let job = services_of(&tree).remove(0);
        assert!(bounded(&job).iter().all(|rule| rule.holds == Some(true)));
    }
}
