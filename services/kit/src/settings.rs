//! Reads the settings of a service from environment variables: those that every service has ([`Settings`]) and those that only this service
//! has ([`ServiceSettings`]). All problems are reported together.

mod log_level;
mod own;

pub use crate::env_reader::{EnvReader, Environment, SettingsError};
use crate::provider::ProviderSettings;
use crate::redis_target::RedisTarget;
pub use crate::secret::{DEVELOPMENT_SECRET, MIN_SECRET_BYTES, Secret};
use jiff::civil::Date;
use mcp_contracts::{Plan, Service, env};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings that every service has.
#[derive(Debug, Clone)]
pub struct Settings {
    pub service: Service,
    pub environment: Environment,
    pub listen: SocketAddr,
    /// Key that signs and checks tokens.
    pub secret: Secret,
    /// Key that the next rotation signs with; tokens signed with it are accepted already.
    pub next_secret: Option<Secret>,
    /// Key before the last rotation; tokens signed with it are still accepted.
    pub previous_secret: Option<Secret>,
    /// Day on which `secret` became the key.
    pub secret_since: Option<Date>,
    /// The Redis for quotas.
    pub redis: Option<RedisTarget>,
    pub redis_deadline: Duration,
    pub fallback: Fallback,
    /// Number of instances that share a limit.
    pub instances: u32,
    pub limits: QuotaLimits,
    /// Allowed `Host` names besides loopback.
    pub allowed_hosts: Vec<String>,
    /// Allowed origins besides loopback.
    pub allowed_origins: Vec<String>,
    /// URL under which clients reach the service.
    pub public_url: Option<String>,
    /// Issuer named in RFC 9728 metadata.
    pub authorization_server: Option<String>,
    /// The identity provider whose tokens are accepted besides those of `secret`.
    pub provider: Option<ProviderSettings>,
    /// Token that `/metrics` requires.
    pub metrics_token: Option<Secret>,
    /// Filter of the log, such as `mcp_memory=debug,info`.
    pub log_level: String,
    pub log_dir: Option<PathBuf>,
    /// Largest total size of the files in it.
    pub log_dir_bytes: u64,
    pub otlp_endpoint: Option<String>,
    pub request_deadline: Duration,
    pub max_concurrent_requests: usize,
    /// Maximum number of connections of one address; `None` means three quarters of all.
    pub max_connections_per_address: Option<usize>,
    pub header_read_deadline: Duration,
    pub keep_alive: Duration,
    /// Time within which a client must read a part of what was sent to it.
    pub write_deadline: Duration,
    /// Time after SIGTERM in which requests are still accepted while the service is not ready.
    pub drain_notice: Duration,
    /// Time after the notice in which running requests may finish.
    pub drain_deadline: Duration,
    /// Number of worker threads; `None` means one per core.
    pub worker_threads: Option<usize>,
    /// Database of the service; the URL may contain a password.
    pub database_url: Secret,
    /// Problems that do not prevent the start. They are logged later, because there is no log yet when settings are read.
    pub warnings: Vec<String>,
}

/// Settings that only one service has.
pub trait ServiceSettings: Sized + Send + 'static {
    /// Reads the settings. The reader collects the problems and reports them together.
    fn read(reader: &mut EnvReader<'_>) -> Self;
}

/// A service without settings of its own.
impl ServiceSettings for () {
    fn read(_reader: &mut EnvReader<'_>) {}
}

/// Behaviour of the quota while Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Limits calls in process.
    Local,
    /// Refuses every call.
    Closed,
    /// Admits every call.
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Daily calls by plan, in the order of [`Plan::ALL`].
    pub daily: [u64; 4],
    /// Calls of an organisation per second.
    pub burst_per_second: u64,
}

impl QuotaLimits {
    pub const fn daily(&self, plan: Plan) -> u64 {
        match plan {
            Plan::Free => self.daily[0],
            Plan::Pro => self.daily[1],
            Plan::Team => self.daily[2],
            Plan::Enterprise => self.daily[3],
        }
    }
}

/// Reads the settings from the environment of this process.
///
/// # Errors
/// Reports every variable that cannot be used.
pub fn from_env<Own: ServiceSettings>(service: Service) -> Result<(Settings, Own), SettingsError> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for variable in env::ALL {
        match std::env::var_os(variable.name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) => drop(values.insert(variable.name.to_owned(), value)),
            Some(Err(_)) => problems.push(format!("`{}` is not UTF-8; set it to plain text", variable.name)),
            None => {}
        }
    }
    let read = from_values(service, &values);
    if problems.is_empty() {
        return read;
    }
    problems.extend(read.err().into_iter().flat_map(|error| error.problems));
    Err(SettingsError { problems })
}

/// Reads the settings from a map from variable to value.
///
/// # Errors
/// Reports every variable that cannot be used.
pub fn from_values<Own: ServiceSettings>(
    service: Service,
    values: &BTreeMap<String, String>,
) -> Result<(Settings, Own), SettingsError> {
    let mut reader = EnvReader::new(values);
    let settings = Settings::read(service, &mut reader);
    let own = Own::read(&mut reader);
    reader.finish((settings, own))
}

impl Settings {
    /// Returns the keys whose tokens are accepted: the one that signs, then those of a rotation.
    pub fn accepted_secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.secret).chain(&self.next_secret).chain(&self.previous_secret)
    }

    /// Reads only the settings that every service has.
    ///
    /// # Errors
    /// Reports every variable that cannot be used.
    pub fn from_values(service: Service, values: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        from_values::<()>(service, values).map(|(settings, ())| settings)
    }

    fn read(service: Service, reader: &mut EnvReader<'_>) -> Self {
        let mut warnings = Vec::new();
        let environment = reader.environment();
        let fallback = reader.one_of(
            env::RATE_LIMIT_FALLBACK,
            &[("local", Fallback::Local), ("closed", Fallback::Closed), ("open", Fallback::Open)],
        );
        // `open` admits every call, so an outage of Redis would remove all limits.
        if environment == Environment::Production && fallback == Fallback::Open {
            reader.problem(env::RATE_LIMIT_FALLBACK, "`open` is refused in production; use `local` or `closed`");
        }
        let default_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, service.default_port()));
        let listen = reader.optional(env::LISTEN_ADDR, "an address such as `127.0.0.1:7420`").unwrap_or(default_listen);
        // Every client that reaches the service could sign tokens with a key that is published or can be guessed.
        let exposed = environment == Environment::Production || !listen.ip().to_canonical().is_loopback();
        let secret = reader.secret(exposed, &mut warnings);
        let next_secret = reader.other_secret(env::JWT_SECRET_NEXT, exposed);
        let previous_secret = reader.other_secret(env::JWT_SECRET_PREVIOUS, exposed);
        let secret_since = reader.optional(env::JWT_SECRET_SINCE, "a day such as `2026-11-24`");
        let provider = ProviderSettings::read(reader, environment);
        let authorization_server = reader
            .http_url(env::AUTHORIZATION_SERVER_URL)
            .or_else(|| provider.as_ref()?.issuer().filter(|issuer| issuer.starts_with("http")));
        if environment == Environment::Production && authorization_server.is_none() {
            warnings.push(format!(
                "`{}` is not set: the metadata names no issuer of tokens to clients",
                env::AUTHORIZATION_SERVER_URL
            ));
        }
        Self {
            service,
            environment,
            listen,
            secret,
            next_secret,
            previous_secret,
            secret_since,
            redis: reader.redis(),
            redis_deadline: reader.millis(env::REDIS_DEADLINE_MS),
            fallback,
            instances: reader.number(env::RATE_LIMIT_INSTANCES, 1, 10_000) as u32,
            limits: reader.limits(),
            allowed_hosts: reader.list(env::ALLOWED_HOSTS),
            allowed_origins: reader.list(env::ALLOWED_ORIGINS),
            public_url: reader.http_url(env::PUBLIC_URL),
            authorization_server,
            provider,
            metrics_token: reader.text(env::METRICS_TOKEN).map(Secret::new),
            log_level: reader.log_level(),
            log_dir: reader.folder(env::LOG_DIR),
            log_dir_bytes: reader.number(env::LOG_DIR_MAX_MIB, 8, 1 << 20) << 20,
            otlp_endpoint: reader.http_url(env::OTEL_EXPORTER_OTLP_ENDPOINT),
            request_deadline: reader.millis(env::REQUEST_DEADLINE_MS),
            max_concurrent_requests: reader.number(env::MAX_CONCURRENT_REQUESTS, 1, 1_000_000) as usize,
            max_connections_per_address: reader
                .optional_number(env::MAX_CONNECTIONS_PER_ADDRESS, 1, 1_000_000)
                .map(|connections| connections as usize),
            header_read_deadline: reader.millis(env::HEADER_READ_DEADLINE_MS),
            keep_alive: reader.millis(env::KEEP_ALIVE_MS),
            write_deadline: reader.millis(env::WRITE_DEADLINE_MS),
            drain_notice: Duration::from_millis(reader.number(env::DRAIN_NOTICE_MS, 0, 600_000)),
            drain_deadline: reader.millis(env::DRAIN_DEADLINE_MS),
            worker_threads: reader.optional_number(env::WORKER_THREADS, 1, 1_024).map(|threads| threads as usize),
            database_url: Secret::new(
                reader.text(env::DATABASE_URL).unwrap_or_else(|| format!("sqlite://data/{}.db", service.name())),
            ),
            warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let values = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::from_values(Service::Memory, &values)
    }

    #[test]
    fn an_empty_environment_is_a_development_service_on_loopback_with_a_warning() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.listen, "127.0.0.1:7420".parse().unwrap());
        assert_eq!(settings.environment, Environment::Development);
        assert_eq!(settings.limits.daily, [100, 3_000, 10_000, 1_000_000]);
        assert_eq!(settings.warnings.len(), 1);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let error = read(&[
            (env::APP_ENV, "staging"),
            (env::LISTEN_ADDR, "nowhere"),
            (env::REDIS_DEADLINE_MS, "soon"),
            (env::PUBLIC_URL, "ftp://x"),
            (env::REDIS_URL, "http://x"),
            (env::JWT_SECRET_SINCE, "yesterday"),
        ])
        .unwrap_err();
        assert_eq!(error.problems.len(), 6, "{error}");
    }

    #[test]
    fn production_refuses_missing_short_and_guessable_keys_and_the_open_fallback() {
        let strong = "9f8e7d6c5b4a39281706f5e4d3c2b1a0ffeeddcc";
        assert!(read(&[(env::APP_ENV, "production"), (env::JWT_SECRET, strong)]).is_ok());
        assert!(read(&[(env::APP_ENV, "production")]).is_err());
        for weak in [
            "short",
            DEVELOPMENT_SECRET,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "please-changeme-please-changeme-please",
        ] {
            let error = read(&[(env::APP_ENV, "production"), (env::JWT_SECRET, weak)]).unwrap_err();
            assert_eq!(error.problems.len(), 1, "{weak}");
            assert!(!error.to_string().contains(weak), "the key is in the message");
        }
        let open = [(env::APP_ENV, "production"), (env::JWT_SECRET, strong), (env::RATE_LIMIT_FALLBACK, "open")];
        assert!(read(&open).is_err());
        let next = [(env::APP_ENV, "production"), (env::JWT_SECRET, strong), (env::JWT_SECRET_NEXT, "short")];
        assert!(read(&next).unwrap_err().problems[0].contains(env::JWT_SECRET_NEXT));
        let rotated = [(env::APP_ENV, "production"), (env::JWT_SECRET, strong), (env::JWT_SECRET_PREVIOUS, "short")];
        assert!(read(&rotated).is_err());
    }

    #[test]
    fn beyond_loopback_every_environment_refuses_missing_published_and_weak_keys() {
        let strong = "9f8e7d6c5b4a39281706f5e4d3c2b1a0ffeeddcc";
        let weak = [
            "",
            " ",
            DEVELOPMENT_SECRET,
            "please-changeme-please-changeme-please",
            "abababababababababababababababababab",
        ];
        for environment in ["", "development", "production"] {
            for listen in ["0.0.0.0:7420", "[::]:7420", "192.168.1.5:80", "[::ffff:10.0.0.1]:80"] {
                let with = |secret| {
                    read(&[(env::APP_ENV, environment), (env::LISTEN_ADDR, listen), (env::JWT_SECRET, secret)])
                };
                assert!(with(strong).is_ok(), "{environment} {listen}");
                for secret in weak {
                    let error = with(secret).unwrap_err();
                    assert!(
                        error.problems.iter().all(|problem| problem.contains(env::JWT_SECRET)),
                        "{listen} {secret}: {error}"
                    );
                }
            }
        }
        for listen in ["127.0.0.1:7420", "127.8.8.8:1", "[::1]:7420", "[::ffff:127.0.0.1]:1"] {
            assert!(read(&[(env::LISTEN_ADDR, listen), (env::JWT_SECRET, DEVELOPMENT_SECRET)]).is_ok(), "{listen}");
        }
    }

    #[test]
    fn a_log_level_that_would_hide_errors_is_refused_with_an_example() {
        let error = read(&[(env::LOG_LEVEL, "verbose")]).unwrap_err().to_string();
        assert!(error.contains("`LOG_LEVEL`") && error.contains("`mcp_memory=debug,info`"), "{error}");
        assert_eq!(read(&[(env::LOG_LEVEL, "Warning")]).unwrap().log_level, "warn");
    }

    #[test]
    fn secrets_are_never_printed() {
        let settings = read(&[
            (env::JWT_SECRET, "9f8e7d6c5b4a39281706f5e4d3c2b1a0ffeeddcc"),
            (env::REDIS_URL, "redis://:hunter2hunter2@127.0.0.1:1"),
            (env::DATABASE_URL, "postgres://u:hunter2hunter2@127.0.0.1/x"),
        ]);
        let text = format!("{:?}", settings.unwrap());
        assert!(!text.contains("9f8e7d6c") && !text.contains("hunter2"));
    }
}
