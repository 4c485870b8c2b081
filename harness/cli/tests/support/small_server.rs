//! A server of a few lines, for what a first contact may find: a page, a refusal, an MCP server without tools.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Deadline for a request to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server. It ends when this is dropped.
pub(crate) struct SmallServer {
    pub(crate) url: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SmallServer {
    /// Starts a server that answers each request with what `reply` makes of its body: a status line with headers, and a body.
    pub(crate) fn start(reply: fn(&str) -> (String, String)) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                // A client that closes early is no error of the server.
                let _ = answer(stream, reply);
            }
        });
        Self { url: format!("http://{address}/mcp"), is_over, thread: Some(thread) }
    }
}

fn answer(stream: TcpStream, reply: fn(&str) -> (String, String)) -> std::io::Result<()> {
    // A connection without a request must not hold up the next one.
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let header = line.to_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (head, text) = reply(&String::from_utf8_lossy(&body));
    let length = text.len();
    write!(reader.get_mut(), "HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}")
}

impl Drop for SmallServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Ends the wait for the next connection.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/mcp"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
