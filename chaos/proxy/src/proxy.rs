//! The proxy of one edge: its listener and its connections. It owns every task; closing or dropping it ends them all.

use crate::connection::{RulesReceiver, reset, serve};
use crate::draw::EdgeRandom;
use crate::link::{Edge, Link};
use crate::rules::{self, Guard, Rule, RuleError, Rules};
use crate::tally::{Counters, Tally, add};
use crate::tap::Tap;
use crate::toxic::Ending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Maximum number of open connections of an edge. Further connections wait in the backlog of the listener until one ends.
pub const MAX_CONNECTIONS: usize = 4_096;
/// Deadline for the upstream to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, so that the acceptor does not spin while descriptors are exhausted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Together with the name of the edge and the request, decides every random choice.
    pub seed: u64,
    /// The tap records from the beginning.
    pub tap: bool,
    /// Address to listen on: 127.0.0.1, or this machine's address in the network of its containers.
    pub host: IpAddr,
    /// 0: the system chooses a free port.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, tap: true, host: LOOPBACK, port: 0 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the proxy of the edge `{edge}` cannot listen on `{address}`: {source}")]
    Listen { edge: String, address: SocketAddr, source: io::Error },
}

pub struct Proxy {
    name: String,
    address: SocketAddr,
    upstream: watch::Sender<SocketAddr>,
    edge: Arc<Edge>,
    rules: watch::Sender<Arc<Rules>>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Opens the edge `name`: each connection to [`Proxy::address`] is forwarded to `upstream`.
    ///
    /// # Errors
    /// Fails if 127.0.0.1 has no free port.
    pub async fn start(name: &str, upstream: SocketAddr) -> Result<Self, ProxyError> {
        Self::start_with(name, upstream, Options::default()).await
    }

    /// Opens an edge with other options than the defaults.
    ///
    /// # Errors
    /// Fails if the address cannot be bound.
    pub async fn start_with(name: &str, upstream: SocketAddr, options: Options) -> Result<Self, ProxyError> {
        let address = SocketAddr::new(options.host, options.port);
        let listen_error = |source| ProxyError::Listen { edge: name.to_owned(), address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        // Read back, because port 0 in the options lets the system choose one.
        let address = listener.local_addr().map_err(listen_error)?;
        let edge = Arc::new(Edge {
            draw: EdgeRandom::new(options.seed, name),
            tap: Tap::new(options.tap),
            counters: Counters::default(),
        });
        let rules = watch::Sender::new(Arc::new(Rules::default()));
        let upstream = watch::Sender::new(upstream);
        let acceptor =
            Acceptor { listener, upstream: upstream.subscribe(), edge: Arc::clone(&edge), rules: rules.subscribe() };
        let mut tasks = JoinSet::new();
        tasks.spawn(acceptor.run());
        Ok(Self { name: name.to_owned(), address, upstream, edge, rules, tasks })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards new connections to another upstream, such as one that has restarted on a new port. Open connections keep their upstream.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.upstream.send_replace(upstream);
    }

    /// Activates a rule, on open connections too, until the guard is dropped.
    ///
    /// # Errors
    /// Fails if the rule is invalid, the edge has too many rules, or the proxy is closed.
    pub fn add(&self, rule: Rule) -> Result<Guard, RuleError> {
        rules::add(&self.rules, rule)
    }

    /// Returns the number of active rules.
    pub fn rules(&self) -> usize {
        self.rules.borrow().active.len()
    }

    /// Removes every rule, including those whose guards are still alive.
    pub fn clear(&self) {
        rules::clear(&self.rules);
    }

    pub fn tally(&self) -> Tally {
        self.edge.counters.read()
    }

    pub fn tap(&self) -> Tap {
        self.edge.tap.clone()
    }

    /// Closes the listener and resets every connection; returns when all tasks have ended.
    pub async fn close(mut self) {
        rules::close(&self.rules);
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Acceptor {
    listener: TcpListener,
    upstream: watch::Receiver<SocketAddr>,
    edge: Arc<Edge>,
    rules: watch::Receiver<Arc<Rules>>,
}

impl Acceptor {
    async fn run(self) {
        let mut connections = JoinSet::new();
        let mut number = 0;
        let mut changes = self.rules.clone();
        // One future for the whole loop: a new one for each turn would register again with the rules, which all
        // connections share.
        let closed = closed(&mut changes);
        tokio::pin!(closed);
        loop {
            tokio::select! {
                // Closing must not wait behind a stream of new clients, and an ended connection frees its place before the
                // next one is accepted.
                biased;
                () = &mut closed => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((client, _)) => {
                        number += 1;
                        connections.spawn(self.connection(client, number));
                    }
                    // Descriptors are exhausted, or the client has already disconnected.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        // First, so that a client that connects while the last connections end is refused instead of accepted and
        // reset.
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }

    fn connection(&self, client: TcpStream, number: u64) -> impl Future<Output = ()> + Send + use<> {
        let edge = Arc::clone(&self.edge);
        // Read now and not in the task, so that `set_upstream` decides for every connection that is accepted after it.
        let upstream = *self.upstream.borrow();
        let mut receiver = self.rules.clone();
        async move {
            let counters = &edge.counters;
            add(&counters.connections, 1);
            add(&counters.open, 1);
            let rules = Arc::clone(&receiver.borrow_and_update());
            let link = Link::new(Arc::clone(&edge), number, rules);
            let ending = join(client, upstream, link, receiver, counters).await;
            if ending == Ending::Reset {
                add(&counters.resets, 1);
            }
            counters.open.fetch_sub(1, Relaxed);
        }
    }
}

async fn join(
    client: TcpStream,
    upstream: SocketAddr,
    link: Link,
    receiver: RulesReceiver,
    counters: &Counters,
) -> Ending {
    // Before the upstream is contacted: it must not see a connection that a rule ends on arrival.
    if link.ending().is_some() {
        reset(&client);
        return Ending::Reset;
    }
    let connecting = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(upstream));
    let mut changes = receiver.clone();
    let connected = tokio::select! {
        connected = connecting => connected,
        () = closed(&mut changes) => {
            reset(&client);
            return Ending::Reset;
        }
    };
    let Ok(Ok(upstream)) = connected else {
        // A client of a closed port gets RST instead of a connection. The proxy has accepted already, so it resets the connection instead.
        add(&counters.without_upstream, 1);
        reset(&client);
        return Ending::Reset;
    };
    // With Nagle's algorithm a small piece would wait for the acknowledgement of the piece before it, which may take 40 ms.
    if client.set_nodelay(true).and_then(|()| upstream.set_nodelay(true)).is_err() {
        return Ending::Close;
    }
    serve(client, upstream, link, receiver).await
}

/// Waits until the edge closes.
async fn closed(changes: &mut RulesReceiver) {
    // An error means that the proxy was dropped, which closes the edge too.
    drop(changes.wait_for(|rules| rules.closed).await);
}
