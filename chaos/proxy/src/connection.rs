//! The I/O of one connection: its two sockets and the clock. All decisions are made by the link, which is pure.

use crate::direction_queue::{Direction, Next};
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

/// Maximum size of a read. It equals `MAX_WAITING_BYTES`, so that an empty queue has room for a whole read.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    // The connections of a thread share one read buffer, because no bytes stay in it between polls. The shared memory stays in the CPU cache.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// The rules of the edge, as a connection receives them.
pub(crate) type RulesReceiver = watch::Receiver<Arc<Rules>>;

/// Serves a connection until it ends, and returns how it ended.
pub(crate) async fn serve(
    mut client: TcpStream,
    mut upstream: TcpStream,
    mut link: Link,
    mut rules: RulesReceiver,
) -> Ending {
    let ending = {
        let (from_client, to_client) = client.split();
        let (from_upstream, to_upstream) = upstream.split();
        let mut pump = Pump {
            readers: [from_client, from_upstream],
            writers: [to_upstream, to_client],
            blocked: [false, false],
            newest: rules.clone(),
        };
        pump.run(&mut link, &mut rules).await
    };
    link.close(Instant::now());
    // Here and not when the connection was opened: a rule that is added later must reset it too. Toxiproxy 2.12 sets the
    // option only at the start, and sends FIN on connections that were open before the toxic.
    if ending == Ending::Reset {
        reset(&client);
        reset(&upstream);
    }
    ending
}

/// Makes the socket send RST instead of FIN when it is dropped.
pub(crate) fn reset(socket: &TcpStream) {
    // Fails only if the socket is already closed.
    let _ = socket.set_zero_linger();
}

/// Why polling stopped.
enum Interrupt {
    RulesChanged,
    Ended(Ending),
}

struct Pump<'a> {
    readers: [ReadHalf<'a>; 2],
    writers: [WriteHalf<'a>; 2],
    /// The destination's socket buffer is full.
    blocked: [bool; 2],
    /// Looked at after each read, which costs no lock. The receiver that wakes the connection is looked at only when it is polled.
    newest: RulesReceiver,
}

impl Pump<'_> {
    async fn run(&mut self, link: &mut Link, receiver: &mut RulesReceiver) -> Ending {
        let timer = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(timer);
        loop {
            let interrupt = {
                // The future is kept until the rules change. A new one for each piece of data would take a lock that all connections share.
                let changed = receiver.changed();
                tokio::pin!(changed);
                poll_fn(|context| self.poll(context, link, changed.as_mut(), timer.as_mut())).await
            };
            match interrupt {
                Interrupt::Ended(ending) => return ending,
                Interrupt::RulesChanged => {
                    receiver.mark_unchanged();
                    self.set_newest_rules(link);
                }
            }
        }
    }

    /// Applies the rules of the edge if they have changed.
    fn set_newest_rules(&mut self, link: &mut Link) {
        // An error means that the edge is gone, which closes its rules before.
        if self.newest.has_changed().unwrap_or(false) {
            let rules = Arc::clone(&self.newest.borrow_and_update());
            if rules.closed {
                link.cut(Ending::Reset);
            }
            link.set_rules(rules);
        }
    }

    /// Writes what is due and reads what has arrived, until neither makes progress.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        link: &mut Link,
        changed: Pin<&mut impl Future>,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<Interrupt> {
        // Before any byte moves, so that a rule acts on a busy connection as soon as it is added.
        if changed.poll(context).is_ready() {
            return Poll::Ready(Interrupt::RulesChanged);
        }
        loop {
            let now = Instant::now();
            for direction in [Direction::Up, Direction::Down] {
                self.flush(context, link, direction, now);
            }
            // After the writes, because a queued ending counts only when everything before it has left.
            if let Some(ending) = link.ending() {
                return Poll::Ready(Interrupt::Ended(ending));
            }
            let mut progress = false;
            for direction in [Direction::Up, Direction::Down] {
                progress |= link.wants_input(direction) && self.read(context, link, direction, now);
            }
            if progress {
                continue;
            }
            let Some(due) = self.due(link) else { return Poll::Pending };
            arm(timer.as_mut(), due);
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Returns when to poll again if no socket becomes ready before. A blocked direction needs no timer, because its socket wakes the task.
    fn due(&self, link: &Link) -> Option<Instant> {
        let waits = |direction: Direction| link.due(direction).filter(|_| !self.blocked[direction.index()]);
        [waits(Direction::Up), waits(Direction::Down)].into_iter().flatten().min()
    }

    /// Writes what is due, as far as the destination accepts it.
    fn flush(&mut self, context: &mut Context<'_>, link: &mut Link, direction: Direction, now: Instant) {
        let mut writer = Pin::new(&mut self.writers[direction.index()]);
        self.blocked[direction.index()] = false;
        loop {
            match link.next(direction, now) {
                Next::Nothing => return,
                Next::Cut(ending) => return link.cut(ending),
                Next::End => {
                    // Never pending on a TCP socket. An error means that the destination has closed already.
                    let _ = writer.as_mut().poll_shutdown(context);
                    link.passed_end(direction);
                }
                Next::Write(bytes) => match writer.as_mut().poll_write(context, bytes) {
                    Poll::Ready(Ok(count)) => link.wrote(direction, count),
                    Poll::Ready(Err(_)) => return link.destination_closed(direction),
                    Poll::Pending => {
                        self.blocked[direction.index()] = true;
                        return;
                    }
                },
            }
        }
    }

    /// Reads once and forwards the bytes. Returns false if the source had nothing.
    fn read(&mut self, context: &mut Context<'_>, link: &mut Link, direction: Direction, now: Instant) -> bool {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = Pin::new(&mut self.readers[direction.index()]).poll_read(context, &mut buffer);
            if read.is_ready() {
                // After the read: what was sent after a change of the rules must never be decided by the rules before it.
                self.set_newest_rules(link);
            }
            match read {
                Poll::Pending => return false,
                // The new rules end the connection, with all that was read.
                Poll::Ready(_) if link.ending().is_some() => {}
                Poll::Ready(Err(_)) => link.source_ended(direction, false, now),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => link.source_ended(direction, true, now),
                Poll::Ready(Ok(())) => self.forward(context, link, direction, buffer.filled(), now),
            }
            true
        })
    }

    /// Forwards bytes: directly to the other socket if no rule needs them, otherwise through the link.
    fn forward(
        &mut self,
        context: &mut Context<'_>,
        link: &mut Link,
        direction: Direction,
        bytes: &[u8],
        now: Instant,
    ) {
        if !link.is_transparent(direction) {
            return link.received(direction, Bytes::copy_from_slice(bytes), now);
        }
        // A request is sent before it is parsed, so that the upstream works on it meanwhile. A reply is parsed before it is sent, so that the tap
        // and the counters contain it when the client receives it.
        if direction == Direction::Down {
            link.observe(direction, bytes, now);
        }
        let writer = Pin::new(&mut self.writers[direction.index()]);
        let written = match writer.poll_write(context, bytes) {
            Poll::Ready(Ok(count)) => Some(count),
            Poll::Ready(Err(_)) => None,
            // The task is registered with the socket, so the rest is written from the queue when there is room.
            Poll::Pending => Some(0),
        };
        if direction == Direction::Up {
            link.observe(direction, bytes, now);
        }
        match written {
            None => link.destination_closed(direction),
            Some(count) if count < bytes.len() => {
                link.queue_unwritten(direction, Bytes::copy_from_slice(&bytes[count..]), now)
            }
            Some(_) => {}
        }
    }
}

fn arm(timer: Pin<&mut Sleep>, due: Instant) {
    // A reset takes a lock of the runtime, and most polls leave the deadline as it is.
    if timer.deadline() != due.into() {
        timer.reset(due.into());
    }
}
