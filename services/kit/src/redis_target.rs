//! Where Redis is: one server, or the Sentinels that name the master. Settings parse it at the start; what is not supported is refused there.

use crate::certificate::first_expiry;
use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates,
    TlsMode,
};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;

const SENTINEL_PORT: u16 = 26_379;
/// Schemes of one server that the client understands. `valkey` is another name of `redis`.
const SERVER_SCHEMES: [&str; 7] = ["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix"];
const TLS_SCHEMES: [&str; 3] = ["rediss", "valkeys", "rediss+sentinel"];
const EXAMPLES: &str =
    "`redis://127.0.0.1:6379`, `rediss://user:password@host:6380` or `redis+sentinel://host1,host2,host3/name`";

/// A Redis. Clones share it. It is never printed, because it contains a password.
#[derive(Clone)]
pub struct RedisTarget {
    kind: Kind,
    issuer_expiry: Option<Timestamp>,
}

#[derive(Clone)]
enum Kind {
    Server(Box<Client>),
    Sentinels { number: u32, client: Arc<Mutex<SentinelClient>> },
}

/// The login at the Sentinels, which is not that of the master.
#[derive(Default)]
struct SentinelLogin {
    user: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for RedisTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl RedisTarget {
    /// Parses a URL. `ca` has certificates in PEM that replace the roots of the system.
    ///
    /// # Errors
    /// Returns why the URL cannot be used, without the URL.
    pub fn parse(url: &str, ca: Option<&[u8]>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| format!("is not a URL such as {EXAMPLES}"))?;
        let scheme = scheme.to_ascii_lowercase();
        let tls = TLS_SCHEMES.contains(&scheme.as_str());
        if ca.is_some() && !tls {
            return Err(
                "uses no TLS, so `REDIS_CA_FILE` has no effect; write `rediss://` or `rediss+sentinel://`".to_owned()
            );
        }
        if let Some(ca) = ca
            && !ca.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----")
        {
            return Err("`REDIS_CA_FILE` has no certificate in PEM form".to_owned());
        }
        let certificates = tls.then(|| TlsCertificates { client_tls: None, root_cert: ca.map(<[u8]>::to_vec) });
        let kind = match scheme.as_str() {
            "redis+sentinel" | "rediss+sentinel" => sentinels(rest.strip_prefix("//").unwrap_or(rest), certificates),
            known if SERVER_SCHEMES.contains(&known) => server(url, certificates),
            "redis+cluster" | "rediss+cluster" | "redis-cluster" => {
                Err("names a Redis Cluster, which is not supported; use one server or Sentinels".to_owned())
            }
            "http" | "https" | "tcp" | "ssl" | "tls" => {
                Err(format!("begins with `{scheme}://`, which is no scheme of Redis; write it like {EXAMPLES}"))
            }
            _ => Err(format!("is not a URL such as {EXAMPLES}")),
        };
        Ok(Self { kind: kind?, issuer_expiry: ca.and_then(first_expiry) })
    }

    /// Returns the time at which the first of the authorities in `REDIS_CA_FILE` expires.
    pub(crate) fn issuer_expiry(&self) -> Option<Timestamp> {
        self.issuer_expiry
    }

    /// Returns the number of servers that a connection may have to try.
    pub(crate) fn places(&self) -> u32 {
        match &self.kind {
            Kind::Server(_) => 1,
            Kind::Sentinels { number, .. } => number + 1,
        }
    }

    /// Connects to the server, or to the master that a Sentinel names.
    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        match &self.kind {
            Kind::Server(client) => client.get_multiplexed_async_connection_with_config(config).await,
            Kind::Sentinels { client, .. } => {
                // Boxed, because the future that asks each Sentinel is large.
                Box::pin(async { client.lock().await.get_async_connection_with_config(config).await }).await
            }
        }
    }
}

fn server(url: &str, certificates: Option<TlsCertificates>) -> Result<Kind, String> {
    if url.contains(',') && parsed(url).is_err() {
        return Err(
            "names several servers; name their Sentinels as `redis+sentinel://host1,host2,host3/name`".to_owned()
        );
    }
    if url.ends_with("#insecure") {
        return Err(
            "has `#insecure`, which would accept any certificate; set `REDIS_CA_FILE` to the certificate of its issuer"
                .to_owned(),
        );
    }
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(url, certificates),
        None => Client::open(url),
    };
    client
        .map(|client| Kind::Server(Box::new(client)))
        .map_err(|error| format!("is not a URL such as {EXAMPLES}: {}", reason(&error)))
}

/// Parses `[user:password@]host[:port],…/name[/database][?sentinelUser=…&sentinelPassword=…]`.
fn sentinels(rest: &str, certificates: Option<TlsCertificates>) -> Result<Kind, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    let (name, database) = path.split_once('/').unwrap_or((path, "0"));
    if name.is_empty() {
        return Err("names no master; write it as `redis+sentinel://host1,host2,host3/name`".to_owned());
    }
    let at = if login.is_empty() { String::new() } else { format!("{login}@") };
    let node = parsed(&format!("redis://{at}localhost/{database}"))
        .map_err(|why| format!("has a login or a database that cannot be read: {why}"))?;
    let scheme = if certificates.is_some() { "rediss" } else { "redis" };
    let addresses = hosts.split(',').map(|host| sentinel_address(scheme, host));
    let addresses: Vec<ConnectionAddr> = addresses.collect::<Result<_, _>>()?;
    let number = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let SentinelLogin { user, password } = sentinel_login(query)?;
    let build = || {
        let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?;
        builder = builder.set_client_to_redis_db(node.redis_settings().db());
        if let Some(user) = node.redis_settings().username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = node.redis_settings().password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let Some(certificates) = certificates {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
            builder = builder.set_client_to_redis_certificates(certificates.clone());
            builder = builder.set_client_to_sentinel_tls_mode(TlsMode::Secure);
            builder = builder.set_client_to_sentinel_certificates(certificates);
        }
        builder.build()
    };
    let client = build().map_err(|error| format!("names Sentinels that cannot be used: {}", reason(&error)))?;
    Ok(Kind::Sentinels { number, client: Arc::new(Mutex::new(client)) })
}

fn sentinel_address(scheme: &str, host: &str) -> Result<ConnectionAddr, String> {
    let wrong = || "has a Sentinel that is not `host` or `host:port`".to_owned();
    let url = reqwest::Url::parse(&format!("redis://{host}")).map_err(|_| wrong())?;
    let name = url.host_str().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    let info = parsed(&format!("{scheme}://{name}:{}", url.port().unwrap_or(SENTINEL_PORT))).map_err(|_| wrong())?;
    Ok(info.addr().clone())
}

fn sentinel_login(query: &str) -> Result<SentinelLogin, String> {
    let mut login = SentinelLogin::default();
    let url = reqwest::Url::parse(&format!("redis://localhost/?{query}")).map_err(|error| error.to_string())?;
    for (name, value) in url.query_pairs() {
        match &*name {
            "sentinelUser" => login.user = Some(value.into_owned()),
            "sentinelPassword" => login.password = Some(value.into_owned()),
            _ => return Err(format!("has the unknown parameter `{name}`; known: `sentinelUser`, `sentinelPassword`")),
        }
    }
    Ok(login)
}

fn parsed(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|error| reason(&error))
}

/// Returns the reason of an error without its detail, which may repeat the URL and its password.
fn reason(error: &redis::RedisError) -> String {
    error
        .to_string()
        .split(" - ")
        .next()
        .map(|text| text.split(':').next().unwrap_or(text).to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_form_is_accepted() {
        let urls = [
            ("redis://127.0.0.1:6379", 1),
            ("redis://app:p%40ss%3Aw%2Frd%231@redis.example:6379/2", 1),
            ("rediss://user:pw@redis.example.com:6380", 1),
            ("unix:///run/redis.sock", 1),
            ("redis+sentinel://127.0.0.1/main", 2),
            ("redis+sentinel://app:p%2Cw@a:26379,b,[::1]:26381/main/3?sentinelUser=s&sentinelPassword=x%26y", 4),
            ("rediss+sentinel://:pw@a.example,b.example/main", 3),
        ];
        for (url, places) in urls {
            let target = RedisTarget::parse(url, None).unwrap_or_else(|why| panic!("{url}: {why}"));
            assert_eq!(target.places(), places, "{url}");
            assert_eq!(format!("{target:?}"), "(secret)");
        }
    }

    #[test]
    fn the_end_of_validity_of_its_issuer_is_known() {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 1, 1);
        let issuer = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        let target = RedisTarget::parse("rediss://a:1", Some(issuer.as_bytes())).unwrap();
        assert_eq!(target.issuer_expiry().unwrap().to_string(), "2031-01-01T00:00:00Z");
        assert_eq!(RedisTarget::parse("rediss://a:1", None).unwrap().issuer_expiry(), None);
    }

    #[test]
    fn what_is_not_supported_is_refused_with_its_reason_and_without_the_password() {
        let cases = [
            ("redis.example:hunter2", None, "is not a URL"),
            ("hunter2", None, "is not a URL"),
            ("http://hunter2@redis.example", None, "no scheme of Redis"),
            ("redis+cluster://:hunter2@a,b", None, "Redis Cluster"),
            ("redis://:hunter2@a:1,b:2", None, "several servers"),
            ("redis://:hunter2@a:port", None, "is not a URL"),
            ("rediss://:hunter2@a:1/#insecure", None, "REDIS_CA_FILE"),
            ("redis+sentinel://:hunter2@a:1", None, "names no master"),
            ("redis+sentinel://:hunter2@a:1,/main", None, "a Sentinel that is not"),
            ("redis+sentinel://:hunter2@a:1/main/x", None, "a login or a database"),
            ("redis+sentinel://:hunter2@a/main?user=hunter2", None, "the unknown parameter `user`"),
            ("redis://:hunter2@a:1", Some(&b"-----BEGIN CERTIFICATE-----"[..]), "uses no TLS"),
            ("rediss://:hunter2@a:1", Some(b"hunter2"), "no certificate in PEM form"),
        ];
        for (url, ca, expected) in cases {
            let why = RedisTarget::parse(url, ca).unwrap_err();
            assert!(why.contains(expected) && !why.contains("hunter2"), "{url}: {why}");
        }
    }
}
