//! Which servers `DATABASE_URL` names, and how they are reached. Opens no connection.

use super::tls::Tls;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const EXAMPLE: &str = "`postgres://user:password@host:5432/database`";
/// Deadline of a connection to one of the servers.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Time without an answer after which a connection counts as dead.
const SILENCE: Duration = Duration::from_secs(10);

/// The servers of a database, with the password. Its debug text has neither.
#[derive(Clone)]
pub struct PostgresTarget {
    config: Config,
    tls: Tls,
    connections: usize,
}

impl PostgresTarget {
    /// Returns true if a URL names a Postgres server.
    pub fn is_named_by(url: &str) -> bool {
        SCHEMES.iter().any(|scheme| url.starts_with(scheme))
    }

    /// Parses a URL. `ca` has certificates in PEM that replace the roots of the system, and `connections` is the number of connections of this
    /// instance.
    ///
    /// # Errors
    /// Returns why the URL cannot be used, without the URL.
    pub fn parse(url: &str, ca: Option<&[u8]>, connections: usize) -> Result<Self, String> {
        if !Self::is_named_by(url) {
            return Err(format!("is not a URL such as {EXAMPLE}"));
        }
        // The text of the error has names of parameters and no values.
        let mut config = Config::from_str(url).map_err(|error| match std::error::Error::source(&error) {
            Some(why) => format!("is not a URL such as {EXAMPLE}: {why}"),
            None => format!("is not a URL such as {EXAMPLE}"),
        })?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none_or(str::is_empty) {
            return Err(format!("names no host or no database; write it like {EXAMPLE}"));
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(format!("names no user; write it like {EXAMPLE}"));
        }
        // A host may be named for the certificate only, and have another address.
        let is_local = config.get_hosts().iter().all(is_local)
            && config.get_hostaddrs().iter().all(|address| address.is_loopback());
        let (hosts, addresses, ports) =
            (config.get_hosts().len(), config.get_hostaddrs().len(), config.get_ports().len());
        if ![0, hosts].contains(&addresses) || ![0, 1, hosts].contains(&ports) {
            return Err(format!("has {hosts} hosts, but {addresses} addresses and {ports} ports"));
        }
        match ssl_mode(url) {
            Some("disable" | "require") => {}
            Some(other) => {
                return Err(format!(
                    "has `sslmode={other}`; write `require`, which also verifies the certificate, or `disable`"
                ));
            }
            // Without this, a password could cross a network in the clear because a server offers no TLS.
            None => drop(config.ssl_mode(if is_local { SslMode::Disable } else { SslMode::Require })),
        }
        let uses_tls = config.get_ssl_mode() == SslMode::Require;
        if ca.is_some() && !uses_tls {
            return Err("uses no TLS, so `DATABASE_CA_FILE` has no effect; add `sslmode=require`".to_owned());
        }
        let tls = if uses_tls { Tls::verifying(ca)? } else { Tls::off() };
        config
            .application_name("mcp")
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_user_timeout(SILENCE)
            .keepalives(true)
            .keepalives_idle(SILENCE)
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3)
            // A standby accepts connections too, and refuses every write.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, tls, connections: connections.max(2) })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Returns a configuration for each server, in their order. The driver tries all of them one after the other, and one that hangs ends that.
    pub(super) fn servers(&self) -> Vec<Config> {
        (0..self.config.get_hosts().len()).map(|number| server(&self.config, number)).collect()
    }

    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Returns the servers and the database as text, for errors.
    pub(super) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let host = |(at, host): (usize, &Host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            Host::Unix(folder) => folder.display().to_string(),
        };
        let hosts: Vec<String> = self.config.get_hosts().iter().enumerate().map(host).collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
}

impl fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Returns the configuration of one of the servers alone. The driver cannot remove a host, so everything else is copied.
fn server(all: &Config, number: usize) -> Config {
    let mut one = Config::new();
    match &all.get_hosts()[number] {
        Host::Tcp(name) => one.host(name),
        Host::Unix(folder) => one.host_path(folder),
    };
    if let Some(address) = all.get_hostaddrs().get(number) {
        one.hostaddr(*address);
    }
    if let Some(port) = all.get_ports().get(number).or(all.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    if let Some(name) = all.get_application_name() {
        one.application_name(name);
    }
    if let Some(deadline) = all.get_connect_timeout() {
        one.connect_timeout(*deadline);
    }
    if let Some(silence) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(*silence);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding())
        .target_session_attrs(all.get_target_session_attrs())
        .load_balance_hosts(all.get_load_balance_hosts());
    one
}

/// Returns true for a socket of this machine and for loopback.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn ssl_mode(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("sslmode="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_required_beyond_this_machine_and_verified() {
        let mode = |url: &str| PostgresTarget::parse(url, None, 4).map(|target| target.config.get_ssl_mode());
        assert_eq!(mode("postgres://u:p@127.0.0.1/d"), Ok(SslMode::Disable));
        assert_eq!(mode("postgresql://u@%2Fvar%2Frun%2Fpostgresql/d"), Ok(SslMode::Disable));
        assert_eq!(mode("postgres://u:p@db.example:5432,other.example:5433/d"), Ok(SslMode::Require));
        assert_eq!(mode("postgres://u:p@db.example/d?sslmode=disable"), Ok(SslMode::Disable));
        assert_eq!(mode("postgres://u:p@localhost/d?hostaddr=127.0.0.1"), Ok(SslMode::Disable));
        assert_eq!(mode("postgres://u:p@localhost/d?hostaddr=192.0.2.7"), Ok(SslMode::Require));
    }

    #[test]
    fn each_server_has_the_settings_of_all_and_its_own_host_and_port() {
        let url = "postgres://u:p@one:1,two:2/d?options=-c%20geqo%3Doff&channel_binding=disable&sslnegotiation=direct";
        let target = PostgresTarget::parse(url, None, 4).unwrap();
        for (number, name) in ["one", "two"].into_iter().enumerate() {
            let alone = url.replace("one:1,two:2", &format!("{name}:{}", number + 1));
            let expected = PostgresTarget::parse(&alone, None, 4).unwrap();
            assert_eq!(target.servers()[number], expected.config);
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason_and_without_the_password() {
        let cases = [
            ("postgre://u:hunter2@h/d", "is not a URL"),
            ("postgres://u:hunter2@h:port/d", "is not a URL"),
            ("postgres://u:hunter2@h/d?slmode=require", "slmode"),
            ("postgres://u:hunter2@h", "no database"),
            ("postgres:///hunter2", "no host"),
            ("postgres://h/hunter2", "no user"),
            ("postgres://u:hunter2@h/d?sslmode=prefer", "`sslmode=prefer`"),
        ];
        for (url, expected) in cases {
            let why = PostgresTarget::parse(url, None, 4).unwrap_err();
            assert!(why.contains(expected) && !why.contains("hunter2"), "{url}: {why}");
        }
        let no_tls = PostgresTarget::parse("postgres://u:hunter2@127.0.0.1/d", Some(b"x"), 4).unwrap_err();
        assert!(no_tls.contains("DATABASE_CA_FILE"), "{no_tls}");
        let no_pem = PostgresTarget::parse("postgres://u:hunter2@db.example/d", Some(b"hunter2"), 4).unwrap_err();
        assert!(no_pem.contains("PEM") && !no_pem.contains("hunter2"), "{no_pem}");
        let target = PostgresTarget::parse("postgres://u:hunter2@127.0.0.1:5433,[::1]/d", None, 4).unwrap();
        assert_eq!(
            (target.place().as_str(), format!("{target:?}").as_str()),
            ("127.0.0.1:5433,::1:5432/d", "(secret)")
        );
    }
}
