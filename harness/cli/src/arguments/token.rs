//! Arguments of `harness token`.

use super::values::parse_duration;
use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Args)]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    pub(crate) action: TokenAction,
}

#[derive(Subcommand)]
pub(crate) enum TokenAction {
    /// Prints a token, signed with JWT_SECRET or with the key of the stack that `harness up` started.
    #[command(after_help = "Example: harness token mint --user ann --org acme --scope memory.read --lifetime 10m")]
    Mint(MintArguments),
}

#[derive(Args)]
pub(crate) struct MintArguments {
    /// User of the token.
    #[arg(long, default_value = "developer")]
    pub(crate) user: String,
    /// Organisation of the token.
    #[arg(long, default_value = "local")]
    pub(crate) org: String,
    /// Workspace of the token.
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// Plan of the organisation: free, pro, team or enterprise.
    #[arg(long, default_value = "enterprise")]
    pub(crate) plan: String,
    /// Scope of the token; repeatable. Every scope except `admin` if omitted.
    #[arg(long)]
    pub(crate) scope: Vec<String>,
    /// Lifetime of the token, at most one hour.
    #[arg(long, default_value = "30m", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// Key that signs the token; prefer the environment variable, because arguments are visible to other users.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
}
