//! Builds the command that starts a part, with its arguments and environment.

use super::super::wiring::folder_variable;
use super::super::{StackError, StackRequest, fixture};
use super::{database_of, find_binary};
use crate::plan::topology::Part;
use crate::stack::owned;
use mcp_contracts::{Service, env};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The program that is put in front of a service and breaks promises. It starts the real service itself (decision
/// 0012).
const LIAR: &str = "liar";

pub(super) fn service(
    request: &StackRequest,
    part: &Part,
    service: Service,
    port: u16,
    environment: &BTreeMap<String, String>,
) -> Result<Command, StackError> {
    let binary = find_binary(&request.executable, service.binary())?;
    let mut values = environment.clone();
    values.insert(env::LISTEN_ADDR.to_owned(), format!("127.0.0.1:{port}"));
    // A database in the settings of the topology has priority.
    let database = || format!("sqlite://{}", database_of(request, part).display());
    values.entry(env::DATABASE_URL.to_owned()).or_insert_with(database);
    if let Some(variable) = folder_variable(part.kind).filter(|_| fixture::has_folder(&request.fixtures, service)) {
        values.insert(variable.to_owned(), fixture::folder(&request.dir, service).display().to_string());
    }
    let mut command = if part.lies.is_empty() {
        command_for(request, &binary)
    } else {
        let mut command = command_for(request, &find_binary(&request.executable, LIAR)?);
        command.args(["--service", service.name(), "--real"]).arg(binary);
        command.args(part.lies.iter().flat_map(|lie| ["--lie", lie]));
        command
    };
    // The environment of the user must not influence a run.
    command.env_clear().envs(values).current_dir(&request.dir);
    Ok(command)
}

/// Adds arguments for the program of a part. A liar passes on what follows `--`.
pub(super) fn with_arguments(command: &mut Command, part: &Part, arguments: &[&str]) {
    if !part.lies.is_empty() {
        command.arg("--");
    }
    command.args(arguments);
}

pub(super) fn redis(request: &StackRequest, part: &Part, port: u16) -> Result<Command, StackError> {
    let folders: Vec<PathBuf> =
        ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from).to_vec();
    let on_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let server = on_path.iter().chain(&folders).map(|folder| folder.join("redis-server")).find(|file| file.is_file());
    let binary = server.ok_or_else(|| StackError::MissingBinary {
        binary: "redis-server".to_owned(),
        looked: "the folders of PATH".to_owned(),
        hint: "install it, for example with `make redis`".to_owned(),
    })?;
    let data = request.dir.join("data").join(&part.name);
    std::fs::create_dir_all(&data).map_err(|error| StackError::start(&part.name, error))?;
    let mut command = command_for(request, &binary);
    command
        // Without persistence, as in docker-compose.yml; for the same reason `disk_full` refuses Redis as its target.
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
        .args(debug_allowed(&binary))
        .arg("--dir")
        .arg(data);
    Ok(command)
}

/// Returns a command for a program that dies with the harness, or outlives it if the stack does.
fn command_for(request: &StackRequest, program: &Path) -> Command {
    if request.detached { Command::new(program) } else { owned::command(&request.executable, program) }
}

/// Returns the arguments that allow `DEBUG` from this machine, which the fault `loading` needs. Redis 7 forbids it by
/// default; older versions refuse to start with this argument.
fn debug_allowed(binary: &Path) -> &'static [&'static str] {
    let output = std::process::Command::new(binary).arg("--version").output().map(|output| output.stdout);
    let output = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
    let version = output.split_whitespace().find_map(|word| word.strip_prefix("v=")?.split('.').next()?.parse().ok());
    if version.is_some_and(|version: u32| version >= 7) { &["--enable-debug-command", "local"] } else { &[] }
}
