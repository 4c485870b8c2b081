//! The shell of one connection: two sockets and the clock around the link, which decides everything.

use crate::lane::{Next, Way};
use crate::link::Link;
use crate::rules::Rules;
use crate::toxic::Ending;
use bytes::Bytes;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::Sleep;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// Where bytes are read to. One for each thread and not for each connection: nothing stays in it from one poll to the next, and so
    /// what many connections carry goes through memory that is in the cache.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What a connection is told from outside.
pub(crate) type Orders = watch::Receiver<Arc<Rules>>;

/// Serves a connection until it ends; returns how it ended.
pub(crate) async fn serve(
    mut client: TcpStream,
    mut upstream: TcpStream,
    mut link: Link,
    mut orders: Orders,
) -> Ending {
    let ending = {
        let (from_client, to_client) = client.split();
        let (from_upstream, to_upstream) = upstream.split();
        let mut pump =
            Pump { readers: [from_client, from_upstream], writers: [to_upstream, to_client], blocked: [false, false] };
        pump.run(&mut link, &mut orders).await
    };
    link.close(Instant::now());
    if ending == Ending::Reset {
        reset(&client);
        reset(&upstream);
    }
    ending
}

/// Makes the socket's end an RST.
pub(crate) fn reset(socket: &TcpStream) {
    // Fails only on a socket that is already gone.
    let _ = socket.set_zero_linger();
}

/// Why a poll does not go on.
enum Told {
    /// Other rules are in force.
    Rules,
    /// The connection is over.
    Ended(Ending),
}

struct Pump<'a> {
    readers: [ReadHalf<'a>; 2],
    writers: [WriteHalf<'a>; 2],
    /// The destination takes nothing just now.
    blocked: [bool; 2],
}

impl Pump<'_> {
    async fn run(&mut self, link: &mut Link, orders: &mut Orders) -> Ending {
        let timer = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(timer);
        loop {
            let told = {
                // Kept until it happens: to wait anew for each piece would cost a lock that all connections share.
                let changed = orders.changed();
                tokio::pin!(changed);
                poll_fn(|context| self.poll(context, link, changed.as_mut(), timer.as_mut())).await
            };
            match told {
                Told::Ended(ending) => return ending,
                Told::Rules => {
                    let rules = Arc::clone(&orders.borrow_and_update());
                    if rules.closed {
                        return Ending::Reset;
                    }
                    link.adopt(rules);
                }
            }
        }
    }

    /// Writes what is due and reads what has come, until there is nothing of either.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        link: &mut Link,
        changed: Pin<&mut impl Future>,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<Told> {
        if changed.poll(context).is_ready() {
            return Poll::Ready(Told::Rules);
        }
        loop {
            let now = Instant::now();
            for way in [Way::Up, Way::Down] {
                self.flush(context, link, way, now);
            }
            if let Some(ending) = link.verdict() {
                return Poll::Ready(Told::Ended(ending));
            }
            let mut went_on = false;
            for way in [Way::Up, Way::Down] {
                went_on |= link.hungry(way) && self.read(context, link, way, now);
            }
            if went_on {
                continue;
            }
            let Some(due) = self.due(link) else { return Poll::Pending };
            arm(timer.as_mut(), due);
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// When to look again although nothing happens.
    fn due(&self, link: &Link) -> Option<Instant> {
        let waits = |way: Way| link.due(way).filter(|_| !self.blocked[way.index()]);
        [waits(Way::Up), waits(Way::Down)].into_iter().flatten().min()
    }

    /// Writes what is due, as far as the destination takes it.
    fn flush(&mut self, context: &mut Context<'_>, link: &mut Link, way: Way, now: Instant) {
        let mut writer = Pin::new(&mut self.writers[way.index()]);
        self.blocked[way.index()] = false;
        loop {
            match link.next(way, now) {
                Next::Nothing => return,
                Next::Cut(ending) => return link.cut(ending),
                Next::End => {
                    // A socket ends at once; the destination may have gone by itself, and the end has reached it either way.
                    let _ = writer.as_mut().poll_shutdown(context);
                    link.passed_end(way);
                }
                Next::Write(bytes) => match writer.as_mut().poll_write(context, bytes) {
                    Poll::Ready(Ok(count)) => link.wrote(way, count),
                    Poll::Ready(Err(_)) => return link.destination_gone(way),
                    Poll::Pending => {
                        self.blocked[way.index()] = true;
                        return;
                    }
                },
            }
        }
    }

    /// Reads once and passes that on; tells whether there was anything.
    fn read(&mut self, context: &mut Context<'_>, link: &mut Link, way: Way, now: Instant) -> bool {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut self.readers[way.index()]).poll_read(context, &mut buffer) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => link.source_ended(way, false, now),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => link.source_ended(way, true, now),
                Poll::Ready(Ok(())) => self.take(context, link, way, buffer.filled(), now),
            }
            true
        })
    }

    /// Passes on what was read: straight to the other socket where nothing is to be done with it, otherwise by way of the link.
    fn take(&mut self, context: &mut Context<'_>, link: &mut Link, way: Way, bytes: &[u8], now: Instant) {
        if !link.passes_straight(way) {
            return link.received(way, Bytes::copy_from_slice(bytes), now);
        }
        // A request is looked at while the upstream is at work on it; a reply before, so that whoever has it finds it told and counted.
        if way == Way::Down {
            link.saw(way, bytes, now);
        }
        let writer = Pin::new(&mut self.writers[way.index()]);
        let written = match writer.poll_write(context, bytes) {
            Poll::Ready(Ok(count)) => Some(count),
            Poll::Ready(Err(_)) => None,
            Poll::Pending => Some(0),
        };
        if way == Way::Up {
            link.saw(way, bytes, now);
        }
        match written {
            None => link.destination_gone(way),
            Some(count) if count < bytes.len() => link.left(way, Bytes::copy_from_slice(&bytes[count..]), now),
            Some(_) => {}
        }
    }
}

fn arm(timer: Pin<&mut Sleep>, due: Instant) {
    if timer.deadline() != due.into() {
        timer.reset(due.into());
    }
}
