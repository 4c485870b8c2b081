//! The catalogue on servers that are not ours: built on rmcp in three ways, and on both versions of the Python SDK. The table names what each of them really
//! lacks; any other failure is a false alarm.
#![expect(clippy::unwrap_used, reason = "a failed setup is a failed test")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Deadline for a Python server to listen. On an idle machine it takes 2 s, most of it for imports.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A server, and the ids of the checks that it fails for a reason.
struct Known {
    name: &'static str,
    fails: &'static [&'static str],
}

const KNOWN: &[Known] = &[];

/// A running server. It ends when this is dropped.
struct Server {
    url: String,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn program(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let program = folder.join(name);
    assert!(program.is_file(), "{} does not exist: run cargo build --workspace --bins", program.display());
    program
}

/// Starts a server by its name in the table.
fn start(name: &str, folder: &Path) -> Server {
    let (kind, variant) = name.split_once(' ').unwrap();
    if kind == "rmcp" {
        let mut command = Command::new(program("sample-server"));
        let mut child = command.arg(variant).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        return Server { url: url.trim().to_owned(), child };
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-clients").join(variant);
    assert!(place.join("packages.txt").is_file(), "`{}` is missing\nhint: make python-clients", place.display());
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut command = Command::new(place.join("bin/python"));
    command.arg(repository("fixtures/servers/python/kg_sqlite.py")).arg(port.to_string()).arg(folder);
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Server { url: format!("http://127.0.0.1:{port}/mcp"), child: command.spawn().unwrap() };
    let since = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(server.child.try_wait().unwrap().is_none(), "`{name}` ended");
        assert!(since.elapsed() < START_DEADLINE, "`{name}` does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

/// Returns the state and the summary of each check on a server, by its id.
fn harden(server: &Server, folder: &Path) -> BTreeMap<String, (String, String)> {
    let mut command = Command::new(program("harness"));
    command.current_dir(folder).env("NO_COLOR", "1").args(["harden", "--target", &server.url, "--seed", "1"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut runs = std::fs::read_dir(folder.join("runs")).unwrap_or_else(|_| panic!("{said}"));
    let report = std::fs::read(runs.next().unwrap().unwrap().path().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = report["hardening"]["checks"].as_array().into_iter().flatten();
    checks.map(|check| (text(&check["id"]), (text(&check["state"]), text(&check["summary"])))).collect()
}

#[test]
fn servers_of_known_frameworks_fail_only_what_they_really_lack() {
    let mut problems = Vec::new();
    for Known { name, fails } in KNOWN {
        let folder = tempfile::tempdir().unwrap();
        let checks = harden(&start(name, folder.path()), folder.path());
        let failed: BTreeSet<&str> =
            checks.iter().filter(|(_, (state, _))| state == "fail").map(|(id, _)| id.as_str()).collect();
        if failed != fails.iter().copied().collect() {
            problems.push(format!("{name} fails {failed:?}, expected {fails:?}\n{checks:#?}"));
        }
        // Something must have been looked at, and an undecided check is none that passes.
        assert!(checks.values().filter(|(state, _)| state == "pass").count() >= 5, "{name}: {checks:#?}");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
