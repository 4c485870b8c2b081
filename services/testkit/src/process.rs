//! A service in its own process, as customers run it.

use crate::{Caller, Client, SECRET};
use mcp_contracts::env;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for a condition on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service with a client. Dropping it kills the service.
pub struct Process {
    pub client: Client,
    pub child: Child,
}

impl Process {
    /// Returns a command for `binary`. It does not inherit the environment of the test, and its quotas are so high that no test reaches them.
    pub fn command(binary: &str) -> Command {
        let mut command = Command::new(binary);
        // A variable of the developer's shell, such as `REDIS_URL`, would change what is tested.
        command.env_clear().env(env::JWT_SECRET, SECRET).env(env::QUOTA_BURST_PER_SECOND, "1000000");
        command.env(env::QUOTA_FREE_DAILY, "1000000").env(env::QUOTA_ENTERPRISE_DAILY, "1000000000");
        command.env(env::LISTEN_ADDR, "127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the service on a free port and waits until it is ready.
    pub async fn start(mut command: Command, caller: Caller) -> Self {
        // Finds a free port. The listener is closed at once, and the service then binds the port.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command.env(env::LISTEN_ADDR, format!("127.0.0.1:{port}")).spawn().unwrap();
        let process = Self { client: Client::new(format!("http://127.0.0.1:{port}"), caller), child };
        wait_until("ready", async || process.page("/readyz").await.contains("\"ready\":true")).await;
        process
    }

    /// Ends the service with SIGTERM and checks that it exits with 0, which means that its drain was complete.
    pub fn stop(mut self) {
        let id = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Deref for Process {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        // Without `wait`, the process would remain as a zombie until the test process ends.
        let _ = self.child.wait();
    }
}

/// Polls `condition` until it holds. Panics after `PATIENCE`, with `what` in the message.
pub async fn wait_until(what: &str, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "not reached within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
