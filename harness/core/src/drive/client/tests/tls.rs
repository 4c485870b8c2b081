//! Calls over TLS: with an authority of the test, and with every certificate that is not accepted.

use super::{OK, PATIENT};
use crate::drive::client::{Client, ClientOptions, ConnectionFailure, Endpoint, check_connection};
use crate::plan::trust::Trust;
use harness_history::{ErrorKind, Outcome};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for one name, which `change` may spoil.
    fn acceptor(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Serves calls over TLS, on any number of connections. The task returns the number of connections once the given number of calls is answered.
async fn serve(acceptor: TlsAcceptor, calls: usize) -> (SocketAddr, JoinSet<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut connections, mut answered) = (0, 0);
        while answered < calls {
            let (stream, _) = listener.accept().await.unwrap();
            connections += 1;
            // A client that does not accept the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            while answered < calls && read_call(&mut stream).await {
                answered += 1;
                let text = OK.replace("{id}", &answered.to_string());
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                stream.write_all((head + &text).as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
        connections
    });
    (address, server)
}

async fn read_call(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}}") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

fn endpoint(url: &str, authority: &Authority) -> Endpoint {
    Endpoint::new(url, || Trust::load(Some(&authority.file()))).unwrap()
}

fn options() -> ClientOptions {
    ClientOptions { deadline: PATIENT, ..ClientOptions::default() }
}

#[tokio::test]
async fn calls_over_tls_share_one_connection() {
    let authority = Authority::new();
    let (address, mut server) = serve(authority.acceptor("127.0.0.1", |_| {}), 3).await;
    let mut client = Client::new(Arc::new(endpoint(&format!("https://{address}/mcp"), &authority)), options());
    for number in 1..=3 {
        let call = client.call("echo", &json!({})).await;
        assert_eq!((call.outcome, call.structured), (Outcome::Ok, Some(format!(r#"{{"n":{number}}}"#).as_str())));
    }
    drop(client);
    assert_eq!(server.join_next().await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_pinned_address_is_used_although_the_name_has_none() {
    let authority = Authority::new();
    // The top-level domain `invalid` never has a name (RFC 6761), so a lookup would fail.
    let (address, mut server) = serve(authority.acceptor("pinned.harness.invalid", |_| {}), 1).await;
    let url = format!("https://pinned.harness.invalid:{}/mcp", address.port());
    let pinned = endpoint(&url, &authority).pinned(&[address]);
    assert_eq!(Client::new(Arc::new(pinned), options()).call("echo", &json!({})).await.outcome, Outcome::Ok);
    assert_eq!(server.join_next().await.unwrap().unwrap(), 1);
    let unpinned = Client::new(Arc::new(endpoint(&url, &authority)), options()).call("echo", &json!({})).await.outcome;
    assert!(matches!(unpinned, Outcome::Failed(ErrorKind::Local(_))), "{unpinned:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_a_mistake_of_the_plan_and_no_call_is_sent() {
    let (ours, other) = (Authority::new(), Authority::new());
    let expired = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    };
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2999, 1, 1);
    for (acceptor, why) in [
        (ours.acceptor("other.example", |_| {}), "it is for another name"),
        (ours.acceptor("127.0.0.1", expired), "it has expired"),
        (ours.acceptor("127.0.0.1", future), "it is not valid yet"),
        (other.acceptor("127.0.0.1", |_| {}), "no trusted authority has signed it"),
    ] {
        let (address, _server) = serve(acceptor, 1).await;
        let endpoint = Arc::new(endpoint(&format!("https://{address}/mcp"), &ours));
        let outcome = Client::new(Arc::clone(&endpoint), options()).call("echo", &json!({})).await.outcome;
        assert!(
            matches!(&outcome, Outcome::Failed(ErrorKind::Local(text)) if text.contains(why) && text.contains("127.0.0.1")),
            "{outcome:?}"
        );
        let error = check_connection(&endpoint, None, options()).await.unwrap_err();
        assert_eq!(error.failure, ConnectionFailure::NotTrusted);
        assert!(error.failure.is_plan_error());
        assert!(error.to_string().contains(why) && error.to_string().contains("--ca-file"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_reported_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    });
    let endpoint = Arc::new(endpoint(&format!("https://{address}/mcp"), &Authority::new()));
    let error = check_connection(&endpoint, None, options()).await.unwrap_err();
    assert_eq!(error.failure, ConnectionFailure::NotReached);
    assert!(error.why.contains("with TLS"), "{error}");
}
