//! Where the measuring client connects: an `http://` or `https://` URL, parsed once, with the addresses that the plan has resolved.

use crate::plan::reach::without_secrets;
use crate::plan::trust::{Trust, TrustError};
use http::Uri;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use tokio_rustls::rustls::pki_types::ServerName;

/// The MCP endpoint of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    authority: String,
    host: String,
    port: u16,
    path: String,
    /// Addresses to connect to; if empty, the host is resolved for each connection.
    addresses: Vec<SocketAddr>,
    tls: Option<Tls>,
}

/// What an `https` endpoint needs for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) trust: Trust,
    /// The name that the certificate must have: the host of the URL.
    pub(super) name: ServerName<'static>,
}

/// Why a URL is not an endpoint that can be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot measure `{url}`: {why}\nhint: pass a URL such as `http://127.0.0.1:7420/mcp`")]
pub struct EndpointError {
    pub url: String,
    pub why: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Parses a URL. An `https` server needs a certificate of an authority of this system.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::new(url, || Trust::load(None))
    }
}

impl Endpoint {
    /// Parses a URL. `trust` returns the authorities that may sign the certificate; it is called only for `https`.
    ///
    /// # Errors
    /// The text is not a URL that can be measured, or there is no authority to trust.
    pub fn new(url: &str, trust: impl FnOnce() -> Result<Trust, TrustError>) -> Result<Self, EndpointError> {
        let wrong = |why: &str| EndpointError { url: without_secrets(url), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("it is not a URL: {error}")))?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(other) => return Err(wrong(&format!("scheme `{other}` is neither `http` nor `https`"))),
            None => return Err(wrong("it does not begin with `http://` or `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user name or password in the URL is not sent"));
        }
        // A socket address has no brackets around an IPv6 address; the `host` header keeps them, through `authority`.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let tls = if is_secure {
            let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
                .map_err(|_| wrong("no certificate can have the name of its host"))?;
            let no_trust = |error: TrustError| {
                wrong(&format!("no certificate authority is trusted ({}); name a PEM file with `--ca-file`", error.why))
            };
            Some(Tls { trust: trust().map_err(no_trust)?, name })
        } else {
            None
        };
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        // The address of a literal needs no resolver.
        let addresses = host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)).into_iter().collect();
        Ok(Self {
            authority: authority.as_str().to_owned(),
            host: host.to_owned(),
            port,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            addresses,
            tls,
        })
    }

    /// Connects to these addresses from now on, and never resolves the host again. The plan has checked them.
    #[must_use]
    pub fn pinned(mut self, addresses: &[SocketAddr]) -> Self {
        self.addresses = addresses.to_vec();
        self
    }

    /// Connects to a proxy on this machine, without TLS. The requests keep the `host` header of the URL, so that the server behind the proxy accepts
    /// them; the proxy makes the TLS connection.
    #[must_use]
    pub fn through(mut self, proxy: SocketAddr) -> Self {
        self.addresses = vec![proxy];
        self.tls = None;
        self
    }

    /// Host and port as in the URL, for the `host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Host name or address. An IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The first address, unless the host is a name that the plan has not resolved.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// The addresses that a connection tries, in this order. Empty: the host is resolved first.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Port; if the URL has none, 80 or, with `https`, 443.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path with query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns true if connections use TLS.
    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) const fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Trust, TrustError};

    fn untrusting(url: &str) -> Result<Endpoint, String> {
        let nothing = || Err(TrustError { why: "the test trusts nothing".to_owned() });
        Endpoint::new(url, nothing).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_is_parsed() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:7420/mcp", "127.0.0.1", 7420, "/mcp"),
            ("http://[::1]:9/mcp/memory?x=1", "::1", 9, "/mcp/memory?x=1"),
            ("http://memory", "memory", 80, "/"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!((endpoint.host(), endpoint.port(), endpoint.path()), (host, port, path), "{url}");
            assert!(!endpoint.is_secure());
            assert_eq!(untrusting(url), Ok(endpoint), "without TLS no authority is needed");
        }
    }

    #[test]
    fn a_literal_has_its_address_and_a_name_those_that_are_pinned() {
        let literal: Endpoint = "http://[::1]:9".parse().unwrap();
        assert_eq!(literal.address(), Some("[::1]:9".parse().unwrap()));
        let name: Endpoint = "http://memory:9".parse().unwrap();
        assert_eq!(name.address(), None);
        let pinned = ["192.0.2.7:9".parse().unwrap(), "192.0.2.8:9".parse().unwrap()];
        assert_eq!(name.pinned(&pinned).addresses(), pinned);
    }

    #[test]
    fn an_https_url_needs_authorities_and_has_its_own_port() {
        let why = untrusting("https://staging.example/mcp").unwrap_err();
        assert!(why.contains("the test trusts nothing") && why.contains("--ca-file"), "{why}");
        let issuer = rcgen::CertificateParams::default();
        let key = rcgen::KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, issuer.self_signed(&key).unwrap().pem()).unwrap();
        let secure = Endpoint::new("https://staging.example/mcp", || Trust::load(Some(&file))).unwrap();
        assert_eq!((secure.port(), secure.is_secure()), (443, true));
        let proxied = secure.through("127.0.0.1:4000".parse().unwrap());
        assert_eq!((proxied.authority(), proxied.is_secure()), ("staging.example", false));
    }

    #[test]
    fn a_url_that_cannot_be_measured_is_refused_with_a_reason() {
        for (url, why) in [
            ("ftp://host/", "scheme `ftp`"),
            ("host:80", "it does not begin with `http://`"),
            ("/mcp", "it does not begin with `http://`"),
            ("http://user:secret@host/", "user name or password"),
            ("not a url", "it is not a URL"),
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("hint:") && !error.contains("secret"), "{url}: {error}");
        }
    }
}
