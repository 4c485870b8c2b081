//! The proxy of one edge: its listener, its connections and their end. Every task is owned here; closed or dropped, nothing of it is left.

use crate::connection::{Orders, reset, serve};
use crate::draw::Draw;
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

/// Most open connections of an edge; more wait until one ends.
pub const MAX_CONNECTIONS: usize = 4_096;
/// How long the upstream may take to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the listener rests after it could not accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Where an edge listens unless told otherwise.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Choices of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Decides, with the name of the edge and what is asked for, every random choice.
    pub seed: u64,
    /// Whether the tap listens from the beginning.
    pub tap: bool,
    /// Address of this machine to listen on: 127.0.0.1, or that of a network which this machine shares with its own containers.
    pub host: IpAddr,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, tap: true, host: LOOPBACK, port: 0 }
    }
}

/// Why an edge cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The listener.
    #[error("the proxy of the edge `{edge}` cannot listen on `{address}`: {source}")]
    Listen {
        /// The edge.
        edge: String,
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running proxy.
pub struct Proxy {
    name: String,
    address: SocketAddr,
    upstream: watch::Sender<SocketAddr>,
    edge: Arc<Edge>,
    rules: watch::Sender<Arc<Rules>>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Opens the edge `name`: what connects to [`Proxy::address`] is connected to `upstream`.
    ///
    /// # Errors
    /// No port of 127.0.0.1 can be had.
    pub async fn start(name: &str, upstream: SocketAddr) -> Result<Self, ProxyError> {
        Self::start_with(name, upstream, Options::default()).await
    }

    /// The same with choices.
    ///
    /// # Errors
    /// The port cannot be had.
    pub async fn start_with(name: &str, upstream: SocketAddr, options: Options) -> Result<Self, ProxyError> {
        let address = SocketAddr::new(options.host, options.port);
        let fail = |source| ProxyError::Listen { edge: name.to_owned(), address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let edge = Arc::new(Edge {
            draw: Draw::new(options.seed, name),
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

    /// Name of the edge.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the edge can be reached.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another upstream, such as one that was restarted; open ones stay.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(upstream);
    }

    /// Lets a rule act, on open connections too, until the guard is dropped.
    ///
    /// # Errors
    /// The rule cannot be used.
    pub fn add(&self, rule: Rule) -> Result<Guard, RuleError> {
        rules::add(&self.rules, rule)
    }

    /// How many rules act.
    pub fn rules(&self) -> usize {
        self.rules.borrow().planted.len()
    }

    /// Removes every rule, whoever holds its guard.
    pub fn clear(&self) {
        rules::clear(&self.rules);
    }

    /// What passed so far.
    pub fn tally(&self) -> Tally {
        self.edge.counters.read()
    }

    /// The log of the exchanges on the edge.
    pub fn tap(&self) -> Tap {
        self.edge.tap.clone()
    }

    /// Ends every connection and the listener, and waits until they are gone.
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
        let closed = closed(&mut changes);
        tokio::pin!(closed);
        loop {
            tokio::select! {
                biased;
                () = &mut closed => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((client, _)) => {
                        number += 1;
                        connections.spawn(self.connection(client, number));
                    }
                    // Out of descriptors, or the client has left already.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }

    fn connection(&self, client: TcpStream, number: u64) -> impl Future<Output = ()> + Send + use<> {
        let edge = Arc::clone(&self.edge);
        let upstream = *self.upstream.borrow();
        let mut orders: Orders = self.rules.clone();
        async move {
            let counters = &edge.counters;
            add(&counters.connections, 1);
            add(&counters.open, 1);
            let rules = Arc::clone(&orders.borrow_and_update());
            let link = Link::new(Arc::clone(&edge), number, rules);
            let ending = join(client, upstream, link, orders, counters).await;
            if ending == Ending::Reset {
                add(&counters.resets, 1);
            }
            counters.open.fetch_sub(1, Relaxed);
        }
    }
}

async fn join(client: TcpStream, upstream: SocketAddr, link: Link, orders: Orders, counters: &Counters) -> Ending {
    if link.verdict().is_some() {
        reset(&client);
        return Ending::Reset;
    }
    let connecting = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(upstream));
    let mut changes = orders.clone();
    let connected = tokio::select! {
        connected = connecting => connected,
        () = closed(&mut changes) => {
            reset(&client);
            return Ending::Reset;
        }
    };
    let Ok(Ok(upstream)) = connected else {
        // What a closed port looks like, as near as an open one can come to it.
        add(&counters.without_upstream, 1);
        reset(&client);
        return Ending::Reset;
    };
    // Without it a small piece waits for the acknowledgement of the one before, 40 ms.
    if client.set_nodelay(true).and_then(|()| upstream.set_nodelay(true)).is_err() {
        return Ending::Close;
    }
    serve(client, upstream, link, orders).await
}

/// Waits until the edge is being closed.
async fn closed(changes: &mut Orders) {
    // A proxy that is gone is closed too.
    drop(changes.wait_for(|rules| rules.closed).await);
}
