//! The command line. A subcommand has one variant below and one file in `command/`. Its arguments are in a file of `arguments/`, which related
//! subcommands share; subcommands with at most a few arguments have them here.

mod bench;
mod chaos;
mod client_config;
mod gate;
mod harden;
mod load;
mod plan;
mod record;
mod runs;
mod scenario;
mod server;
mod snapshot;
mod stack;
mod token;
mod usage;
mod values;

pub(crate) use bench::BenchArguments;
pub(crate) use chaos::{ChaosArguments, ChaosCommand};
pub(crate) use client_config::{ClientConfigArguments, ClientName};
pub(crate) use gate::{GateArguments, InitArguments, Profile};
pub(crate) use harden::HardenArguments;
pub(crate) use load::{Changes, LoadArguments, TargetArguments};
pub(crate) use plan::{PlanArguments, PlanSubcommand};
pub(crate) use record::RecordArguments;
pub(crate) use runs::{CheckArguments, CompareArguments, RunArguments, RunsAction, RunsArguments};
pub(crate) use scenario::ScenarioArguments;
pub(crate) use server::{Ownership, ServerArguments};
pub(crate) use snapshot::SnapshotArguments;
pub(crate) use stack::{
    BackendArguments, BackendChoice, DownArguments, FlowArguments, InstanceArguments, LogsArguments, OnlyService,
    StoreArguments, StoreChoice, UpArguments, WatchArguments,
};
pub(crate) use token::{MintArguments, TokenAction, TokenArguments};
pub(crate) use usage::UsageArguments;
pub(crate) use values::base_url;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Tests the resilience of a stack of MCP services and reports pass, fail or unknown.
#[derive(Parser)]
#[command(
    name = "harness",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 pass, 1 fail, 2 unknown, 64 bad \
    arguments or plan, 69 the stack did not start or the server cannot be reached, 70 a bug of the harness, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Clone)]
pub(crate) struct Output {
    /// Writes JSON to stdout instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Prints only the verdict.
    #[arg(long, short, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// When to use colours; `auto` uses them on a terminal unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Colour,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts a local stack that keeps running, for development.
    #[command(
        after_help = "Examples:\n  harness up && harness client-config cursor > .cursor/mcp.json\n  harness up --only memory"
    )]
    Up(UpArguments),
    /// Stops the stack that `harness up` started.
    Down(DownArguments),
    /// Rebuilds on every change and restarts only the services that changed.
    #[command(
        after_help = "Examples:\n  harness up --watch\n  harness watch\n  harness watch --background -- infra/local/reload\n  harness watch --stop"
    )]
    Watch(WatchArguments),
    /// Shows the state of each part of the stack.
    Status,
    /// Shows the logs of the stack.
    Logs(LogsArguments),
    /// Prints what a run would do, without starting anything.
    #[command(
        after_help = "Examples:\n  harness plan load memory --users 20\n  harness plan scenario tenant-isolation"
    )]
    Plan(PlanArguments),
    /// Drives load against a stack, checks the recorded history, and reports pass, fail or unknown.
    #[command(
        after_help = "Examples:\n  harness load memory\n  harness load memory --users 100 --duration 30s --backend docker\n  \
        harness load memory --rate 1000 --threshold 'p99<500ms'\n  harness load my-profile.toml --url memory=http://127.0.0.1:7420\n  \
        harness load --target http://127.0.0.1:8000/mcp\n  \
        harness load --target http://127.0.0.1:8000/mcp --call 'search {\"q\":\"{{word}}\"}:4' --call 'add {\"id\":\"{{uuid}}\"}' --rate 50"
    )]
    Load(Box<LoadArguments>),
    /// Runs integration scenarios: real calls against a stack, each with its expected results.
    #[command(after_help = "Examples:\n  harness scenario --list\n  harness scenario tenant-isolation quota\n  \
        harness scenario --all --backend docker\n  harness scenario memory-tools --url memory=http://127.0.0.1:7420")]
    Scenario(ScenarioArguments),
    /// Attacks a stack, check by check, and reports what it fails to refuse.
    #[command(
        after_help = "Examples:\n  harness harden\n  harness harden --list\n  harness harden --only AUTH --only MCP-TRN-01\n  \
        harness harden --min-severity high --backend docker\n  harness harden --skip MCP-TRN-12='the gateway adds the header'\n  \
        harness harden --repeat MCP-AUTH-03\n  harness harden --url memory=http://127.0.0.1:7420\n  \
        harness harden --target http://127.0.0.1:8000/mcp --bearer-env TOKEN"
    )]
    Harden(HardenArguments),
    /// Injects faults into a stack under load, proves that they took effect, and judges the result.
    Chaos(ChaosArguments),
    /// Writes the tool surface of a server (names, texts, schemas, annotations, hashes), or compares the server with what was written.
    #[command(after_help = "Examples:\n  harness snapshot --target http://127.0.0.1:8000/mcp --out tools.json\n  \
        harness snapshot --target http://127.0.0.1:8000/mcp --check tools.json\n  harness snapshot --check fixtures/snapshots")]
    Snapshot(SnapshotArguments),
    /// Judges a recorded run again, from its directory alone, or lists the checks.
    #[command(after_help = "Examples:\n  harness check\n  harness check --list")]
    Check(CheckArguments),
    /// Writes the reports of a recorded run again.
    Report(RunArguments),
    /// Shows which findings appeared and which disappeared between two runs. Exits with 1 if something fails that did not fail before.
    #[command(after_help = "Examples:\n  harness compare 2026-11-30T09-00-00Z-harden-catalogue-1c2d\n  \
        harness compare runs/before runs/after --json | jq '.changes[]'")]
    Compare(CompareArguments),
    /// Lists recorded runs, opens a report, or removes old runs.
    #[command(after_help = "Examples:\n  harness runs list\n  harness runs open\n  harness runs prune --keep 5")]
    Runs(RunsArguments),
    /// Creates access tokens.
    Token(TokenArguments),
    /// Sums up the calls, tokens and cost of models by organisation and plan, from the logs of the orchestrator.
    #[command(
        after_help = "Examples:\n  harness usage logs/mcp-orchestrator*.log\n  harness usage --since 2026-11-01 --until 2026-11-30 --json logs/*.log"
    )]
    Usage(UsageArguments),
    /// Prints the configuration of an MCP client for a stack, with a fresh token.
    #[command(
        after_help = "Examples:\n  harness client-config cursor > .cursor/mcp.json\n  harness client-config claude --user ann --org acme > .mcp.json\n  \
        harness client-config vscode --url orchestrator=http://127.0.0.1:7410 > .vscode/mcp.json"
    )]
    ClientConfig(ClientConfigArguments),
    /// Sends one task through the stack (guardrails, memory, patterns, agent) and shows each reply with its duration.
    #[command(
        after_help = "Examples:\n  harness flow\n  harness up && harness flow\n  harness flow --json | jq .took_ms\n  \
        harness flow --origin https://app.example.com --url memory=http://127.0.0.1:7420"
    )]
    Flow(FlowArguments),
    /// Runs scenarios, a load, experiments and hardening checks, and returns one verdict on a change.
    #[command(
        after_help = "Examples:\n  harness gate\n  harness gate --profile preprod --seed 7\n  harness gate --lie guardrails=block-not-honoured\n  \
        harness gate --profile smoke --url memory=http://127.0.0.1:7420 --url guardrails=http://127.0.0.1:7421 \\\n    \
        --url patterns=http://127.0.0.1:7422 --url orchestrator=http://127.0.0.1:7410"
    )]
    Gate(GateArguments),
    /// Writes `harness.toml` with every setting, its default and a comment.
    #[command(after_help = "Example: harness init && harness gate")]
    Init(InitArguments),
    /// Measures the price of a call: its throughput beside a bare HTTP reply of the same service, its median latency and its CPU time. Reports which
    /// calls became worse than in the last runs.
    #[command(
        after_help = "Examples:\n  harness bench\n  harness bench --rounds 5 --fail-if-worse\n  harness bench --no-history --json | jq '.rows[] | {name, ratio}'\n  \
        harness bench --markdown > block.md"
    )]
    Bench(BenchArguments),
    /// Prints shell completions.
    #[command(after_help = "Example: harness completions bash > /etc/bash_completion.d/harness")]
    Completions(CompletionsArguments),
    /// The driver of a run.
    #[command(name = "__drive", hide = true)]
    Drive,
    /// Replaces this process by a program that is killed when its parent ends.
    #[command(name = "__become", hide = true)]
    Become(BecomeArguments),
    /// The reaper of a run.
    #[command(name = "__reap", hide = true)]
    Reap,
}

#[derive(Args)]
pub(crate) struct BecomeArguments {
    /// Id of the parent process.
    pub(crate) parent: u32,
    pub(crate) program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct CompletionsArguments {
    pub(crate) shell: clap_complete::Shell,
}
