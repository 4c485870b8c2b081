//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

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
    #[command(after_help = "Example: harness up && harness token mint --user ann --org acme")]
    Up(UpArguments),
    /// Stops the stack that `up` started.
    Down,
    /// Shows how the parts of the stack are.
    Status,
    /// Shows the logs of the stack.
    Logs(LogsArguments),
    /// Prints what a run would do, and starts nothing.
    #[command(after_help = "Example: harness plan load memory --users 20")]
    Plan(PlanArguments),
    /// Drives a load against a stack, checks what came back, and says pass, fail or unknown.
    #[command(
        after_help = "Examples:\n  harness load memory\n  harness load memory --users 100 --duration 30s --backend docker\n  \
        harness load memory --rate 1000 --threshold 'p99<500ms'\n  harness load my-profile.toml --url memory=http://127.0.0.1:7420"
    )]
    Load(LoadArguments),
    /// Judges a recorded run again.
    Check(RunArguments),
    /// Writes the reports of a recorded run again.
    Report(RunArguments),
    /// Makes access tokens for a stack.
    Token(TokenArguments),
    /// Walks through every tool of a service, step by step.
    Flow(FlowArguments),
    /// The job of a CI: the main load on the embedded default, with every report.
    Gate(GateArguments),
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

/// Where a stack runs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// `external` where a URL is given, else `process`.
    Auto,
    /// Plain processes on this machine.
    Process,
    /// Containers on this machine.
    Docker,
    /// A stack that runs already, at `--url`.
    External,
}

/// Where a stack runs.
#[derive(Args, Clone)]
pub(crate) struct BackendArguments {
    /// Where the stack runs.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) backend: BackendChoice,
    /// Base URL of a service that runs already; repeatable. Its secret is taken from JWT_SECRET.
    #[arg(long, value_name = "SERVICE=URL", value_parser = parse_url)]
    pub(crate) url: Vec<(String, String)>,
}

/// Arguments of `up`.
#[derive(Args)]
pub(crate) struct UpArguments {
    /// Where the stack runs.
    #[arg(long, value_enum, default_value = "process")]
    pub(crate) backend: BackendChoice,
}

/// Arguments of `logs`.
#[derive(Args)]
pub(crate) struct LogsArguments {
    /// The part; all of them where absent.
    pub(crate) part: Option<String>,
    /// Most lines of each part.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
}

/// Arguments of `plan`.
#[derive(Args)]
pub(crate) struct PlanArguments {
    /// The run.
    #[command(subcommand)]
    pub(crate) run: Planned,
}

/// What can be planned.
#[derive(Subcommand)]
pub(crate) enum Planned {
    /// The plan of `harness load`.
    Load(LoadArguments),
}

/// Arguments of `load`.
#[derive(Args, Clone)]
pub(crate) struct LoadArguments {
    /// Name of a workload, or a profile of your own (`….toml`).
    pub(crate) workload: String,
    /// Changes of the profile.
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Where the stack runs.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    /// Decides every random choice; drawn and printed where absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}

/// Changes of a profile.
#[derive(Args, Clone, Default)]
pub(crate) struct Changes {
    /// Concurrent users.
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// Organisations that the users are spread over.
    #[arg(long)]
    pub(crate) organisations: Option<u32>,
    /// How long is measured, such as `30s`.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Load before measuring starts.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) warmup: Option<Duration>,
    /// Pause of a user between two calls (closed model).
    #[arg(long, value_parser = parse_duration)]
    pub(crate) think_time: Option<Duration>,
    /// Arrivals per second (open model).
    #[arg(long, conflicts_with_all = ["stages", "think_time"])]
    pub(crate) rate: Option<f64>,
    /// Arrival schedule (open model), such as `10s:100,20s:100-1000`.
    #[arg(long, conflicts_with = "think_time")]
    pub(crate) stages: Option<String>,
    /// A bound that decides the verdict, such as `p99<500ms`, in place of the profile's; repeatable.
    #[arg(long)]
    pub(crate) threshold: Vec<String>,
}

/// Arguments of `check` and `report`.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// Directory of the run, such as `runs/<id>`; the newest one where absent.
    pub(crate) run: Option<PathBuf>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}

/// Arguments of `token`.
#[derive(Args)]
pub(crate) struct TokenArguments {
    /// What is done.
    #[command(subcommand)]
    pub(crate) action: TokenAction,
}

/// What can be done with tokens.
#[derive(Subcommand)]
pub(crate) enum TokenAction {
    /// Prints a token, signed with JWT_SECRET or with the key of the stack that is up.
    #[command(after_help = "Example: harness token mint --user ann --org acme --scope memory.read --lifetime 10m")]
    Mint(MintArguments),
}

/// Arguments of `token mint`.
#[derive(Args)]
pub(crate) struct MintArguments {
    /// The user.
    #[arg(long, default_value = "developer")]
    pub(crate) user: String,
    /// The organisation.
    #[arg(long, default_value = "local")]
    pub(crate) org: String,
    /// The workspace.
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// Plan of the organisation: free, pro, team or enterprise.
    #[arg(long, default_value = "enterprise")]
    pub(crate) plan: String,
    /// A scope; repeatable. All of memory's where absent.
    #[arg(long)]
    pub(crate) scope: Vec<String>,
    /// How long it is valid, at most an hour.
    #[arg(long, default_value = "30m", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// The key; better given by the environment.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
}

/// Arguments of `flow`.
#[derive(Args)]
pub(crate) struct FlowArguments {
    /// The service: memory.
    #[arg(value_parser = ["memory"])]
    pub(crate) service: String,
    /// Where the stack runs.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
}

/// Arguments of `gate`.
#[derive(Args)]
pub(crate) struct GateArguments {
    /// Concurrent users.
    #[arg(long, default_value_t = 100)]
    pub(crate) users: u32,
    /// How long is measured.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Decides every random choice; drawn and printed where absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
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

/// Reads `500ms`, `30s`, `5m` or `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration such as `500ms`, `30s` or `5m`");
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let number: f64 = text[..split].parse().map_err(|_| wrong())?;
    let secs = match &text[split..] {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(secs).map_err(|_| wrong())
}

fn parse_url(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((service, url)) if mcp_contracts::Service::ALL.iter().any(|known| known.name() == service) => {
            Ok((service.to_owned(), url.to_owned()))
        }
        Some(_) | None => Err(format!("`{text}` is not like `memory=http://127.0.0.1:7420`")),
    }
}
