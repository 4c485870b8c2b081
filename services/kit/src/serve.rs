//! The listener: accepts connections with their limits, and on shutdown lets what is running finish.

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use mcp_contracts::limits::MAX_HEADER_BYTES;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// Pause after a failed accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// How long a client may take to send a request head.
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
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_BYTES as u32)
        .keep_alive_interval(Some(limits.header_read))
        .max_concurrent_streams(256);
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
        // Without this a small reply waits for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
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
