//! Arguments that name a server of any maker, for the commands that make calls of their own.

use super::TargetArguments;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Any MCP server")]
pub(crate) struct ServerArguments {
    /// URL of the server's MCP endpoint, such as `http://127.0.0.1:8000/mcp`.
    #[arg(long, value_name = "URL", group = "any_server", conflicts_with_all = ["url", "backend"])]
    pub(crate) target: Option<String>,
    /// Profile of a load on any MCP server, whose `[target]` is used in place of `--target`.
    #[arg(long, value_name = "FILE", group = "any_server", conflicts_with_all = ["url", "backend"])]
    pub(crate) profile: Option<PathBuf>,
    /// Environment variable with the bearer token.
    #[arg(long, value_name = "NAME", requires = "any_server")]
    bearer_env: Option<String>,
    /// File with the bearer token.
    #[arg(long, value_name = "PATH", requires = "any_server", conflicts_with = "bearer_env")]
    bearer_file: Option<PathBuf>,
    /// Environment variable with the token of another customer.
    #[arg(long, value_name = "NAME", requires = "any_server")]
    other_bearer_env: Option<String>,
    /// PEM file with the authorities that the server's certificate is checked against; by default those of the system.
    #[arg(long, value_name = "PATH", requires = "any_server")]
    ca_file: Option<PathBuf>,
    /// Host beyond this machine that may be reached; repeatable.
    #[arg(long, value_name = "HOST", requires = "any_server")]
    allow_host: Vec<String>,
}

/// The assurance that a server may be attacked.
#[derive(Args, Clone, Default)]
pub(crate) struct Ownership {
    /// Host beyond this machine that is yours to attack, exactly as in its URL; repeatable.
    #[arg(long, value_name = "HOST", help_heading = "Any MCP server")]
    pub(crate) i_own_this_host: Vec<String>,
}

impl ServerArguments {
    /// Returns the same options, for the functions of loads.
    pub(crate) fn options(&self) -> TargetArguments {
        TargetArguments {
            target: self.target.clone(),
            call: Vec::new(),
            bearer_env: self.bearer_env.clone(),
            bearer_file: self.bearer_file.clone(),
            other_bearer_env: self.other_bearer_env.clone(),
            ca_file: self.ca_file.clone(),
            allow_host: self.allow_host.clone(),
        }
    }
}
