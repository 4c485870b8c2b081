//! A tunnel to a server with TLS: it accepts plain connections on loopback and forwards their bytes encrypted. The fault proxy is in front of it, so
//! that its rules see requests and replies and not only records of TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Maximum number of open connections; that of the proxy in front of it.
const MAX_CONNECTIONS: usize = chaos_proxy::MAX_CONNECTIONS;
/// Deadline for the server to accept a connection and to finish the handshake of TLS.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, so that the loop does not spin while descriptors are exhausted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Dropping it closes every connection.
pub(super) struct TlsTunnel {
    address: SocketAddr,
    /// Ends with the tunnel.
    _accepting: JoinSet<()>,
}

/// Where the tunnel leads.
struct TunnelEnd {
    /// Name that the certificate must have.
    name: ServerName<'static>,
    /// Resolved once, before the run; tried in order.
    addresses: Vec<SocketAddr>,
    connector: TlsConnector,
}

impl TlsTunnel {
    /// Opens a tunnel to a host at these addresses.
    ///
    /// # Errors
    /// The host cannot be in a certificate, or loopback has no free port.
    pub(super) async fn open(host: &str, addresses: Vec<SocketAddr>, config: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let upstream = Arc::new(TunnelEnd { name, addresses, connector: TlsConnector::from(config) });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, upstream));
        Ok(Self { address, _accepting: accepting })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, upstream: Arc<TunnelEnd>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((client, _)) => drop(connections.spawn(forward(client, Arc::clone(&upstream)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn forward(mut client: TcpStream, upstream: Arc<TunnelEnd>) {
    let forwarded = async {
        let stream = tokio::time::timeout(CONNECT_DEADLINE, connect(&upstream.addresses)).await??;
        stream.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let handshake = upstream.connector.connect(upstream.name.clone(), stream);
        let mut stream = tokio::time::timeout(CONNECT_DEADLINE, handshake).await??;
        copy_bidirectional(&mut client, &mut stream).await
    };
    match forwarded.await {
        Ok(_) => {}
        // Many servers close the connection without the farewell of TLS. Their reply has arrived whole.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        // The client gets a reset and not an orderly end, as it would without the tunnel.
        Err(_) => drop(client.set_zero_linger()),
    }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    TcpStream::connect(addresses).await
}

#[cfg(test)]
mod tests {
    use super::TlsTunnel;
    use rcgen::{CertificateParams, Issuer, KeyPair};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

    /// Echoes what it gets, by TLS, under the name `server.example`. Returns its address and a client that trusts it.
    async fn echo(tasks: &mut JoinSet<()>) -> (std::net::SocketAddr, Arc<ClientConfig>) {
        let key = KeyPair::generate().unwrap();
        let issuer = CertificateParams::new(Vec::new()).unwrap();
        let mut authority = issuer;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = authority.clone().self_signed(&key).unwrap();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["server.example".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(authority, key)).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let server =
            builder.unwrap().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], private).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = builder.with_root_certificates(roots).with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut bytes = [0; 5];
                if stream.read_exact(&mut bytes).await.is_ok() {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        (address, Arc::new(client))
    }

    #[tokio::test]
    async fn plain_bytes_reach_a_server_with_tls_and_come_back() {
        let mut tasks = JoinSet::new();
        let (address, client) = echo(&mut tasks).await;
        let tunnel = TlsTunnel::open("server.example", vec![address], client).await.unwrap();
        let mut stream = TcpStream::connect(tunnel.address()).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        assert_eq!(reply, b"hello");
    }

    #[tokio::test]
    async fn a_server_with_another_name_or_none_at_all_is_a_reset() {
        let mut tasks = JoinSet::new();
        let (address, client) = echo(&mut tasks).await;
        let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = nowhere.local_addr().unwrap();
        drop(nowhere);
        for (host, address) in [("other.example", address), ("server.example", closed)] {
            let tunnel = TlsTunnel::open(host, vec![address], Arc::clone(&client)).await.unwrap();
            let mut stream = TcpStream::connect(tunnel.address()).await.unwrap();
            let _ = stream.write_all(b"hello").await;
            let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{host}");
        }
    }
}
