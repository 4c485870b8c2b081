//! Connects to the one of several servers that accepts writes. A server that accepts a connection and then hangs costs its deadline, not the whole call.

use super::target::PostgresTarget;
use super::tls::{Encrypted, Tls};
use deadpool_postgres::Connect;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Connection, Error, Socket};

/// Deadline of a connection to one server, with TLS, login and the settings of the session. The deadline of the driver ends with TCP, which the kernel
/// of a server that hangs still answers.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// The servers of a target, in the order of the URL.
#[derive(Clone)]
pub(super) struct Servers {
    each: Arc<[Config]>,
    tls: Tls,
    /// Number of the server that accepted the last connection, which is tried first.
    last: Arc<AtomicUsize>,
    /// Statements that each connection begins with.
    session: &'static str,
}

impl Servers {
    pub(super) fn of(target: &PostgresTarget, session: &'static str) -> Self {
        Self { each: target.servers().into(), tls: target.tls(), last: Arc::default(), session }
    }

    pub(super) fn number(&self) -> usize {
        self.each.len()
    }

    /// Connects to the first server that accepts writes. The connection ends with its client.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let first = self.last.load(Ordering::Relaxed);
        let mut failed = None;
        for number in (0..self.each.len()).map(|step| (first + step) % self.each.len()) {
            match tokio::time::timeout(DEADLINE, self.connect_to(&self.each[number])).await {
                Ok(Ok(connected)) => {
                    self.last.store(number, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(error)) => failed = Some(error),
                // The only error of the driver that means this; it is for the crates of the driver's author.
                Err(_) => failed = Some(Error::__private_api_timeout()),
            }
        }
        Err(failed.expect("a target has at least one server"))
    }

    #[expect(clippy::disallowed_methods, reason = "the pool takes the handle of the task, owns it and aborts it")]
    async fn connect_to(&self, server: &Config) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = server.connect(self.tls.clone()).await?;
        let running = AbortOnDrop(Some(tokio::spawn(run(connection))));
        client.batch_execute(self.session).await?;
        Ok((client, running.into_inner()))
    }
}

async fn run(connection: Connection<Socket, Encrypted<Socket>>) {
    if let Err(error) = connection.await {
        tracing::debug!(error = super::failure::text(&error), "a connection to the database ended with an error");
    }
}

/// Ends the task of a connection that is given up before it is complete.
struct AbortOnDrop(Option<JoinHandle<()>>);

impl AbortOnDrop {
    fn into_inner(mut self) -> JoinHandle<()> {
        self.0.take().expect("taken once")
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Connect for Servers {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Self::connect(self).boxed()
    }
}
