//! Reads the rest of a request whose reply was sent early, such as a body that is too large. Otherwise the kernel would answer that rest with
//! a reset, which takes the reply from a client that sends everything before it reads (RFC 9112, section 9.6).

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bounds of a connection that reads on.
#[derive(Clone, Copy)]
struct Bounds {
    /// Bytes that are read and dropped.
    bytes: usize,
    /// Time after the reply.
    time: Duration,
    /// Pause of the client between two parts.
    pause: Duration,
}

const BOUNDS: Bounds = Bounds { bytes: 64 << 20, time: Duration::from_secs(10), pause: Duration::from_secs(1) };

/// True if a request of a connection was answered before all of it had arrived. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

/// The body of a request. It notes if it is dropped before its end.
pub(super) struct WatchedBody<B: Body + Unpin> {
    body: B,
    ended: bool,
    unread: Unread,
}

impl<B: Body + Unpin> WatchedBody<B> {
    pub(super) fn new(body: B, unread: Unread) -> Self {
        Self { body, ended: false, unread }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for WatchedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body + Unpin> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A stream that reads on while it shuts down, if its last request was not read to its end.
pub(super) struct LingeringClose<S> {
    stream: S,
    unread: Unread,
    bounds: Bounds,
    lingering: Option<Lingering>,
}

struct Lingering {
    bounds: Bounds,
    end: Pin<Box<Sleep>>,
    pause: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> LingeringClose<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Self { stream, unread, bounds: BOUNDS, lingering: None }
    }
}

impl Lingering {
    fn new(bounds: Bounds) -> Self {
        let timer = |time| Box::pin(tokio::time::sleep(time));
        Self { bounds, end: timer(bounds.time), pause: timer(bounds.pause), bytes: 0 }
    }

    /// Reads until the client has sent everything, fails, pauses too long or exceeds a bound.
    fn poll<S: AsyncRead + Unpin>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<()> {
        let mut dropped = [0; 16 << 10];
        while self.bytes < self.bounds.bytes && self.end.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut dropped);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.bytes += buffer.filled().len();
                    self.pause.as_mut().reset(Instant::now() + self.bounds.pause);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.pause.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringClose<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringClose<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            // First, so that the client sees the end of the reply.
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.unread.0.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(|| Lingering::new(this.bounds));
        lingering.poll(&mut this.stream, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, duplex};

    fn lingering(stream: tokio::io::DuplexStream, pause_ms: u64) -> LingeringClose<tokio::io::DuplexStream> {
        let unread = Unread::default();
        drop(WatchedBody::new(http_body_util::Full::new(Bytes::from_static(b"x")), unread.clone()));
        let bounds = Bounds { bytes: 1 << 20, time: Duration::from_secs(2), pause: Duration::from_millis(pause_ms) };
        LingeringClose { bounds, ..LingeringClose::new(stream, unread) }
    }

    #[tokio::test]
    async fn the_rest_of_a_request_is_read_before_the_stream_closes() {
        let (ours, mut theirs) = duplex(1 << 10);
        let send = async move { theirs.write_all(&[0; 512 << 10]).await.is_ok() };
        let close = async move { lingering(ours, 1_000).shutdown().await.unwrap() };
        assert_eq!(tokio::join!(send, close), (true, ()));
    }

    #[tokio::test]
    async fn a_client_that_pauses_sends_too_slowly_or_too_much_is_given_up() {
        let (ours, _silent) = duplex(1 << 10);
        let mut paused = lingering(ours, 50);
        // Only the bound on a pause can end it before the deadline of the test.
        paused.bounds.time = Duration::from_secs(3_600);
        tokio::time::timeout(Duration::from_secs(20), paused.shutdown()).await.expect("it waits on").unwrap();
        // One byte every 5 ms, then as many as possible.
        for (bytes, pause_ms) in [(1, 5), (64 << 10, 0)] {
            let (ours, mut endless) = duplex(64 << 10);
            let send = async move {
                while endless.write_all(&vec![0; bytes]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                }
            };
            let close = async move { lingering(ours, 1_000).shutdown().await.unwrap() };
            let ended = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(send, close) }).await;
            assert!(ended.is_ok(), "{bytes} bytes at a time");
        }
    }

    #[tokio::test]
    async fn a_stream_whose_requests_were_read_closes_at_once() {
        let (ours, mut theirs) = duplex(1 << 10);
        theirs.write_all(b"more").await.unwrap();
        let unread = Unread::default();
        let mut body = WatchedBody::new(http_body_util::Full::new(Bytes::from_static(b"x")), unread.clone());
        http_body_util::BodyExt::collect(&mut body).await.unwrap();
        drop(body);
        let mut stream = LingeringClose::new(ours, unread);
        stream.shutdown().await.unwrap();
        assert!(stream.lingering.is_none());
    }
}
