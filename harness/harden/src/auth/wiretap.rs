//! A relay between the orchestrator and a peer, which notes the tokens that pass.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes of requests that are kept of one connection.
const MOST: usize = 1 << 20;
const CHUNK: usize = 16 << 10;
const HEADER: &[u8] = b"authorization: bearer ";

/// A relay. It ends when it is dropped.
pub(super) struct Wiretap {
    address: SocketAddr,
    /// What was sent on each connection. Pieces of two connections in one buffer would tear a token.
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    _accepting: JoinSet<()>,
}

impl Wiretap {
    /// Relays every connection to this address.
    pub(super) async fn open(peer: &str) -> std::io::Result<Self> {
        let (peer, sent) = (peer.to_owned(), Arc::new(Mutex::new(Vec::new())));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, heard, mut accepting) = (listener.local_addr()?, Arc::clone(&sent), JoinSet::new());
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (peer, heard) = (peer.clone(), Arc::clone(&heard));
                let number = {
                    let mut all = heard.lock();
                    all.push(Vec::new());
                    all.len() - 1
                };
                connections.spawn(async move {
                    // The caller sees a connection that was closed, as if the peer were down.
                    let Ok(server) = TcpStream::connect(&peer).await else { return };
                    let ((from, to_client), (replies, to_server)) = (client.into_split(), server.into_split());
                    tokio::join!(relay(from, to_server, Some((&*heard, number))), relay(replies, to_client, None));
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, sent, _accepting: accepting })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns every token that was sent to the peer, each once.
    pub(super) fn tokens(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.sent.lock().iter().for_each(|sent| add_tokens(sent, &mut found));
        found
    }

    /// Returns true if a text was sent to the peer anywhere in a request.
    pub(super) fn has(&self, text: &str) -> bool {
        let wanted = text.as_bytes();
        self.sent.lock().iter().any(|sent| sent.windows(wanted.len()).any(|part| part == wanted))
    }
}

async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: Option<(&Mutex<Vec<Vec<u8>>>, usize)>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length) = from.read(&mut chunk).await {
        if let Some((all, number)) = heard {
            let mut all = all.lock();
            let heard = &mut all[number];
            let room = MOST.saturating_sub(heard.len());
            heard.extend_from_slice(&chunk[..length.min(room)]);
        }
        if length == 0 || to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    // Passes the end of the input on.
    let _ = to.shutdown().await;
}

/// Adds the tokens in the heads of requests of one connection, each once. One that was cut off is none.
fn add_tokens(sent: &[u8], found: &mut Vec<String>) {
    let lower = sent.to_ascii_lowercase();
    for at in 0..lower.len().saturating_sub(HEADER.len()) {
        let after = &sent[at + HEADER.len()..];
        let end = after.iter().position(u8::is_ascii_whitespace).filter(|_| lower[at..].starts_with(HEADER));
        if let Some(end) = end {
            let token = String::from_utf8_lossy(&after[..end]).into_owned();
            if !found.contains(&token) {
                found.push(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::add_tokens;

    fn tokens(sent: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        add_tokens(sent, &mut found);
        found
    }

    #[test]
    fn every_token_of_a_head_is_noted_once() {
        let sent = b"POST / HTTP/1.1\r\nAuthorization: Bearer a.b.c\r\n\r\n{}POST / HTTP/1.1\r\nauthorization: bearer d.e.f\r\n\r\n{}\
                     POST / HTTP/1.1\r\nauthorization: Bearer a.b.c\r\n\r\n";
        assert_eq!(tokens(sent), ["a.b.c", "d.e.f"]);
        assert_eq!(tokens(b"authorization: Basic x\r\n"), Vec::<String>::new());
        assert_eq!(tokens(b"authorization: Bearer a.b"), Vec::<String>::new(), "the connection was cut");
    }
}
