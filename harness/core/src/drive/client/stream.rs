//! One connection of the measuring client: TCP, with TLS if the URL is `https`. An enum and not a trait object, because each read of a load passes here.

use super::endpoint::{Endpoint, Tls};
use super::local::{self, Untrusted};
use futures::FutureExt;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{CertificateError, Error as TlsError};

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    // Boxed, because it is many times larger than a socket, and most connections have no TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects to the pinned addresses of the endpoint, one after the other, or resolves its host.
    pub(super) async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = match endpoint.addresses() {
            [] => TcpStream::connect(&*local::resolve(endpoint.host(), endpoint.port()).await?).await?,
            pinned => TcpStream::connect(pinned).await?,
        };
        // Without it, Nagle's algorithm waits for a delayed ACK: 44 ms per request, measured with bodies of 16 KiB.
        stream.set_nodelay(true)?;
        match endpoint.tls() {
            None => Ok(Self::Plain(stream)),
            // Boxed, so that the future of a call without TLS stays small.
            Some(tls) => Box::pin(secure(endpoint.host(), tls, stream)).await,
        }
    }

    pub(super) async fn read_buf(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Writes all bytes and passes them on to the network.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                // The last record may still be in the buffer of the TLS library.
                stream.flush().await
            }
        }
    }

    /// Returns true if a kept connection can carry another request: the server has not closed it, and no data is unread.
    /// Without this check, a connection that the server closed while it was idle would count as a lost call.
    pub(super) fn is_alive(&mut self) -> bool {
        // The byte that a successful read takes is not missed, because a connection with unread data is dropped. The server
        // may still close between this check and the send. That call is a reset: a retry would hide it.
        match self {
            Self::Plain(stream) => {
                matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            // A read that would wait has taken what the TLS library keeps for itself, such as the tickets of a session.
            Self::Tls(stream) => stream.read(&mut [0; 1]).now_or_never().is_none(),
        }
    }
}

async fn secure(host: &str, tls: &Tls, stream: TcpStream) -> io::Result<Stream> {
    let connected = TlsConnector::from(tls.trust.config()).connect(tls.name.clone(), stream).await;
    connected.map(|stream| Stream::Tls(Box::new(stream))).map_err(|error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        match inner {
            Some(TlsError::InvalidCertificate(why)) => {
                io::Error::other(Untrusted { host: host.to_owned(), why: untrusted(why) })
            }
            _ => error,
        }
    })
}

/// Returns why a certificate is not accepted, in the words of people who run a server.
fn untrusted(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        // The signature is bad if another authority has the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no trusted authority has signed it".to_owned()
        }
        CertificateError::Revoked => "it is revoked".to_owned(),
        other => format!("{other:?}"),
    }
}
