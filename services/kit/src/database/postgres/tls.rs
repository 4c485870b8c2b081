//! TLS to a Postgres server, with the rustls that the rest of the program links. The certificate is always verified.

use crate::certificate::{Certificate, expiry, first_expiry};
use futures::future::BoxFuture;
use jiff::Timestamp;
use rustls_native_certs::load_native_certs;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The settings of TLS; none if connections do not use it.
#[derive(Clone)]
pub(super) struct Tls {
    config: Option<Arc<ClientConfig>>,
    issuer_expiry: Option<Timestamp>,
}

impl Tls {
    pub(super) const fn off() -> Self {
        Self { config: None, issuer_expiry: None }
    }

    /// Returns the time at which the first of the authorities in `DATABASE_CA_FILE` expires.
    pub(super) fn issuer_expiry(&self) -> Option<Timestamp> {
        self.issuer_expiry
    }

    /// Trusts the authorities in `ca` alone, or, without it, those of this system.
    pub(super) fn verifying(ca: Option<&[u8]>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(ca) => {
                for certificate in CertificateDer::pem_slice_iter(ca) {
                    let wrong = |_| "`DATABASE_CA_FILE` is not a file of certificates in PEM form".to_owned();
                    let usable =
                        |_| "`DATABASE_CA_FILE` has a certificate that is not a certificate authority".to_owned();
                    roots.add(certificate.map_err(wrong)?).map_err(usable)?;
                }
                if roots.is_empty() {
                    return Err("`DATABASE_CA_FILE` has no certificate in PEM form".to_owned());
                }
            }
            // Some systems list a certificate that cannot be parsed; the others are enough.
            None => drop(roots.add_parsable_certificates(load_native_certs().certs)),
        }
        // The provider is named, because a second one in the program would make the choice of the library panic.
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { config: Some(config), issuer_expiry: ca.and_then(first_expiry) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, io::Error> {
        Ok(Handshake { config: self.config.clone(), host: host.to_owned() })
    }
}

/// A handshake with one server.
pub(super) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or_else(|| io::Error::other("TLS is off"))?;
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            let server = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            Certificate::DatabaseServer.publish(server.and_then(|certificate| expiry(certificate)));
            Ok(Encrypted(stream))
        })
    }
}

/// An encrypted stream.
pub(super) struct Encrypted<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
