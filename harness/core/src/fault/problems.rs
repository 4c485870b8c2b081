//! Checks that several kinds of fault share: the backend supports the fault, the part or the edge exists, and a number
//! is in its range. Nothing here looks at a running stack.

use crate::plan::Backend;
use crate::plan::data_file::nearest;
use crate::plan::topology::{Part, PartKind, Topology};
use mcp_contracts::env;
use std::ops::RangeInclusive;

pub(super) fn needs_own_stack(backend: &Backend) -> Option<String> {
    let what = match backend.target() {
        Some(_) => {
            "needs a server that the harness started; add `[target.start]` with its command to a file such as the one in docs/mcp/ANY_SERVER.md, \
             and run it with `harness chaos FILE.toml`, without `--target`"
        }
        None => "needs a stack that the harness started; use `--backend process`",
    };
    backend.is_external().then(|| what.to_owned())
}

pub(super) fn out_of_range(key: &str, value: u32, allowed: &RangeInclusive<u32>) -> Option<String> {
    let (least, most) = (allowed.start(), allowed.end());
    (!allowed.contains(&value)).then(|| format!("`{key} = {value}` is out of range: {least} to {most}"))
}

pub(super) fn unknown_part(topology: &Topology, part: &str) -> Vec<String> {
    if topology.part(part).is_some() {
        return Vec::new();
    }
    let names: Vec<&str> = topology.parts.iter().map(|part| part.name.as_str()).collect();
    vec![format!("there is no part `{part}` in this stack{}", suggestion(part, &names))]
}

pub(super) fn unknown_edge(topology: &Topology, from: &str, to: &str) -> Vec<String> {
    if topology.edge_mode(from, to).is_some() {
        return Vec::new();
    }
    let ways: Vec<String> = topology.every_edge().into_iter().map(|(from, to)| format!("{from} to {to}")).collect();
    let ways: Vec<&str> = ways.iter().map(String::as_str).collect();
    let suggestion = suggestion(&format!("{from} to {to}"), &ways);
    vec![format!("there is no edge from `{from}` to `{to}` in this stack{suggestion}")]
}

/// Returns the problems of a fault that needs a SQLite database on disk; `kind` is for the message.
pub(super) fn no_database(topology: &Topology, part: &str, kind: &str) -> Vec<String> {
    match topology.part(part) {
        None => unknown_part(topology, part),
        Some(Part { kind: PartKind::Redis, .. }) => {
            vec![format!("`{kind}` does not apply to Redis: it has no persistence here")]
        }
        Some(Part { kind: PartKind::Postgres, .. }) => {
            vec![format!("`{kind}` does not apply to Postgres: it acts on a SQLite database")]
        }
        Some(Part { kind: PartKind::Target, .. }) => {
            vec![format!("`{kind}` does not apply to a target: the harness does not know its database")]
        }
        Some(known @ Part { settings, .. }) => {
            let elsewhere = topology.is_on_postgres(known)
                || settings.get(env::DATABASE_URL).is_some_and(|url| !url.starts_with("sqlite://"));
            let problem = elsewhere.then(|| format!("`{kind}` does not apply to `{part}`: it has no SQLite database"));
            problem.into_iter().collect()
        }
    }
}

/// Refuses a server with several processes, because a limit of this kind is that of one process.
pub(super) fn several_processes(topology: &Topology, part: &str, kind: &str) -> Option<String> {
    let is_server = topology.part(part).is_some_and(|part| part.kind == PartKind::Postgres);
    is_server.then(|| format!("`{kind}` does not apply to Postgres: it limits one process, and the server has several"))
}

fn suggestion(name: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; it has `{}`", names.join("`, `")),
    }
}
