//! What `client-config` takes.

use super::values::{parse_duration, parse_url};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Arguments of `client-config`.
#[derive(Args)]
pub(crate) struct ClientConfigArguments {
    /// The client.
    #[arg(value_enum)]
    pub(crate) client: ClientName,
    /// Base URL of a service that runs already, in place of the stack that is up here; repeatable.
    #[arg(long, value_name = "SERVICE=URL", value_parser = parse_url)]
    pub(crate) url: Vec<(String, String)>,
    /// The user.
    #[arg(long, default_value = "developer")]
    pub(crate) user: String,
    /// The organisation.
    #[arg(long, default_value = "local")]
    pub(crate) org: String,
    /// The workspace.
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// How long the token is valid, at most an hour.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// The key; better given by the environment.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
}

/// A client.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientName {
    /// Cursor: `.cursor/mcp.json`.
    Cursor,
    /// Windsurf: `~/.codeium/windsurf/mcp_config.json`.
    Windsurf,
    /// Claude Code: `.mcp.json`.
    Claude,
    /// VS Code: `.vscode/mcp.json`.
    Vscode,
}
