//! A Postgres server of the packages of this machine. Its cluster is made once, in the folder of the stack, and stays when the server is killed.
//! The server accepts connections on loopback only, with the password of one role.

use super::super::postgres::{DATABASE, ROLE, password, url};
use super::super::{StackError, StackRequest};
use crate::plan::topology::Part;
use crate::stack::owned;
use crate::stack::undo::ServerUndo;
use nix::unistd::{Gid, Uid, chown};
use std::cmp::Reverse;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where the packages of Debian and Ubuntu put each version, outside of PATH.
const PACKAGES: &str = "/usr/lib/postgresql";
const SERVER: &str = "postgres";
const MAKER: &str = "initdb";
/// The role that administers the cluster. No connection can use it.
const ADMIN: &str = "admin";
/// The user and the group without rights, as which the server is running if the harness is root: the server refuses to run as root.
const UNPRIVILEGED: u32 = 65_534;
/// Deadline of each program that makes the cluster. Each takes about a second.
const DEADLINE: Duration = Duration::from_secs(60);
/// Only the role of the services may connect, by its password.
const ACCESS: &str = "host mcp mcp 127.0.0.1/32 scram-sha-256\n";
/// Opens the folder `$1` as the user of the harness, then runs the rest as another user, who may lack the right to pass the folders above it.
const ENTER: &str = r#"cd "$1" && exec 9<. && cd / && shift && exec "$@""#;
/// The folder that [`ENTER`] has opened.
const ENTERED: &str = "/proc/self/fd/9";

/// Returns the folder of the cluster.
pub(super) fn folder(request: &StackRequest, part: &Part) -> PathBuf {
    request.dir.join("data").join(&part.data)
}

/// Makes the cluster if it does not exist: with the role of the services, and their database.
pub(super) async fn make_cluster(request: &StackRequest, part: &Part) -> Result<(), StackError> {
    let (folder, programs) = (folder(request, part), programs()?);
    if folder.exists() {
        return Ok(());
    }
    let failed = |error: io::Error| StackError::start(&part.name, format!("its cluster cannot be made: {error}"));
    // Renamed when it is complete, so that a cluster which exists is complete.
    let unfinished = folder.with_extension("unfinished");
    let making = async {
        match std::fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        DirBuilder::new().mode(0o700).create(&unfinished)?;
        give_to_server(&unfinished)?;
        let options = ["-U", ADMIN, "--auth=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
        run(server_command(request, &programs.join(MAKER), &options, &unfinished), "").await?;
        let sql = format!(
            "CREATE ROLE {ROLE} LOGIN PASSWORD '{}'\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n",
            password(&request.secret)
        );
        // In single-user mode there is no connection that another user of the machine could make.
        run(server_command(request, &programs.join(SERVER), &["--single", "-F", "postgres"], &unfinished), &sql)
            .await?;
        let access = unfinished.join("pg_hba.conf");
        std::fs::write(&access, ACCESS)?;
        std::fs::set_permissions(&access, Permissions::from_mode(0o600))?;
        give_to_server(&access)?;
        std::fs::rename(&unfinished, &folder)
    };
    making.await.map_err(failed)
}

/// Returns the command of the server, and its URL.
pub(super) fn command(request: &StackRequest, part: &Part, port: u16) -> Result<(Command, String), StackError> {
    let (folder, programs) = (folder(request, part), programs()?);
    remove_lock(request, part).map_err(|error| StackError::start(&part.name, error))?;
    let port_setting = format!("port={port}");
    // As installed, except that it listens on loopback and on no socket file, and that a killed server leaves no file in `/dev/shm`. `fsync` stays on.
    let settings = [
        &*port_setting,
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "dynamic_shared_memory_type=mmap",
        "max_connections=200",
    ];
    let options = settings.map(|setting| ["-c", setting]).concat();
    let command = server_command(request, &programs.join(SERVER), &options, &folder);
    Ok((command, url(port)))
}

/// Returns the processes of the server whose first one has this id and start.
pub(in crate::stack) fn server(request: &StackRequest, part: &Part, (pid, started): (u32, u64)) -> ServerUndo {
    let folder = folder(request, part);
    // The kernel shows the folder of a process without links.
    let folder = folder.canonicalize().unwrap_or(folder);
    ServerUndo { part: part.name.clone(), pid, started, folder }
}

/// Removes the lock file of a server that was killed. Another process may have its id by now, and the server would refuse to start.
fn remove_lock(request: &StackRequest, part: &Part) -> io::Result<()> {
    // No process has the id 0, so only those in the folder count.
    let server = server(request, part, (0, 0));
    if server.is_running() {
        return Ok(());
    }
    match std::fs::remove_file(server.folder.join("postmaster.pid")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Returns the folder with the programs of the newest server.
fn programs() -> Result<PathBuf, StackError> {
    let packages = std::fs::read_dir(PACKAGES).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = packages.map(|folder| folder.path()).collect();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    folders.sort_by_key(|folder| Reverse(version(folder)));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.into_iter().map(|folder| folder.join("bin")).chain(std::env::split_paths(&on_path));
    let is_complete = |folder: &PathBuf| [MAKER, SERVER].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(is_complete).ok_or_else(|| StackError::MissingBinary {
        binary: SERVER.to_owned(),
        looked: format!("`{PACKAGES}` and the folders of PATH"),
        hint: "install it, for example with `make postgres`, or use `--store sqlite`".to_owned(),
    })
}

/// Returns true if a server can be started on this machine.
pub fn is_installed() -> bool {
    programs().is_ok()
}

/// Returns a command for a program of the server on a cluster, which dies with the harness unless the stack outlives it.
// The options come before the folder, because `--single` must be the first word.
fn server_command(request: &StackRequest, program: &Path, options: &[&str], folder: &Path) -> Command {
    let start = |program: &Path| {
        if request.detached { Command::new(program) } else { owned::command(&request.executable, program) }
    };
    let mut command = if Uid::effective().is_root() {
        let mut command = start(Path::new("/bin/sh"));
        command.args(["-c", ENTER, "sh"]).arg(folder);
        command.args([
            "setpriv",
            &format!("--reuid={UNPRIVILEGED}"),
            &format!("--regid={UNPRIVILEGED}"),
            "--clear-groups",
        ]);
        if !request.detached {
            // The kernel forgets this signal when a process changes its user.
            command.args(["--pdeathsig", "KILL"]);
        }
        command.arg(program).args(options).args(["-D", ENTERED]);
        command
    } else {
        let mut command = start(program);
        command.args(options).arg("-D").arg(folder);
        command
    };
    // The settings of the user, such as `PGDATA`, must not influence a run.
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

/// Runs a program to its end with this input. The error has its output.
async fn run(mut command: Command, input: &str) -> io::Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = owned::spawn(command).await?;
    let ending = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(DEADLINE, ending).await??;
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    // Single-user mode ends with 0 even if a statement failed.
    if output.status.success() && !text.contains("ERROR:") {
        return Ok(());
    }
    Err(io::Error::other(format!("{}: {}", output.status, text.trim())))
}

fn give_to_server(path: &Path) -> io::Result<()> {
    if Uid::effective().is_root() {
        chown(path, Some(Uid::from_raw(UNPRIVILEGED)), Some(Gid::from_raw(UNPRIVILEGED))).map_err(io::Error::from)?;
    }
    Ok(())
}
