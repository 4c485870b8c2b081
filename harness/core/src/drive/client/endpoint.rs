//! Where the measuring client connects: an `http://` URL, parsed once.

use http::Uri;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The MCP endpoint of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    authority: String,
    host: String,
    port: u16,
    path: String,
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

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| EndpointError { url: url.to_owned(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("it is not a URL: {error}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(wrong("the measuring client has no TLS; terminate it in a proxy in front of the service"));
            }
            Some(other) => return Err(wrong(&format!("scheme `{other}` is not `http`"))),
            None => return Err(wrong("it does not begin with `http://`")),
        }
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user name or password in the URL is not sent"));
        }
        // A socket address has no brackets around an IPv6 address; the `host` header keeps them, through `authority`.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        Ok(Self {
            authority: authority.as_str().to_owned(),
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

impl Endpoint {
    /// Host and port as in the URL, for the `host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Host name or address. An IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address, unless the host is a name.
    pub fn address(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, self.port))
    }

    /// Port; 80 if the URL has none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path with query.
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn a_url_is_parsed() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:7420/mcp", "127.0.0.1", 7420, "/mcp"),
            ("http://[::1]:9/mcp/memory?x=1", "::1", 9, "/mcp/memory?x=1"),
            ("http://memory", "memory", 80, "/"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!((endpoint.host(), endpoint.port(), endpoint.path()), (host, port, path), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_measured_is_refused_with_a_reason() {
        for (url, why) in [
            ("https://host/mcp", "no TLS"),
            ("ftp://host/", "scheme `ftp`"),
            ("host:80", "it does not begin with `http://`"),
            ("/mcp", "it does not begin with `http://`"),
            ("http://user:secret@host/", "user name or password"),
            ("not a url", "it is not a URL"),
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("hint:"), "{url}: {error}");
        }
    }
}
