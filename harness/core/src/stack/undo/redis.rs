//! A Redis that gets back what it had, over a new connection: whoever changed it may be gone with his.

use super::{PAUSE, UndoError};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a connection, and an answer, may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// A Redis as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisUndo {
    /// Where it is, `redis://host:port`.
    pub url: String,
    /// Password that it may ask for; one that was drawn for the fault alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Identity of its life: one that was started again has its settings from its own configuration.
    pub run_id: String,
    /// What it is told, in order; each may be said twice.
    pub commands: Vec<Vec<String>>,
}

/// What came of an attempt.
enum Attempt {
    Done,
    /// It cannot answer yet.
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
        // A little less than the deadline of every undoing, so that it can be said what was in the way.
        match tokio::time::timeout(super::DEADLINE - super::DEADLINE / 10, trying).await {
            Ok(done) => done,
            Err(_) => Err(UndoError(format!("`{}` cannot be restored: {last}", self.url))),
        }
    }

    async fn attempt(&self) -> Result<Attempt, UndoError> {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            // Nobody is there: what was changed is gone with it.
            Err(error) if error.is_connection_refusal() => return Ok(Attempt::Done),
            Err(error) => return Ok(Attempt::Later(error.to_string())),
        };
        if let Ok(run_id) = run_id(&mut connection).await
            && run_id != self.run_id
        {
            return Ok(Attempt::Done);
        }
        for command in &self.commands {
            match query(&mut connection, command).await {
                Ok(_) => {}
                // There is no script to end.
                Err(error) if error.code() == Some("NOTBUSY") => {}
                Err(error) if is_passing(&error) => return Ok(Attempt::Later(error.to_string())),
                Err(error) => {
                    let said = command.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
                    return Err(UndoError(format!("`{}` refuses `{said}`: {error}", self.url)));
                }
            }
        }
        Ok(Attempt::Done)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        if let Some(password) = &self.password
            && let Ok(connection) = connect(&self.url, Some(password)).await
        {
            return Ok(connection);
        }
        connect(&self.url, None).await
    }
}

/// Tells whether an error says that Redis cannot answer at the moment.
fn is_passing(error: &RedisError) -> bool {
    let full = error.detail().is_some_and(|detail| detail.contains("max number of clients"));
    full || error.is_io_error() || matches!(error.code(), Some("LOADING" | "BUSY" | "NOAUTH"))
}

/// Connects to `redis://host:port`.
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

/// Says a command.
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

/// The identity of a Redis' life.
pub(crate) async fn run_id(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let found = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(found.unwrap_or_default().trim().to_owned())
}
