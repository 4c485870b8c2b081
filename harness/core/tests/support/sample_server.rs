//! Starts the MCP server of `fixtures/servers`, for tests with a server that is not ours.

use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server. It ends when this is dropped.
pub(crate) struct SampleServer {
    /// Such as `http://127.0.0.1:40123/mcp`.
    pub(crate) url: String,
    _child: Child,
}

impl SampleServer {
    /// Starts the server with a mode and options, and waits until it listens.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next_line().await.unwrap().expect("the server prints its URL");
        Self { url, _child: child }
    }
}

/// Returns the program of the server.
pub(crate) fn program() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let program = folder.join("sample-server");
    assert!(program.is_file(), "{} does not exist: cargo build --workspace --bins", program.display());
    program
}
