//! The settings of a service: the only place that reads the environment. Every problem is reported, not the first alone.

mod reader;

use mcp_contracts::{Plan, Service, env};
use reader::Reader;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Shortest accepted key of tokens, in bytes (RFC 7518 section 3.2: at least the size of the hash).
pub const MIN_SECRET_BYTES: usize = 32;
/// The key of tokens in development where none is set. Known to everybody, refused in production.
pub const DEVELOPMENT_SECRET: &str = "development-only-secret-known-to-everybody";

/// Everything a service can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which service this is.
    pub service: Service,
    /// Development or production.
    pub environment: Environment,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Key of tokens.
    pub secret: Secret,
    /// The key before the last rotation.
    pub previous_secret: Option<Secret>,
    /// Redis of the quota, as a URL; it may hold a password.
    pub redis_url: Option<Secret>,
    /// How long Redis may take to answer.
    pub redis_deadline: Duration,
    /// What the quota does without Redis.
    pub fallback: Fallback,
    /// How many instances share a limit.
    pub instances: u32,
    /// Limits of the plans.
    pub limits: QuotaLimits,
    /// Accepted `Host` names besides loopback.
    pub allowed_hosts: Vec<String>,
    /// Accepted origins besides loopback.
    pub allowed_origins: Vec<String>,
    /// The URL that clients know.
    pub public_url: Option<String>,
    /// Issuer named in RFC 9728 metadata.
    pub authorization_server: Option<String>,
    /// Filter of the log.
    pub log_level: String,
    /// Folder of log files.
    pub log_dir: Option<PathBuf>,
    /// OTLP endpoint of traces.
    pub otlp_endpoint: Option<String>,
    /// How long one request may take.
    pub request_deadline: Duration,
    /// Most requests at once.
    pub max_concurrent_requests: usize,
    /// How long a request head may take.
    pub header_read_deadline: Duration,
    /// How long new requests are still answered after SIGTERM, while the service is no longer ready.
    pub drain_notice: Duration,
    /// How long running requests may take after that.
    pub drain_deadline: Duration,
    /// Worker threads; `None` means one per core.
    pub worker_threads: Option<usize>,
    /// Where the service keeps its data; it may hold a password.
    pub database_url: Secret,
    /// Folder of rule files beside the built-in ones (guardrails).
    pub rules_dir: Option<PathBuf>,
    /// Folder of catalogue files in place of the built-in ones (patterns).
    pub catalog_dir: Option<PathBuf>,
    /// Where the peers are (orchestrator).
    pub peers: Peers,
    /// How long one attempt at a peer may take (orchestrator).
    pub peer_deadline: Duration,
    /// How long a whole workflow may take (orchestrator).
    pub workflow_deadline: Duration,
    /// The model that completes what agents draft (orchestrator).
    pub llm: Option<LlmSettings>,
    /// What the plans may spend on models in a day, in micro-dollars, in the order of [`Plan::ALL`] (orchestrator).
    pub llm_daily_budgets: [u64; 4],
    /// What a person should know although it stops nothing.
    pub warnings: Vec<String>,
}

/// Where the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine: defaults are accepted.
    Development,
    /// Customers: nothing unsafe is accepted.
    Production,
}

/// What the quota does when Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Goes on with an in-process limiter.
    Local,
    /// Refuses.
    Closed,
    /// Admits everything.
    Open,
}

/// Limits of the plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Daily calls of the plans in the order of [`Plan::ALL`].
    pub daily: [u64; 4],
    /// Calls of an organisation in one second.
    pub burst_per_second: u64,
}

impl QuotaLimits {
    /// Daily calls of an organisation on `plan`.
    pub const fn daily(&self, plan: Plan) -> u64 {
        match plan {
            Plan::Free => self.daily[0],
            Plan::Pro => self.daily[1],
            Plan::Team => self.daily[2],
            Plan::Enterprise => self.daily[3],
        }
    }
}

/// Base URLs of the peers; each has one or more instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// Memory.
    pub memory: Vec<String>,
    /// Guardrails.
    pub guardrails: Vec<String>,
    /// Patterns.
    pub patterns: Vec<String>,
}

/// An OpenAI-compatible endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmSettings {
    /// Its base URL, without a slash at the end.
    pub base_url: String,
    /// Its key.
    pub api_key: Option<Secret>,
    /// Model to ask for.
    pub model: String,
    /// How long it may take.
    pub deadline: Duration,
    /// Price of a million tokens that it reads, in micro-dollars.
    pub prompt_price: u64,
    /// Price of a million tokens that it writes, in micro-dollars.
    pub completion_price: u64,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What is wrong with the settings, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    /// One line for each problem: the variable, why it does not do, what to do.
    pub problems: Vec<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the settings cannot be used:", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl Settings {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// Names every variable that cannot be used.
    pub fn from_env(service: Service) -> Result<Self, SettingsError> {
        let mut values = BTreeMap::new();
        let mut problems = Vec::new();
        for variable in env::ALL {
            match std::env::var_os(variable.name).map(std::ffi::OsString::into_string) {
                Some(Ok(value)) => drop(values.insert(variable.name.to_owned(), value)),
                Some(Err(_)) => problems.push(format!("`{}` is not UTF-8; set it to plain text", variable.name)),
                None => {}
            }
        }
        match Self::from_values(service, &values) {
            Ok(settings) if problems.is_empty() => Ok(settings),
            Ok(_) => Err(SettingsError { problems }),
            Err(error) => {
                problems.extend(error.problems);
                Err(SettingsError { problems })
            }
        }
    }

    /// The URL that clients know, or the address it listens on.
    pub fn base_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// Reads settings out of a map from variable name to value.
    ///
    /// # Errors
    /// Names every variable that cannot be used.
    pub fn from_values(service: Service, values: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        let mut reader = Reader { values, problems: Vec::new() };
        let mut warnings = Vec::new();
        let environment = reader.one_of(
            env::APP_ENV,
            &[("development", Environment::Development), ("production", Environment::Production)],
        );
        let fallback = reader.one_of(
            env::RATE_LIMIT_FALLBACK,
            &[("local", Fallback::Local), ("closed", Fallback::Closed), ("open", Fallback::Open)],
        );
        if environment == Environment::Production && fallback == Fallback::Open {
            reader.problem(env::RATE_LIMIT_FALLBACK, "`open` is refused in production; use `local` or `closed`");
        }
        let secret = reader.secret(environment, &mut warnings);
        let previous_secret = reader.text(env::JWT_SECRET_PREVIOUS).map(Secret::new);
        if let Some(previous) = &previous_secret {
            reader.check_secret(env::JWT_SECRET_PREVIOUS, previous, environment);
        }
        let default_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, service.default_port()));
        let settings = Self {
            service,
            environment,
            listen: reader.optional(env::LISTEN_ADDR, "an address such as `127.0.0.1:7420`").unwrap_or(default_listen),
            secret,
            previous_secret,
            redis_url: reader.redis_url(),
            redis_deadline: reader.millis(env::REDIS_DEADLINE_MS),
            fallback,
            instances: reader.number(env::RATE_LIMIT_INSTANCES, 1, 10_000) as u32,
            limits: reader.limits(),
            allowed_hosts: reader.list(env::ALLOWED_HOSTS),
            allowed_origins: reader.list(env::ALLOWED_ORIGINS),
            public_url: reader.http_url(env::PUBLIC_URL),
            authorization_server: reader.http_url(env::AUTHORIZATION_SERVER_URL),
            log_level: reader.text(env::LOG_LEVEL).unwrap_or_default(),
            log_dir: reader.text(env::LOG_DIR).map(PathBuf::from),
            otlp_endpoint: reader.http_url(env::OTEL_EXPORTER_OTLP_ENDPOINT),
            request_deadline: reader.millis(env::REQUEST_DEADLINE_MS),
            max_concurrent_requests: reader.number(env::MAX_CONCURRENT_REQUESTS, 1, 1_000_000) as usize,
            header_read_deadline: reader.millis(env::HEADER_READ_DEADLINE_MS),
            drain_notice: Duration::from_millis(reader.number(env::DRAIN_NOTICE_MS, 0, 600_000)),
            drain_deadline: reader.millis(env::DRAIN_DEADLINE_MS),
            worker_threads: reader.optional_number(env::WORKER_THREADS, 1, 1_024).map(|threads| threads as usize),
            database_url: Secret::new(
                reader.text(env::DATABASE_URL).unwrap_or_else(|| format!("sqlite://data/{}.db", service.name())),
            ),
            rules_dir: reader.text(env::RULES_DIR).map(PathBuf::from),
            catalog_dir: reader.text(env::CATALOG_DIR).map(PathBuf::from),
            peers: Peers {
                memory: reader.http_urls(env::MCP_MEMORY_URL),
                guardrails: reader.http_urls(env::MCP_GUARDRAILS_URL),
                patterns: reader.http_urls(env::MCP_PATTERNS_URL),
            },
            peer_deadline: reader.millis(env::PEER_DEADLINE_MS),
            workflow_deadline: reader.millis(env::WORKFLOW_DEADLINE_MS),
            llm: reader.llm(),
            llm_daily_budgets: reader.llm_budgets(),
            warnings,
        };
        if reader.problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems: reader.problems }) }
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
    fn nothing_set_is_a_development_service_on_loopback_that_warns_of_its_key() {
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
            (env::LISTEN_ADDR, "somewhere"),
            (env::REDIS_DEADLINE_MS, "soon"),
            (env::PUBLIC_URL, "ftp://x"),
            (env::REDIS_URL, "http://x"),
        ])
        .unwrap_err();
        assert_eq!(error.problems.len(), 5, "{error}");
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
        let rotated = [(env::APP_ENV, "production"), (env::JWT_SECRET, strong), (env::JWT_SECRET_PREVIOUS, "short")];
        assert!(read(&rotated).is_err());
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
