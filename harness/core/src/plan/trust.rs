//! Which certificates of a server are accepted: those of the authorities of this system, or those of one file.

use rustls_native_certs::load_native_certs;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Maximum size of a file of certificates, in bytes. The roots of a whole system take about 200 KiB.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The authorities that may sign the certificate of a server, as the settings of a TLS client. Cloning is cheap.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// Why there is no authority to trust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no certificate authority is trusted: {why}\nhint: name a file of PEM certificates with `--ca-file`")]
pub struct TrustError {
    pub why: String,
}

impl Trust {
    /// Trusts the authorities of a PEM file alone, or, without a file, those of this system.
    ///
    /// # Errors
    /// There is no certificate, or the file cannot be read.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        ca_file.map_or_else(Self::system, Self::ca_file)
    }

    fn system() -> Result<Self, TrustError> {
        let loaded = load_native_certs();
        let first_error = loaded.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        // Some systems list a certificate that cannot be parsed; the others are enough.
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(loaded.certs);
        if added == 0 {
            return Err(TrustError { why: format!("this system has no usable certificate{first_error}") });
        }
        Self::over(roots)
    }

    fn ca_file(path: &Path) -> Result<Self, TrustError> {
        let wrong = |why: String| TrustError { why: format!("`{}` {why}", path.display()) };
        let size = std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")))?.len();
        if size > MAX_FILE_BYTES {
            return Err(wrong(format!("has more than {MAX_FILE_BYTES} bytes")));
        }
        let text = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| wrong(format!("is not a PEM file: {error}")))?;
            // Each certificate counts, because the user chose this file.
            roots
                .add(certificate)
                .map_err(|error| wrong(format!("has a certificate that is not a certificate authority: {error}")))?;
        }
        if roots.is_empty() { Err(wrong("has no certificate".to_owned())) } else { Self::over(roots) }
    }

    fn over(roots: RootCertStore) -> Result<Self, TrustError> {
        // The provider is named, because a second one in the program would make the choice of the library panic.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError { why: error.to_string() })?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Users of a load are separate clients: none continues the TLS session of another, which would hide the cost of a handshake.
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// Returns the settings of a TLS client that trusts these authorities and offers HTTP/1.1.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(authorities)")
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trust {}

#[cfg(test)]
mod tests {
    use super::Trust;

    #[test]
    fn a_file_without_a_certificate_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let refused = || Trust::load(Some(&path)).unwrap_err().to_string();
        assert!(refused().contains("cannot be read"));
        std::fs::write(&path, "no certificate\n").unwrap();
        assert!(refused().contains("has no certificate") && refused().contains("hint:"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(refused().contains("not a certificate authority"), "{}", refused());
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        assert!(refused().contains("is not a PEM file"), "{}", refused());
    }
}
