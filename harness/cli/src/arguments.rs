//! What can be typed.

mod chaos;
mod client_config;
mod gate;
mod load;
mod plan;
mod runs;
mod scenario;
mod stack;
mod token;
mod values;

pub(crate) use chaos::{ChaosArguments, ChaosCommand};
pub(crate) use client_config::{ClientConfigArguments, ClientName};
pub(crate) use gate::{GateArguments, InitArguments, Profile};
pub(crate) use load::{Changes, LoadArguments};
pub(crate) use plan::{PlanArguments, Planned};
pub(crate) use runs::{CheckArguments, RunArguments, RunsAction, RunsArguments};
pub(crate) use scenario::ScenarioArguments;
pub(crate) use stack::{
    BackendArguments, BackendChoice, DownArguments, FlowArguments, LogsArguments, Only, UpArguments, WatchArguments,
};
pub(crate) use token::{MintArguments, TokenAction, TokenArguments};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Proves a stack of MCP services under load, or says what is unknown.
#[derive(Parser)]
#[command(
    name = "harness",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 pass, 1 fail, 2 unknown, 64 bad \
    arguments or plan, 69 the stack did not come up, 70 our own bug, 130 interrupted."
)]
pub(crate) struct Arguments {
    /// What is shown.
    #[command(flatten)]
    pub(crate) output: Output,
    /// What is done.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is shown, and how.
#[derive(Args, Clone)]
pub(crate) struct Output {
    /// Writes JSON to stdout instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Shows the verdict alone.
    #[arg(long, short, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Colours: `auto` has them on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Colour,
}

/// When there are colours.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// In every case.
    Always,
    /// In no case.
    Never,
}

/// What is done.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts a stack that stays up, for trying and developing.
    #[command(
        after_help = "Examples:\n  harness up && harness client-config cursor > .cursor/mcp.json\n  harness up --only memory"
    )]
    Up(UpArguments),
    /// Stops the stack that `up` started.
    Down(DownArguments),
    /// Builds what is changed and starts that service alone again.
    #[command(
        after_help = "Examples:\n  harness up --watch\n  harness watch\n  harness watch --background -- infra/local/reload\n  harness watch --stop"
    )]
    Watch(WatchArguments),
    /// Shows how the parts of the stack are.
    Status,
    /// Shows the logs of the stack.
    Logs(LogsArguments),
    /// Prints what a run would do, and starts nothing.
    #[command(
        after_help = "Examples:\n  harness plan load memory --users 20\n  harness plan scenario tenant-isolation"
    )]
    Plan(PlanArguments),
    /// Drives a load against a stack, checks what came back, and says pass, fail or unknown.
    #[command(
        after_help = "Examples:\n  harness load memory\n  harness load memory --users 100 --duration 30s --backend docker\n  \
        harness load memory --rate 1000 --threshold 'p99<500ms'\n  harness load my-profile.toml --url memory=http://127.0.0.1:7420"
    )]
    Load(LoadArguments),
    /// Plays integration scenarios against a stack: real calls, and what must come back.
    #[command(after_help = "Examples:\n  harness scenario --list\n  harness scenario tenant-isolation quota\n  \
        harness scenario --all --backend docker\n  harness scenario memory-tools --url memory=http://127.0.0.1:7420")]
    Scenario(ScenarioArguments),
    /// Injects faults into a running stack under load, proves that they hit, and judges what came of it.
    Chaos(ChaosArguments),
    /// Judges a recorded run again, or lists the checks.
    #[command(after_help = "Examples:\n  harness check\n  harness check --list")]
    Check(CheckArguments),
    /// Writes the reports of a recorded run again.
    Report(RunArguments),
    /// Lists the recorded runs, opens the report of one, removes old ones.
    #[command(after_help = "Examples:\n  harness runs list\n  harness runs open\n  harness runs prune --keep 5")]
    Runs(RunsArguments),
    /// Makes access tokens for a stack.
    Token(TokenArguments),
    /// Prints a working configuration of a client for a stack, with a fresh token.
    #[command(
        after_help = "Examples:\n  harness client-config cursor > .cursor/mcp.json\n  harness client-config claude --user ann --org acme > .mcp.json\n  \
        harness client-config vscode --url orchestrator=http://127.0.0.1:7410 > .vscode/mcp.json"
    )]
    ClientConfig(ClientConfigArguments),
    /// Walks the way of one piece of work: guardrails, memory, patterns, agent; says what each answered and how long it took.
    #[command(
        after_help = "Examples:\n  harness flow\n  harness up && harness flow\n  harness flow --json | jq .took_ms"
    )]
    Flow(FlowArguments),
    /// Answers whether a change may go on: scenarios, load and experiments on the embedded default, one verdict, every report.
    #[command(
        after_help = "Examples:\n  harness gate\n  harness gate --profile preprod --seed 7\n  harness gate --lie guardrails=block-not-honoured"
    )]
    Gate(GateArguments),
    /// Writes `harness.toml`: every setting with its default and a word on it.
    #[command(after_help = "Example: harness init && harness gate")]
    Init(InitArguments),
    /// Measures what calls, starts and the driver cost, as ratios.
    Bench(BenchArguments),
    /// Prints completions for a shell.
    #[command(after_help = "Example: harness completions bash > /etc/bash_completion.d/harness")]
    Completions(CompletionsArguments),
    /// The driver of a run.
    #[command(name = "__drive", hide = true)]
    Drive,
    /// The reaper of a run.
    #[command(name = "__reap", hide = true)]
    Reap,
}

/// Arguments of `bench`.
#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Rounds; the median is told.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
}

/// Arguments of `completions`.
#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}
