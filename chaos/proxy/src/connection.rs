//! The shell of one connection: two sockets and the clock around the link, which decides everything.

use crate::lane::{Next, Way};
use crate::link::Link;
use crate::rules::Rules;
use crate::toxic::Ending;
use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::Sleep;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// Below how much room a buffer is renewed, in bytes.
const LEAST_ROOM_BYTES: usize = 16 << 10;

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
        let mut pump = Pump {
            readers: [from_client, from_upstream],
            writers: [to_upstream, to_client],
            buffers: [BytesMut::new(), BytesMut::new()],
            blocked: [false, false],
        };
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

/// Why the rounds stop.
enum Told {
    /// Other rules are in force.
    Rules,
    /// The connection is over.
    Ended(Ending),
}

struct Pump<'a> {
    readers: [ReadHalf<'a>; 2],
    writers: [WriteHalf<'a>; 2],
    buffers: [BytesMut; 2],
    /// The destination takes nothing just now.
    blocked: [bool; 2],
}

impl Pump<'_> {
    async fn run(&mut self, link: &mut Link, orders: &mut Orders) -> Ending {
        let timer = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(timer);
        loop {
            // Kept from one round to the next: to wait anew for each piece would cost a lock that all connections share.
            let told = {
                let changed = orders.changed();
                tokio::pin!(changed);
                loop {
                    if let Some(ending) = self.round(link, changed.as_mut(), timer.as_mut()).await {
                        break ending;
                    }
                }
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

    /// Writes what is due, then waits for one thing to happen. Says something only where the rules changed or the connection is over.
    async fn round(
        &mut self,
        link: &mut Link,
        changed: Pin<&mut impl Future>,
        mut timer: Pin<&mut Sleep>,
    ) -> Option<Told> {
        let now = Instant::now();
        self.flush(link, Way::Up, now).await;
        self.flush(link, Way::Down, now).await;
        if let Some(ending) = link.verdict() {
            return Some(Told::Ended(ending));
        }
        let due = self.due(link);
        if let Some(due) = due {
            arm(timer.as_mut(), due);
        }
        let (hungry_up, hungry_down) = (link.hungry(Way::Up), link.hungry(Way::Down));
        let [from_client, from_upstream] = &mut self.readers;
        let [to_upstream, to_client] = &mut self.writers;
        let [buffer_up, buffer_down] = &mut self.buffers;
        tokio::select! {
            biased;
            _ = changed => return Some(Told::Rules),
            read = read(from_client, buffer_up), if hungry_up => take(link, Way::Up, read, buffer_up),
            read = read(from_upstream, buffer_down), if hungry_down => take(link, Way::Down, read, buffer_down),
            _ = to_upstream.writable(), if self.blocked[0] => self.blocked[0] = false,
            _ = to_client.writable(), if self.blocked[1] => self.blocked[1] = false,
            () = timer, if due.is_some() => {}
        }
        None
    }

    /// When to look again although nothing happens.
    fn due(&self, link: &Link) -> Option<Instant> {
        let waits = |way: Way| link.due(way).filter(|_| !self.blocked[way.index()]);
        [waits(Way::Up), waits(Way::Down)].into_iter().flatten().min()
    }

    /// Writes what is due, as far as the destination takes it.
    async fn flush(&mut self, link: &mut Link, way: Way, now: Instant) {
        let writer = &mut self.writers[way.index()];
        while !self.blocked[way.index()] {
            match link.next(way, now) {
                Next::Nothing => return,
                Next::Cut(ending) => return link.cut(ending),
                Next::End => {
                    // The destination may have gone by itself; the end has reached it either way.
                    let _ = writer.shutdown().await;
                    link.passed_end(way);
                }
                Next::Write(bytes) => match writer.try_write(bytes) {
                    Ok(count) => link.wrote(way, count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked[way.index()] = true,
                    Err(_) => return link.destination_gone(way),
                },
            }
        }
    }
}

fn arm(timer: Pin<&mut Sleep>, due: Instant) {
    if timer.deadline() != due.into() {
        timer.reset(due.into());
    }
}

async fn read(reader: &mut ReadHalf<'_>, buffer: &mut BytesMut) -> io::Result<usize> {
    if buffer.capacity() < LEAST_ROOM_BYTES {
        buffer.reserve(READ_BYTES);
    }
    reader.read_buf(buffer).await
}

fn take(link: &mut Link, way: Way, read: io::Result<usize>, buffer: &mut BytesMut) {
    let now = Instant::now();
    match read {
        Ok(0) => link.source_ended(way, true, now),
        Ok(_) => link.received(way, buffer.split().freeze(), now),
        Err(_) => link.source_ended(way, false, now),
    }
}
