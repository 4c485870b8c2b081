//! What `token` takes.

use super::values::parse_duration;
use clap::{Args, Subcommand};
use std::time::Duration;

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
    /// A scope; repeatable. Every scope but `admin` where absent.
    #[arg(long)]
    pub(crate) scope: Vec<String>,
    /// How long it is valid, at most an hour.
    #[arg(long, default_value = "30m", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// The key; better given by the environment.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
}
