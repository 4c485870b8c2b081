//! Serves a router: accepts connections within limits, and lets running requests finish when the service shuts down.

mod addresses;
mod deadlines;
mod descriptors;
mod lingering;

use crate::telemetry::Sampled;
use addresses::Addresses;
use axum::response::IntoResponse;
use deadlines::{Deadlines, Requests, RunningBody};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use lingering::{LingeringClose, Unread, WatchedBody};
use mcp_contracts::limits::MAX_HEADER_BYTES;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Pause after a failed accept. Without it a process that is out of file descriptors would fail in a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Log lines of failed accepts.
static FAILED_ACCEPTS: Sampled = Sampled::new();

#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Deadline for receiving a request head. It starts with the first byte, and on a new connection at once.
    pub header_read: Duration,
    /// Time that a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// Time within which a client must read a part of what was sent to it.
    pub write: Duration,
    /// Maximum number of connections of one address; `None` means three quarters of all.
    pub connections_per_address: Option<usize>,
    /// Time for running requests to finish after shutdown begins.
    pub drain: Duration,
}

/// Closes the connection if its peer takes none of the bytes in the buffers of the kernel for this long. A short reply was written to them at once, so
/// no deadline of this process sees that it is not read.
#[cfg(target_os = "linux")]
fn set_user_timeout(stream: &TcpStream, after: Duration) {
    use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
    let _ = setsockopt(stream, TcpUserTimeout, &u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
}

#[cfg(not(target_os = "linux"))]
const fn set_user_timeout(_: &TcpStream, _: Duration) {}

/// Serves `app` until `shutdown` completes, then drains. Returns true if every request finished within the deadline.
pub async fn serve(
    app: axum::Router,
    listener: TcpListener,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) -> bool {
    // HTTP/1 only: hyper waits without a deadline for the bytes by which it recognizes HTTP/2, so a silent client would hold its connection
    // for ever.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    // No half-open connections: a client cancels a call by closing its connection (MCP 2026-07-28), so an end of input
    // ends the call.
    builder
        .http1()
        .timer(TokioTimer::new())
        // It starts when the connection becomes idle, so it bounds the time until the next head has arrived.
        .header_read_timeout(limits.keep_alive.saturating_add(limits.header_read))
        // hyper compares it only while a head is incomplete, so that one which arrives at once may be larger; `head_bytes` bounds that one.
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(false);
    let connections = descriptors::connections();
    let permits = Arc::new(Semaphore::new(connections));
    let addresses = Addresses::new(connections, limits.connections_per_address);
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(unlogged) = FAILED_ACCEPTS.next() {
                        tracing::warn!(%error, unlogged, "failed to accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        // Beyond the limit a connection is closed at once, so that its client can try another instance.
        let Some(counted) = addresses.take(peer.ip()) else { continue };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        // Without TCP_NODELAY a small reply waits for the delayed acknowledgement of the client. Measured for an event
        // stream: 44 ms instead of 0.14 ms.
        let _ = stream.set_nodelay(true);
        set_user_timeout(&stream, limits.write);
        let (unread, requests) = (Unread::default(), Requests::default());
        let stream = Deadlines::new(stream, limits.header_read, requests.clone(), limits.write);
        let stream = LingeringClose::new(stream, unread.clone());
        let app = app.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let running = requests.begin();
            let unread = unread.clone();
            let is_large = head_bytes(&request) > MAX_HEADER_BYTES;
            let replying = app.clone().oneshot(request.map(|body| WatchedBody::new(body, unread)));
            async move {
                let reply = if is_large {
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response()
                } else {
                    replying.await?
                };
                Ok::<_, Infallible>(reply.map(|body| RunningBody::new(body, running)))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended with an error");
            }
            // The permit is held for the connection and not for a request, so that silent clients count as well.
            drop((permit, counted));
        });
    }
    // The socket closes before the drain, so that new connections are refused at once and do not wait in its queue.
    drop(listener);
    tasks.close();
    let drained = tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_ok();
    if !drained {
        tracing::warn!(
            deadlineMs = limits.drain.as_millis() as u64,
            "the drain deadline passed while requests were running"
        );
    }
    drained
}

/// Returns the size of the head of a request, in bytes, as HTTP/1.1 writes it.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let path = uri.path_and_query().map_or(0, |target| target.as_str().len());
    // Also the host of a target in absolute form: `http://host/path`.
    let target = path + uri.authority().map_or(0, |host| host.as_str().len() + 7);
    // Two bytes separate a name from its value and two end the line; about as many are in the request line.
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.method().as_str().len() + target + 12 + fields.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::head_bytes;
    use http::Request;

    #[test]
    fn a_head_counts_as_it_is_written() {
        let request =
            Request::get("/mcp?a=b").header("host", "localhost").header("x-padding", "aaaa").body(()).unwrap();
        let written = "GET /mcp?a=b HTTP/1.1\r\nhost: localhost\r\nx-padding: aaaa\r\n";
        assert_eq!(head_bytes(&request), written.len());
    }
}
