//! A stream with two deadlines for the client. It must read what is sent to it, because unread bytes stay in memory. And it must complete the
//! head of a request that it began. The idle time between two requests is not limited here: see `ServeLimits::keep_alive`.

use hyper::body::{Body, Frame, SizeHint};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that a client must read within each deadline, so that a client that reads byte by byte does not hold its connection for long.
const BYTES_PER_DEADLINE: usize = 64 << 10;

/// The requests of a connection. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request that runs until this is dropped.
pub(super) struct Running(Requests);

impl Requests {
    pub(super) fn begin(&self) -> Running {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn are_running(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) < self.begun()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of a reply. Its request runs until all of it was taken.
pub(super) struct RunningBody<B> {
    body: B,
    _running: Running,
}

impl<B> RunningBody<B> {
    pub(super) const fn new(body: B, running: Running) -> Self {
        Self { body, _running: running }
    }
}

impl<B: Body + Unpin> Body for RunningBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pub(super) struct Deadlines<S> {
    stream: S,
    head: Head,
    write: Duration,
    /// Runs while written bytes wait for the peer.
    waiting: Option<Waiting>,
}

/// The head that the peer is sending.
struct Head {
    deadline: Duration,
    requests: Requests,
    /// Number of requests before it, and when it began; `None` between two requests and while one runs.
    begun: Option<(u64, Instant)>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Head {
    /// Notes that bytes were read, which belong to a head if no request runs.
    fn read(&mut self) {
        self.forget_served();
        if !self.requests.are_running() {
            self.begun.get_or_insert_with(|| (self.requests.begun(), Instant::now()));
        }
    }

    /// Completes when a head takes too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.forget_served();
        let Some((_, since)) = self.begun else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + self.deadline)));
        timer.as_mut().poll(context)
    }

    fn forget_served(&mut self) {
        if self.begun.is_some_and(|(before, _)| before != self.requests.begun()) {
            (self.begun, self.timer) = (None, None);
        }
    }
}

struct Waiting {
    timer: Pin<Box<Sleep>>,
    written: usize,
}

impl<S> Deadlines<S> {
    /// The deadline of the first head begins now, so that a peer that never sends anything is given up as well.
    pub(super) fn new(stream: S, head: Duration, requests: Requests, write: Duration) -> Self {
        let begun = Some((requests.begun(), Instant::now()));
        Self { stream, head: Head { deadline: head, requests, begun, timer: None }, write, waiting: None }
    }

    fn watch(&mut self, context: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                let start = || Waiting { timer: Box::pin(tokio::time::sleep(self.write)), written: 0 };
                let waiting = self.waiting.get_or_insert_with(start);
                waiting.timer.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Ready(Ok(bytes)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.written += bytes;
                    if waiting.written >= BYTES_PER_DEADLINE {
                        self.waiting = None;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadlines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if result.is_pending() {
            return self.head.poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        if buffer.filled().len() > before {
            self.head.read();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deadlines<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when nothing waits any more.
        self.waiting = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    fn writing(stream: tokio::io::DuplexStream, deadline: Duration) -> Deadlines<tokio::io::DuplexStream> {
        Deadlines::new(stream, LONG, Requests::default(), deadline)
    }

    /// Reads `bytes` at a time, with a pause before each.
    async fn read_slowly(mut stream: tokio::io::DuplexStream, bytes: usize) {
        let mut buffer = vec![0; bytes];
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if stream.read_exact(&mut buffer).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_write_to_a_peer_that_reads_nothing_fails() {
        let (ours, _theirs) = duplex(1 << 10);
        let error = writing(ours, Duration::from_millis(20)).write_all(&[0; 8 << 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_reads_byte_by_byte_is_given_up_and_a_slow_one_is_not() {
        // The second deadline is long, so that a stalled machine cannot reach it.
        for (bytes, deadline_ms, completes) in [(1, 200, false), (32 << 10, 30_000, true)] {
            let (ours, theirs) = duplex(1 << 10);
            let mut ours = writing(ours, Duration::from_millis(deadline_ms));
            let write = async move { ours.write_all(&vec![0; 512 << 10]).await.is_ok() };
            let (written, ()) = tokio::join!(write, read_slowly(theirs, bytes));
            assert_eq!(written, completes, "{bytes} bytes at a time");
        }
    }

    #[tokio::test]
    async fn the_time_between_two_replies_does_not_count() {
        let (ours, theirs) = duplex(1 << 10);
        let deadline = Duration::from_secs(2);
        let write = async move {
            let mut ours = writing(ours, deadline);
            for _ in 0..2 {
                ours.write_all(&[0; 8 << 10]).await.unwrap();
                ours.flush().await.unwrap();
                assert!(ours.waiting.is_none());
                // Longer than the deadline, counted from the first byte that had to wait.
                tokio::time::sleep(deadline + Duration::from_millis(100)).await;
            }
        };
        tokio::join!(write, read_slowly(theirs, 1 << 10));
    }

    /// Reads the next part; `None` if the deadline of a head passed.
    async fn read(stream: &mut Deadlines<tokio::io::DuplexStream>) -> Option<usize> {
        match stream.read(&mut [0; 64]).await {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                None
            }
        }
    }

    #[tokio::test]
    async fn a_head_must_end_and_the_time_between_requests_does_not_count() {
        let (ours, mut theirs) = duplex(1 << 10);
        let requests = Requests::default();
        let mut ours = Deadlines::new(ours, SHORT, requests.clone(), LONG);
        for _ in 0..2 {
            theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!(read(&mut ours).await, Some(18));
            let running = requests.begin();
            // A slow body and a slow reply are not a head, and neither is the silence after them.
            for sends in [true, false] {
                assert!(tokio::time::timeout(3 * SHORT, read(&mut ours)).await.is_err(), "the request is given up");
                if sends {
                    theirs.write_all(b"body").await.unwrap();
                    assert_eq!(read(&mut ours).await, Some(4));
                }
            }
            drop(running);
            assert!(tokio::time::timeout(3 * SHORT, read(&mut ours)).await.is_err(), "the idle connection is given up");
        }
        theirs.write_all(b"GET / HT").await.unwrap();
        assert_eq!(read(&mut ours).await, Some(8));
        theirs.write_all(b"TP/1.1").await.unwrap();
        assert_eq!(read(&mut ours).await, Some(6));
        assert_eq!(read(&mut ours).await, None, "a head that is sent in parts has one deadline");
    }

    #[tokio::test]
    async fn a_peer_that_sends_nothing_is_given_up() {
        let (ours, _theirs) = duplex(1 << 10);
        let mut ours = Deadlines::new(ours, SHORT, Requests::default(), LONG);
        assert_eq!(read(&mut ours).await, None);
    }
}
