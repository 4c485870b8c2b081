//! Restores the settings of Redis over a new connection, because the injector's connection may be closed.

use super::{PAUSE, ProcessUndo, UndoError};
use crate::stack::process_id::is_alive;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Deadline for Redis to accept a connection, and to answer a command.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisUndo {
    /// `redis://host:port`.
    pub url: String,
    /// The password that the fault has set. It may be written to the log, because it is random and used for this fault only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Id that Redis has chosen at its start. If it has changed, nothing is restored, because a restart has ended the
    /// fault.
    pub run_id: String,
    /// The process of that Redis; `None` if it is not visible from this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessUndo>,
    /// Commands, in the order in which they are sent. Each may be sent twice.
    pub commands: Vec<Vec<String>>,
}

enum Attempt {
    Done,
    /// Redis does not accept the commands yet; the text is the reason.
    Later(String),
}

impl RedisUndo {
    pub(super) async fn restore(&self) -> Result<(), UndoError> {
        let mut last = "no answer".to_owned();
        let trying = async {
            loop {
                match self.attempt().await? {
                    Attempt::Done => return Ok(()),
                    Attempt::Later(why) => last = why,
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        // A tenth shorter than the deadline of all undos, so that this error, which has the reason, is reported instead
        // of the general one.
        match tokio::time::timeout(super::DEADLINE - super::DEADLINE / 10, trying).await {
            Ok(done) => done,
            Err(_) => Err(UndoError(format!("`{}` cannot be restored: {last}", self.url))),
        }
    }

    async fn attempt(&self) -> Result<Attempt, UndoError> {
        // Its changed settings ended with it. Another program may listen on its port by now.
        if self.process.as_ref().is_some_and(|process| !is_alive(process.pid, process.started)) {
            return Ok(Attempt::Done);
        }
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            // Redis is not running, and its changed settings ended with it.
            Err(error) if error.is_connection_refusal() => return Ok(Attempt::Done),
            Err(error) => return Ok(Attempt::Later(error.to_string())),
        };
        // On an error the commands are sent all the same: a Redis that runs an endless script refuses `INFO`, but not
        // `SCRIPT KILL`.
        if let Ok(run_id) = run_id(&mut connection).await
            && run_id != self.run_id
        {
            return Ok(Attempt::Done);
        }
        for command in &self.commands {
            match query(&mut connection, command).await {
                Ok(_) => {}
                // The reply to `SCRIPT KILL` if no script is running: it has ended, or this undo is applied a second
                // time.
                Err(error) if error.code() == Some("NOTBUSY") => {}
                Err(error) if is_passing(&error) => return Ok(Attempt::Later(error.to_string())),
                Err(error) => {
                    let first = command.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
                    return Err(UndoError(format!("`{}` refuses `{first}`: {error}", self.url)));
                }
            }
        }
        Ok(Attempt::Done)
    }

    // The password first: without it, Redis accepts the connection and then refuses every command. When the fault is
    // undone, Redis has no password and refuses this one.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        if let Some(password) = &self.password
            && let Ok(connection) = connect(&self.url, Some(password)).await
        {
            return Ok(connection);
        }
        connect(&self.url, None).await
    }
}

/// Returns true if Redis may accept a later attempt.
fn is_passing(error: &RedisError) -> bool {
    let full = error.detail().is_some_and(|detail| detail.contains("max number of clients"));
    full || error.is_io_error() || matches!(error.code(), Some("LOADING" | "BUSY" | "NOAUTH"))
}

pub(crate) async fn connect(url: &str, password: Option<&str>) -> Result<MultiplexedConnection, RedisError> {
    let full = match password {
        Some(password) => url.replacen("redis://", &format!("redis://:{password}@"), 1),
        None => url.to_owned(),
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_DEADLINE))
        .set_response_timeout(Some(ANSWER_DEADLINE));
    redis::Client::open(full)?.get_multiplexed_async_connection_with_config(&config).await
}

pub(crate) async fn query<S: AsRef<str>>(
    connection: &mut MultiplexedConnection,
    words: &[S],
) -> Result<Value, RedisError> {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word.as_ref());
    }
    command.query_async(connection).await
}

/// Returns the id that Redis has chosen at its start; every restart changes it.
pub(crate) async fn run_id(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(run_id.unwrap_or_default().trim().to_owned())
}
