//! The tap: a bounded log of the HTTP exchanges that an edge saw. It never changes a byte, and keeps no credential.

use crate::http::head::Fields;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Most of a body that is kept, in bytes.
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// Most exchanges in a log.
pub const MAX_EXCHANGES: usize = 10_000;
/// Most bytes of bodies in a log.
pub const MAX_LOG_BYTES: usize = 64 << 20;

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Which connection of the edge it came on, counted from 1.
    pub connection: u64,
    /// When the head of the request was complete.
    pub at: Instant,
    /// How long it took until the last byte of the reply, or until the connection ended.
    pub took: Duration,
    /// Method of the request.
    pub method: String,
    /// Target of the request.
    pub path: String,
    /// Fields of the request, names in lower case; values of credentials are not kept.
    pub request_headers: Fields,
    /// Content of the request, at most [`MAX_BODY_BYTES`] of it.
    pub request_body: Bytes,
    /// Length of the content of the request.
    pub request_bytes: u64,
    /// Whether the request was passed on to the upstream.
    pub passed_on: bool,
    /// Status of the reply, where one began.
    pub status: Option<u16>,
    /// Fields of the reply.
    pub reply_headers: Fields,
    /// Content of the reply as the upstream gave it, at most [`MAX_BODY_BYTES`] of it.
    pub reply_body: Bytes,
    /// Length of the content of the reply.
    pub reply_bytes: u64,
    /// Whether the upstream's reply came to its end; its body may still be longer than what is kept.
    pub complete: bool,
}

impl Exchange {
    /// The value of a field of the request.
    pub fn request_header(&self, name: &str) -> Option<&str> {
        find(&self.request_headers, name)
    }

    /// The value of a field of the reply.
    pub fn reply_header(&self, name: &str) -> Option<&str> {
        find(&self.reply_headers, name)
    }
}

fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The log of an edge. Clones read the same log.
#[derive(Clone)]
pub struct Tap {
    inner: Arc<Inner>,
}

struct Inner {
    listening: AtomicBool,
    missed: AtomicU64,
    log: Mutex<Log>,
    news: Notify,
}

#[derive(Default)]
struct Log {
    exchanges: VecDeque<Arc<Exchange>>,
    bytes: usize,
}

impl Tap {
    pub(crate) fn new(listening: bool) -> Self {
        let (missed, log, news) = (AtomicU64::new(0), Mutex::default(), Notify::new());
        Self { inner: Arc::new(Inner { listening: AtomicBool::new(listening), missed, log, news }) }
    }

    /// Begins or stops keeping exchanges; what is kept stays.
    pub fn listen(&self, on: bool) {
        self.inner.listening.store(on, Relaxed);
    }

    pub(crate) fn listening(&self) -> bool {
        self.inner.listening.load(Relaxed)
    }

    /// Everything in the log, in the order in which exchanges ended.
    pub fn exchanges(&self) -> Vec<Arc<Exchange>> {
        self.inner.log.lock().exchanges.iter().cloned().collect()
    }

    /// Takes everything out of the log.
    pub fn take(&self) -> Vec<Arc<Exchange>> {
        let mut log = self.inner.log.lock();
        log.bytes = 0;
        std::mem::take(&mut log.exchanges).into()
    }

    /// How many exchanges had to leave the log for newer ones. A proof of absence needs this to be zero.
    pub fn missed(&self) -> u64 {
        self.inner.missed.load(Relaxed)
    }

    /// Waits until the log satisfies `enough`; tells whether it did within `deadline`.
    pub async fn wait_for(&self, deadline: Duration, enough: impl Fn(&[Arc<Exchange>]) -> bool) -> bool {
        let waiting = async {
            loop {
                let news = self.inner.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if enough(&self.exchanges()) {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(deadline, waiting).await.is_ok()
    }

    pub(crate) fn add(&self, exchange: Exchange) {
        let size = weight(&exchange);
        let mut log = self.inner.log.lock();
        log.bytes += size;
        log.exchanges.push_back(Arc::new(exchange));
        while log.exchanges.len() > MAX_EXCHANGES || log.bytes > MAX_LOG_BYTES {
            let Some(oldest) = log.exchanges.pop_front() else { break };
            log.bytes = log.bytes.saturating_sub(weight(&oldest));
            self.inner.missed.fetch_add(1, Relaxed);
        }
        drop(log);
        self.inner.news.notify_waiters();
    }
}

fn weight(exchange: &Exchange) -> usize {
    exchange.request_body.len() + exchange.reply_body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(body: usize) -> Exchange {
        Exchange {
            connection: 1,
            at: Instant::now(),
            took: Duration::ZERO,
            method: "POST".into(),
            path: "/mcp".into(),
            request_headers: vec![("mcp-name".into(), "store_memory".into())],
            request_body: Bytes::from(vec![0; body]),
            request_bytes: body as u64,
            passed_on: true,
            status: Some(200),
            reply_headers: Vec::new(),
            reply_body: Bytes::new(),
            reply_bytes: 0,
            complete: true,
        }
    }

    #[test]
    fn the_log_is_bounded_in_number_and_size_and_says_what_it_lost() {
        let tap = Tap::new(true);
        (0..MAX_EXCHANGES + 3).for_each(|_| tap.add(exchange(0)));
        assert_eq!((tap.exchanges().len(), tap.missed()), (MAX_EXCHANGES, 3));
        tap.take();
        let fit = MAX_LOG_BYTES / MAX_BODY_BYTES;
        (0..fit + 2).for_each(|_| tap.add(exchange(MAX_BODY_BYTES)));
        assert_eq!((tap.take().len(), tap.missed()), (fit, 5));
        assert_eq!(tap.exchanges().len(), 0);
    }

    #[tokio::test]
    async fn a_wait_ends_with_what_it_waits_for_or_with_its_deadline() {
        let tap = Tap::new(true);
        assert!(!tap.wait_for(Duration::from_millis(5), |seen| !seen.is_empty()).await);
        let add = async { tap.add(exchange(1)) };
        let (found, ()) = tokio::join!(tap.wait_for(Duration::from_secs(10), |seen| seen.len() == 1), add);
        assert!(found);
    }

    #[test]
    fn fields_are_found_in_any_case() {
        assert_eq!(exchange(0).request_header("Mcp-Name"), Some("store_memory"));
        assert_eq!(exchange(0).reply_header("x"), None);
    }
}
