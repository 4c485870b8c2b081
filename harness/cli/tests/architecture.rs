//! The edges between our crates: what docs/ARCHITECTURE.md draws equals what `cargo metadata` reports.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Every crate of the workspace, with the crates of the workspace that it may link. A new edge is a design decision:
/// write its page first.
const EDGES: &[(&str, &[&str])] = &[
    ("mcp-contracts", &[]),
    ("mcp-kit", &["mcp-contracts"]),
    ("mcp-testkit", &["mcp-contracts", "mcp-kit"]),
    ("mcp-memory", &["mcp-contracts", "mcp-kit"]),
    ("mcp-guardrails", &["mcp-contracts", "mcp-kit"]),
    ("mcp-patterns", &["mcp-contracts", "mcp-kit"]),
    ("mcp-orchestrator", &["mcp-contracts", "mcp-kit"]),
    ("liar", &["mcp-contracts"]),
    ("sample-server", &[]),
    ("fuzzing", &[]),
    ("chaos-proxy", &[]),
    ("harness-history", &[]),
    ("harness-core", &["chaos-proxy", "harness-history", "mcp-contracts"]),
    ("harness-harden", &["harness-core", "mcp-contracts"]),
    ("scenarios", &["harness-core", "harness-history", "mcp-contracts"]),
    ("loadtests", &["harness-core", "harness-history", "mcp-contracts"]),
    ("harness-cli", &["harness-core", "harness-harden", "harness-history", "loadtests", "mcp-contracts", "scenarios"]),
];

/// External crates that only one crate of the workspace may link, or that one may not link.
const ONLY: &[(&str, &[&str])] = &[
    ("goose", &["loadtests"]),
    ("testcontainers", &["harness-core"]),
    ("bollard", &["harness-core"]),
    ("rusqlite", &["mcp-kit", "mcp-memory", "mcp-orchestrator", "mcp-patterns"]),
    ("tokio-postgres", &["mcp-kit", "mcp-memory"]),
    ("deadpool-postgres", &["mcp-kit"]),
    ("rmcp", &["mcp-kit", "sample-server"]),
    ("redis", &["harness-core", "mcp-kit"]),
];

/// The only crates that the pure crates may link.
const PURE: &[(&str, &[&str])] = &[
    ("mcp-contracts", &["schemars", "serde", "serde_json"]),
    ("harness-history", &["hashbrown", "hdrhistogram", "indexmap", "serde", "thiserror", "xxhash-rust"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .other_options(vec!["--offline".to_owned(), "--locked".to_owned()])
        .no_deps()
        .exec()
        .expect("cargo can read the workspace")
}

/// Maps each crate to the crates that it links outside of its tests.
fn links(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .packages
        .iter()
        .map(|package| {
            let linked = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
            (package.name.to_string(), linked.map(|dependency| dependency.name.clone()).collect())
        })
        .collect()
}

fn forbidden_edges(links: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let mut forbidden = Vec::new();
    for (name, allowed) in EDGES {
        let strangers =
            links[*name].iter().filter(|used| ours.contains(used.as_str()) && !allowed.contains(&used.as_str()));
        forbidden.extend(strangers.map(|used| format!("`{name}` must not link `{used}`")));
    }
    forbidden
}

#[test]
fn our_crates_link_only_downwards() {
    let links = links(&metadata());
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = links.keys().map(String::as_str).collect();
    assert_eq!(found, ours, "every member of the workspace has its line in EDGES");
    assert_eq!(forbidden_edges(&links), Vec::<String>::new());
}

#[test]
fn a_forbidden_edge_is_found() {
    let mut links = links(&metadata());
    links.get_mut("mcp-contracts").expect("a member").insert("harness-core".to_owned());
    assert_eq!(forbidden_edges(&links), ["`mcp-contracts` must not link `harness-core`"]);
}

#[test]
fn the_table_of_edges_has_no_circle() {
    // There must be an order in which each crate links only earlier crates. To find it, crates without edges are
    // removed repeatedly.
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(name, allowed)| (*name, allowed.iter().copied().collect())).collect();
    while !left.is_empty() {
        let free: Vec<&str> = left.iter().filter(|(_, edges)| edges.is_empty()).map(|(name, _)| *name).collect();
        assert!(!free.is_empty(), "a circle among {:?}", left.keys());
        for name in free {
            left.remove(name);
            left.values_mut().for_each(|edges| {
                edges.remove(name);
            });
        }
    }
}

#[test]
fn one_crate_knows_each_heavy_library() {
    let links = links(&metadata());
    for (library, owners) in ONLY {
        let users: Vec<&str> =
            links.iter().filter(|(_, linked)| linked.contains(*library)).map(|(name, _)| name.as_str()).collect();
        let strangers: Vec<_> = users.iter().filter(|user| !owners.contains(user)).collect();
        assert!(strangers.is_empty(), "`{library}` is linked by {strangers:?}; it belongs to {owners:?}");
    }
}

#[test]
fn pure_crates_reach_no_clock_no_file_and_no_network() {
    let links = links(&metadata());
    for (name, allowed) in PURE {
        let strangers: Vec<_> = links[*name].iter().filter(|linked| !allowed.contains(&linked.as_str())).collect();
        assert!(strangers.is_empty(), "`{name}` is pure and must not link {strangers:?}");
    }
}

#[test]
fn members_take_versions_and_lints_from_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a member has a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "`{}` does not take the lints", package.name);
        let versions = manifest.lines().filter(|line| {
            let in_dependencies = !line.starts_with('[') && line.contains('=');
            in_dependencies
                && (line.contains("version = \"") || line.contains("features = ["))
                && !line.contains("required-features")
        });
        let own: Vec<&str> = versions.collect();
        assert!(own.is_empty(), "`{}` sets versions or features of its own: {own:?}", package.name);
    }
}
