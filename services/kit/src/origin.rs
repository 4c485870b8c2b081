//! Refuses requests with a foreign `Host` or `Origin`, so that a web page cannot reach a local service through DNS rebinding
//! (MCP 2026-07-28, basic/transports, security).

use http::{HeaderMap, Uri, header};

/// Allowed hosts and origins besides loopback.
#[derive(Debug, Clone, Default)]
pub struct OriginPolicy {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl OriginPolicy {
    /// Allows loopback and these; `hosts` are names without a port, `origins` are like `https://app.example.com`.
    pub fn new(hosts: Vec<String>, origins: Vec<String>) -> Self {
        Self { hosts, origins }
    }

    /// Returns the name of the header that is not allowed, if any.
    pub fn refused_header(&self, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
        // Two hosts are an attack on a proxy that reads another one than this service (RFC 9112, section 3.2).
        if headers.get_all(header::HOST).iter().nth(1).is_some() {
            return Some("Host");
        }
        // A host in the request line replaces the `Host` header (RFC 9112, section 3.2.2).
        let host = uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok());
        if !host.is_some_and(|host| self.accepts_host(host)) {
            return Some("Host");
        }
        self.refused_origin(headers)
    }

    fn refused_origin(&self, headers: &HeaderMap) -> Option<&'static str> {
        // Only browsers send `Origin`, so a missing one is allowed. With several, each must be allowed.
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let foreign = origins.any(|origin| !origin.to_str().is_ok_and(|origin| self.accepts_origin(origin)));
        foreign.then_some("Origin")
    }

    /// Returns the name of the header that is not allowed for a page of the operator, such as `/metrics`. Probes and scrapers call a service by
    /// its address or by a name without a dot, which no web page can point to another machine.
    pub fn refused_header_of_page(&self, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
        let named =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|host| host.as_str()));
        let local = named.is_none_or(|host| {
            host.parse::<http::uri::Authority>().is_ok_and(|authority| is_address_or_local_name(authority.host()))
        });
        match self.refused_header(uri, headers) {
            Some("Host") if local && headers.get_all(header::HOST).iter().nth(1).is_none() => {
                self.refused_origin(headers)
            }
            refused => refused,
        }
    }

    fn accepts_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
        let name = authority.host();
        // `ALLOWED_HOSTS` may name a host with its port or without it.
        is_loopback(name)
            || self.hosts.iter().any(|allowed| name.eq_ignore_ascii_case(allowed) || host.eq_ignore_ascii_case(allowed))
    }

    /// Returns true if a page of `origin` may use the service.
    pub fn accepts_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|allowed| origin.eq_ignore_ascii_case(allowed)) {
            return true;
        }
        let Ok(uri) = origin.parse::<Uri>() else { return false };
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(is_loopback)
    }
}

fn is_address_or_local_name(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    !bare.contains('.') || bare.parse::<std::net::IpAddr>().is_ok()
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(host: &str, origin: Option<&str>) -> Option<&'static str> {
        let policy = OriginPolicy::new(vec!["mcp.example.com".into()], vec!["https://app.example.com".into()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        policy.refused_header(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn loopback_and_configured_names_pass_with_any_port() {
        for host in
            ["127.0.0.1:7420", "localhost", "LOCALHOST:1", "[::1]:7420", "mcp.example.com", "mcp.example.com:443"]
        {
            assert_eq!(refused(host, None), None, "{host}");
        }
        for origin in ["http://localhost:3000", "http://127.0.0.1", "https://app.example.com", "http://[::1]:5"] {
            assert_eq!(refused("localhost", Some(origin)), None, "{origin}");
        }
    }

    #[test]
    fn foreign_names_are_refused_even_if_they_resemble_allowed_ones() {
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "mcp.example.com.evil.example"]
        {
            assert_eq!(refused(host, None), Some("Host"), "{host}");
        }
        for origin in
            ["http://evil.example", "null", "http://localhost.evil.example", "file://", "https://app.example.com.evil"]
        {
            assert_eq!(refused("localhost", Some(origin)), Some("Origin"), "{origin}");
        }
        assert_eq!(OriginPolicy::default().refused_header(&Uri::from_static("/mcp"), &HeaderMap::new()), Some("Host"));
    }
}
