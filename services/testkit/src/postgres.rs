//! A Postgres server of the tests. The server of a test binary is started with its first test, and ends when the binary does, however that ends.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// The role of the tests, which owns their databases. It is subject to row-level security.
const ROLE: &str = "mcp";
/// The role that administers the server.
const ADMIN: &str = "admin";

/// Runs the server until its input ends, which happens when its owner is gone. `$1` is the folder with the data, `$2` the program, then its arguments.
// The server ends at once (SIGQUIT), because its data are removed. The signal is repeated, because a shell starts the server with this signal ignored,
// and the server accepts it a moment later. Signals to the group of the tests must not end the shell before it has removed the folder.
const KEEPER: &str = r#"folder=$1; shift; "$@" & server=$!; trap '' TERM INT HUP; read -r _
{ while kill -QUIT $server; do sleep 0.05; done; } 2>/dev/null & wait $server; rm -rf "$folder""#;

/// A server on loopback.
pub struct PostgresServer {
    programs: PathBuf,
    port: u16,
    databases: AtomicUsize,
    /// Ends the server when its input is closed.
    keeper: Child,
}

impl PostgresServer {
    /// Returns the server that all tests of this binary share.
    ///
    /// # Panics
    /// Panics with the name of the package if no server is installed.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<PostgresServer> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[]))
    }

    /// Starts a server that also speaks TLS, with this certificate and key in PEM form.
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        Self::start_with(&["ssl=on"], &[("server.crt", certificate), ("server.key", key)])
    }

    /// Starts a server with these settings beside those of all tests, such as `fsync=on`.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, &[])
    }

    /// `files` are put into the folder of the data, readable by the server alone.
    fn start_with(settings: &[&str], files: &[(&str, &str)]) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("mcp-postgres-").tempdir().unwrap().keep();
        give_to_server(&folder);
        let data = folder.join("data");
        let initdb = [
            "-D",
            data.to_str().unwrap(),
            "-U",
            ADMIN,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ];
        let output = as_server(&programs.join("initdb")).args(initdb).output().unwrap();
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        for (name, content) in files {
            let file = data.join(name);
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            give_to_server(&file);
        }
        let server = Self::run_in(&folder, programs, settings);
        server.admin("postgres", &format!("CREATE ROLE {ROLE} LOGIN"));
        server
    }

    /// Starts a standby, which follows this server until [`PostgresServer::promote`].
    pub fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("mcp-postgres-").tempdir().unwrap().keep();
        give_to_server(&folder);
        let (data, port) = (folder.join("data"), self.port.to_string());
        let mut copy = as_server(&self.programs.join("pg_basebackup"));
        copy.args(["-h", "127.0.0.1", "-p", &port, "-U", ADMIN, "--write-recovery-conf", "--checkpoint=fast"]);
        let output = copy.args(["--no-sync", "-D"]).arg(&data).output().unwrap();
        assert!(output.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&output.stderr));
        Self::run_in(&folder, self.programs.clone(), &[])
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        assert_eq!(self.admin("postgres", "SELECT pg_promote()"), "t", "the standby was not promoted");
    }

    /// Runs a server on the data in `folder`, until it accepts connections.
    fn run_in(folder: &Path, programs: PathBuf, settings: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let keeper = run(folder, &programs, port, settings);
        let server = Self { programs, port, databases: AtomicUsize::new(0), keeper };
        let start = Instant::now();
        while !server.psql(ADMIN, "postgres", "SELECT 1").status.success() {
            assert!(start.elapsed() < PATIENCE, "postgres did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Creates an empty database, which the role of the tests owns.
    pub fn database(&self) -> PostgresDatabase<'_> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.admin("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        PostgresDatabase { server: self, name }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements as administrator. Returns the values of the rows, one row on each line.
    pub fn admin(&self, database: &str, sql: &str) -> String {
        let output = self.psql(ADMIN, database, sql);
        assert!(output.status.success(), "`{sql}`: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn psql(&self, user: &str, database: &str, sql: &str) -> std::process::Output {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", user, "-d", database]);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        command.env_clear().output().unwrap()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut input) = self.keeper.stdin.take() {
            let _ = input.write_all(b"\n");
        }
        let _ = self.keeper.wait();
    }
}

/// A database of one test.
pub struct PostgresDatabase<'s> {
    server: &'s PostgresServer,
    pub name: String,
}

impl PostgresDatabase<'_> {
    /// Returns the URL for the service.
    pub fn url(&self) -> String {
        self.url_of(ROLE)
    }

    /// Returns the URL for another role.
    pub fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.server.port, self.name)
    }

    /// Runs statements as administrator, who sees every row. Returns the values of the rows, one row on each line.
    pub fn admin(&self, sql: &str) -> String {
        self.server.admin(&self.name, sql)
    }

    /// Runs statements with the rights of the service. Returns the values of the rows, or the error.
    pub fn as_service(&self, sql: &str) -> Result<String, String> {
        let output = self.server.psql(ROLE, &self.name, sql);
        let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for PostgresDatabase<'_> {
    /// Removes the database, because hundreds of them would fill the disk.
    fn drop(&mut self) {
        self.server.psql(ADMIN, "postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Starts the server below a shell that ends it when this process ends.
fn run(folder: &Path, programs: &Path, port: u16, settings: &[&str]) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "keeper"]).arg(folder);
    command.args(unprivileged()).arg(programs.join("postgres")).arg("-D").arg(folder.join("data"));
    let socket = format!("unix_socket_directories={}", folder.display());
    let port = format!("port={port}");
    // Nothing of a test has to survive a power failure.
    let mut all = vec!["listen_addresses=127.0.0.1", &*port, &*socket, "fsync=off", "max_connections=200"];
    all.extend(settings);
    for setting in all {
        command.args(["-c", setting]);
    }
    let log = std::fs::File::create(folder.join("log")).unwrap();
    command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// Returns a folder with the programs of a server and its client.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.flatten().map(|folder| folder.path().join("bin")).collect())
        .unwrap_or_default();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let is_complete = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists());
    let found = found.into_iter().find(is_complete);
    found.expect("a Postgres server is missing: install the package postgresql-15, or run `make postgres`")
}

/// Returns the words that run a program as another user if this one is root, which the server refuses.
fn unprivileged() -> Vec<String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Vec::new();
    }
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(str::to_owned).to_vec()
}

fn as_server(program: &Path) -> Command {
    let words = unprivileged();
    let mut command = match words.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir("/");
    command
}

fn give_to_server(folder: &Path) {
    if nix::unistd::Uid::effective().is_root() {
        let (user, group) = (nix::unistd::Uid::from_raw(65_534), nix::unistd::Gid::from_raw(65_534));
        nix::unistd::chown(folder, Some(user), Some(group)).unwrap();
    }
}
