//! Redis by TLS: a certificate for loopback with its issuer, and the arguments with which Redis serves TLS on a port of its own. The harness uses the
//! other port.

use super::super::TlsAccess;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::io;
use std::path::Path;
use tokio::process::Command;

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const ISSUER: &str = "issuer.pem";

/// Makes Redis listen on `port` by TLS, with certificates in its folder.
pub(super) fn listen(command: &mut Command, folder: &Path, port: u16) -> io::Result<TlsAccess> {
    let issuer = folder.join(ISSUER);
    // A part that is started again keeps its certificate, because the services have read that of its issuer.
    if !issuer.exists() {
        write_certificates(folder)?;
    }
    command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
    command.arg("--tls-cert-file").arg(folder.join(CERTIFICATE)).arg("--tls-key-file").arg(folder.join(KEY));
    command.arg("--tls-ca-cert-file").arg(&issuer);
    Ok(TlsAccess { url: format!("rediss://127.0.0.1:{port}"), issuer })
}

fn write_certificates(folder: &Path) -> io::Result<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer_key = KeyPair::generate().map_err(io::Error::other)?;
    let own = params.self_signed(&issuer_key).map_err(io::Error::other)?;
    let issuer = Issuer::new(params, issuer_key);
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    let certificate = names.signed_by(&key, &issuer).map_err(io::Error::other)?;
    std::fs::write(folder.join(CERTIFICATE), certificate.pem())?;
    std::fs::write(folder.join(KEY), key.serialize_pem())?;
    std::fs::write(folder.join(ISSUER), own.pem())
}
