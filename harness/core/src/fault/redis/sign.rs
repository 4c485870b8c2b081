//! What shows that a state of Redis acts, and who else is connected to it.

use super::{NAME, connect, say};
use redis::aio::MultiplexedConnection;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A script that writes, as the services' does: it needs that scripts run and that writes are taken.
pub(super) const WRITE: &[&str] =
    &["EVAL", "return redis.call('SET', KEYS[1], '1', 'PX', '1')", "1", "harness-fault:probe"];

/// How long it may take until a state shows.
const DEADLINE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// How long a greeting may take.
const GREETING_DEADLINE: Duration = Duration::from_millis(200);
/// Longest greeting that is read, in bytes.
const MAX_GREETING: usize = 256;

/// What shows that a state acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// Redis took the order, and says nothing else of it.
    Accepted,
    /// It answers a command with this error.
    Says {
        /// The command.
        command: Vec<String>,
        /// Code of the error.
        code: &'static str,
    },
    /// It answers a new connection so.
    Newcomer {
        /// What is in its words.
        hears: &'static str,
    },
    /// It greets a new connection so, and closes it.
    Greeted {
        /// What is in its words.
        by: &'static str,
    },
}

/// Waits until a state shows.
pub(super) async fn wait(url: &str, sign: &Sign, admin: &mut MultiplexedConnection) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let seen = match sign {
            Sign::Accepted => return Ok(()),
            Sign::Says { command, code } => match say(admin, command).await {
                Ok(_) => "it answers".to_owned(),
                Err(error) if error.code() == Some(*code) => return Ok(()),
                Err(error) => error.to_string(),
            },
            Sign::Newcomer { hears } => match newcomer(url).await {
                Ok(()) => "a new connection is served".to_owned(),
                Err(error) if error.contains(*hears) => return Ok(()),
                Err(error) => error,
            },
            Sign::Greeted { by } => match greeting(url).await {
                Ok(text) if text.contains(*by) => return Ok(()),
                Ok(text) => format!("a new connection is greeted with `{text}`"),
                Err(error) => error.to_string(),
            },
        };
        if start.elapsed() > DEADLINE {
            return Err(format!("Redis at `{url}`: {seen}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn newcomer(url: &str) -> Result<(), String> {
    let told = |error: redis::RedisError| format!("{} {error}", error.code().unwrap_or_default());
    let mut connection = connect(url, None).await.map_err(told)?;
    say(&mut connection, &["PING"]).await.map(|_| ()).map_err(told)
}

/// What a connection hears that says nothing: whoever speaks first may miss it, since the connection is closed with his words unread.
async fn greeting(url: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://")).await?;
    let mut text = [0; MAX_GREETING];
    match tokio::time::timeout(GREETING_DEADLINE, stream.read(&mut text)).await {
        Ok(read) => read.map(|length| String::from_utf8_lossy(&text[..length]).trim().to_owned()),
        // It waits for our words: it lets us in.
        Err(_) => Ok(String::new()),
    }
}

/// Cuts off every connection but the harness' own.
pub(super) async fn cut_off_others(admin: &mut MultiplexedConnection) -> Result<(), String> {
    let clients = say(admin, &["CLIENT", "LIST"]).await.map_err(|error| error.to_string())?;
    let clients: String = redis::from_redis_value(clients).map_err(|error| error.to_string())?;
    for id in others(&clients) {
        // One that is gone already is as good.
        let _ = say(admin, &["CLIENT", "KILL", "ID", id]).await;
    }
    Ok(())
}

fn others(clients: &str) -> Vec<&str> {
    let ours = format!("name={NAME}");
    let lines = clients.lines().filter(|line| !line.split(' ').any(|word| word == ours));
    lines.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("id="))).collect()
}

#[cfg(test)]
mod tests {
    use super::others;

    #[test]
    fn everybody_is_another_who_does_not_bear_our_name() {
        let clients = "id=3 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name=harness-fault age=0\n\
                       id=4 addr=127.0.0.1:3 laddr=127.0.0.1:2 fd=9 name= age=0\n\
                       id=15 addr=127.0.0.1:4 laddr=127.0.0.1:2 fd=10 name=harness-fault-2 age=0\n";
        assert_eq!(others(clients), ["4", "15"]);
    }
}
