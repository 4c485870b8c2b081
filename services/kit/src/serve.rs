//! The listener: accepts connections with their limits, and on shutdown lets what is running finish.

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use mcp_contracts::limits::MAX_HEADER_BYTES;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Pause after a failed accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Most connections at once.
const MAX_CONNECTIONS: usize = 8_192;

/// Limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// How long a client may take to send a request head, its silence before included.
    pub header_read: Duration,
    /// How long running requests may take after shutdown began.
    pub drain: Duration,
}

/// Serves `app` until `shutdown`, then drains. Tells whether everything finished within the deadline.
pub async fn serve(
    app: axum::Router,
    listener: TcpListener,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) -> bool {
    // HTTP/1 alone: telling versions apart has no deadline of its own, and a silent client would stay for ever.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(false);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        // Beyond the limit a connection is closed at once; its client may try another instance.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        // Without this a small reply waits for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    let drained = tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_ok();
    if !drained {
        tracing::warn!(
            deadlineMs = limits.drain.as_millis() as u64,
            "requests were still running when the drain deadline ended"
        );
    }
    drained
}
