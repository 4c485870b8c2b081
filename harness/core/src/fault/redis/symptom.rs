//! Detects that Redis is in a state, and closes the connections of all other clients.

use super::{NAME, connect, query};
use redis::aio::MultiplexedConnection;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A script that writes, as the services' scripts do: it fails if scripts or writes are refused. Its key expires after
/// 1 ms, so that the probe leaves nothing in Redis.
pub(super) const WRITE: &[&str] =
    &["EVAL", "return redis.call('SET', KEYS[1], '1', 'PX', '1')", "1", "harness-fault:probe"];

/// Deadline for the symptom to appear after the commands of the recipe.
const DEADLINE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// Time after which a connection without a greeting counts as accepted.
const GREETING_DEADLINE: Duration = Duration::from_millis(200);
const MAX_GREETING_BYTES: usize = 256;

/// The reply or event that proves that Redis is in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Symptom {
    /// Redis accepted the commands; the state has no other symptom.
    Accepted,
    /// Redis answers this command with this error.
    Error { command: Vec<String>, code: &'static str },
    /// A new connection gets an error with this text.
    NewConnection { error: &'static str },
    /// Redis greets a new connection with this text and closes it.
    Greeting { contains: &'static str },
}

pub(super) async fn wait(url: &str, symptom: &Symptom, admin: &mut MultiplexedConnection) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let instead = match symptom {
            Symptom::Accepted => return Ok(()),
            Symptom::Error { command, code } => match query(admin, command).await {
                Ok(_) => "it answers".to_owned(),
                Err(error) if error.code() == Some(*code) => return Ok(()),
                Err(error) => error.to_string(),
            },
            Symptom::NewConnection { error: expected } => match connect_and_ping(url).await {
                Ok(()) => "a new connection is served".to_owned(),
                Err(error) if error.contains(*expected) => return Ok(()),
                Err(error) => error,
            },
            Symptom::Greeting { contains } => match greeting(url).await {
                Ok(text) if text.contains(*contains) => return Ok(()),
                Ok(text) => format!("a new connection is greeted with `{text}`"),
                Err(error) => error.to_string(),
            },
        };
        if start.elapsed() > DEADLINE {
            return Err(format!("Redis at `{url}`: {instead}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connect_and_ping(url: &str) -> Result<(), String> {
    let describe = |error: redis::RedisError| format!("{} {error}", error.code().unwrap_or_default());
    let mut connection = connect(url, None).await.map_err(describe)?;
    query(&mut connection, &["PING"]).await.map(drop).map_err(describe)
}

/// Reads what Redis sends to a connection that sends nothing. A client that sends first may not receive it: Redis
/// closes the connection with the client's bytes unread, so the system resets it.
async fn greeting(url: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://")).await?;
    let mut text = [0; MAX_GREETING_BYTES];
    match tokio::time::timeout(GREETING_DEADLINE, stream.read(&mut text)).await {
        Ok(read) => read.map(|length| String::from_utf8_lossy(&text[..length]).trim().to_owned()),
        // Redis has accepted this connection and waits for a command.
        Err(_) => Ok(String::new()),
    }
}

/// Closes every connection to Redis except those of the harness.
pub(super) async fn close_other_connections(admin: &mut MultiplexedConnection) -> Result<(), String> {
    let clients = query(admin, &["CLIENT", "LIST"]).await.map_err(|error| error.to_string())?;
    let clients: String = redis::from_redis_value(clients).map_err(|error| error.to_string())?;
    // By id, not by `CLIENT KILL TYPE normal`: that spares only the connection which sends it, and would
    // close the other connections of the harness.
    for id in others(&clients) {
        // The command fails if the client has disconnected in the meantime, which is the wanted result.
        let _ = query(admin, &["CLIENT", "KILL", "ID", id]).await;
    }
    Ok(())
}

fn others(clients: &str) -> Vec<&str> {
    let own = format!("name={NAME}");
    let lines = clients.lines().filter(|line| !line.split(' ').any(|word| word == own));
    lines.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("id="))).collect()
}

#[cfg(test)]
mod tests {
    use super::others;

    #[test]
    fn a_connection_with_another_name_is_not_ours() {
        let clients = "id=3 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name=harness-fault age=0\n\
                       id=4 addr=127.0.0.1:3 laddr=127.0.0.1:2 fd=9 name= age=0\n\
                       id=15 addr=127.0.0.1:4 laddr=127.0.0.1:2 fd=10 name=harness-fault-2 age=0\n";
        assert_eq!(others(clients), ["4", "15"]);
    }
}
