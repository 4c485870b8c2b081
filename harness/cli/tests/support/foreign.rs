//! Starts servers that are not ours.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "wait.rs"]
mod wait;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server. It ends when this is dropped.
pub(crate) struct Foreign {
    /// Its MCP endpoint.
    pub(crate) url: String,
    child: Child,
}

impl Foreign {
    /// Starts a server of `fixtures/servers/python` with a version of the SDK, and waits until it listens.
    pub(crate) fn python(library: &str, script: &str, folder: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(python(library));
        command.arg(repository("fixtures/servers/python").join(script)).arg(port.to_string()).arg(folder);
        command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let log = std::fs::File::create(folder.join("server.log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = Self { url: format!("http://127.0.0.1:{port}/mcp"), child: command.spawn().unwrap() };
        wait::wait_until(&format!("`{script}` does not listen"), || {
            let log = || std::fs::read_to_string(folder.join("server.log")).unwrap();
            assert!(server.child.try_wait().unwrap().is_none(), "`{script}` ended: {}", log());
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        server
    }

    /// Starts `sample-server` in a mode, and waits until it listens.
    pub(crate) fn sample(mode: &str, options: &[&str], folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join("server.log")).unwrap();
        let mut command = Command::new(sample_program());
        command.arg(mode).args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { url: url.trim().to_owned(), child }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Returns the program of the server that is built on rmcp.
pub(crate) fn sample_program() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("sample-server");
    assert!(program.is_file(), "{} is not there: cargo build --workspace --bins", program.display());
    program
}

/// Returns the Python of the environment with a library.
pub(crate) fn python(library: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-clients").join(library);
    let list = std::fs::read(repository(&format!("fixtures/clients/python/{library}.txt"))).unwrap();
    assert!(
        list == std::fs::read(place.join("packages.txt")).unwrap_or_default(),
        "the Python environment `{}` is missing or has other packages\nhint: make python-clients",
        place.display()
    );
    place.join("bin/python")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
