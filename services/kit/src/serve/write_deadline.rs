//! A stream that fails if its peer does not read: the bytes that wait to be written would otherwise be held as long as the peer likes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes that a peer must take within each deadline, so that one that reads byte by byte is no better than one that does not read.
const BYTES_PER_DEADLINE: usize = 64 << 10;

pub(super) struct WriteDeadline<S> {
    stream: S,
    deadline: Duration,
    /// Runs while written bytes wait for the peer.
    waiting: Option<Waiting>,
}

struct Waiting {
    timer: Pin<Box<Sleep>>,
    written: usize,
}

impl<S> WriteDeadline<S> {
    pub(super) fn new(stream: S, deadline: Duration) -> Self {
        Self { stream, deadline, waiting: None }
    }

    fn watch(&mut self, context: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                let start = || Waiting { timer: Box::pin(tokio::time::sleep(self.deadline)), written: 0 };
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

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
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
        let error = WriteDeadline::new(ours, Duration::from_millis(20)).write_all(&[0; 8 << 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_reads_byte_by_byte_is_given_up_and_a_slow_one_is_not() {
        // The second deadline is long, so that a stalled machine cannot reach it.
        for (bytes, deadline_ms, completes) in [(1, 200, false), (32 << 10, 30_000, true)] {
            let (ours, theirs) = duplex(1 << 10);
            let mut ours = WriteDeadline::new(ours, Duration::from_millis(deadline_ms));
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
            let mut ours = WriteDeadline::new(ours, deadline);
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
}
