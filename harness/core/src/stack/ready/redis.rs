//! A Redis on 127.0.0.1 is ready when it answers `PING`.

use super::log_tail;
use crate::stack::{START_DEADLINE, StackError};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

pub(in crate::stack) async fn wait(
    part: &str,
    port: u16,
    log: &Path,
    mut ended: impl FnMut() -> Option<String>,
) -> Result<(), StackError> {
    let start = Instant::now();
    while start.elapsed() < START_DEADLINE {
        if let Some(status) = ended() {
            return Err(StackError::Died { part: part.to_owned(), status, tail: log_tail(log) });
        }
        if answers(port).await.unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let last = "no answer to PING".to_owned();
    Err(StackError::NotReady { part: part.to_owned(), seconds: START_DEADLINE.as_secs(), last, tail: log_tail(log) })
}

/// Returns true if the Redis on this port of 127.0.0.1 answers `PING`.
///
/// # Errors
/// The connection is refused, or no answer comes within a second.
pub(in crate::stack) async fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut reply = [0; 5];
    tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut reply)).await??;
    Ok(&reply == b"+PONG")
}
