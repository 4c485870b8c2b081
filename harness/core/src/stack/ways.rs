//! The proxies on tapped edges: they live as long as the stack does, in this process.

use super::StackError;
use chaos_proxy::{Proxy, Tap};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// The proxies of a stack.
#[derive(Default)]
pub(super) struct Taps {
    proxies: Mutex<Vec<Tapped>>,
}

struct Tapped {
    from: String,
    to: String,
    proxy: Proxy,
}

impl Taps {
    /// Puts a proxy between two parts; what it answers to is the base URL that `from` gets to know.
    pub(super) async fn put(&self, from: &str, to: &str, url: &str) -> Result<String, StackError> {
        let authority = url.strip_prefix("http://").unwrap_or_default();
        let upstream: SocketAddr = authority.parse().map_err(|_| {
            StackError::start(from, format!("`{to}` at `{url}` cannot be tapped: it has no address of this machine"))
        })?;
        let proxy = Proxy::start(&format!("{from} to {to}"), upstream).await;
        let proxy = proxy.map_err(|error| StackError::start(from, error))?;
        let address = format!("http://{}", proxy.address());
        let tapped = Tapped { from: from.to_owned(), to: to.to_owned(), proxy };
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).push(tapped);
        Ok(address)
    }

    /// The log of the way from one part to another; none where it is not tapped.
    pub(super) fn between(&self, from: &str, to: &str) -> Vec<Tap> {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = proxies.iter().filter(|tapped| tapped.from == from && tapped.to == to);
        wanted.map(|tapped| tapped.proxy.tap()).collect()
    }

    pub(super) async fn close(&self) {
        let proxies = std::mem::take(&mut *self.proxies.lock().unwrap_or_else(PoisonError::into_inner));
        for tapped in proxies {
            tapped.proxy.close().await;
        }
    }
}
