//! Arguments of `harness client-config`.

use super::values::{parse_duration, parse_url};
use clap::{Args, ValueEnum};
use std::time::Duration;

#[derive(Args)]
pub(crate) struct ClientConfigArguments {
    #[arg(value_enum)]
    pub(crate) client: ClientName,
    /// Base URL of a running service, in place of the stack that `harness up` started; repeatable.
    #[arg(long, value_name = "SERVICE=URL", value_parser = parse_url)]
    pub(crate) url: Vec<(String, String)>,
    /// User of the token.
    #[arg(long, default_value = "developer")]
    pub(crate) user: String,
    /// Organisation of the token.
    #[arg(long, default_value = "local")]
    pub(crate) org: String,
    /// Workspace of the token.
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// Lifetime of the token, at most one hour.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// Key that signs the token; prefer the environment variable, because arguments are visible to other users.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientName {
    /// Cursor: `.cursor/mcp.json`.
    Cursor,
    /// Windsurf: `~/.codeium/windsurf/mcp_config.json`.
    Windsurf,
    /// Claude Code: `.mcp.json`.
    Claude,
    /// Claude Desktop: `claude_desktop_config.json`, through the bridge `mcp-remote`.
    ClaudeDesktop,
    /// VS Code: `.vscode/mcp.json`.
    Vscode,
    /// Gemini CLI: `.gemini/settings.json`.
    Gemini,
    /// Codex: `~/.codex/config.toml`.
    Codex,
    /// Zed: `settings.json`.
    Zed,
}
