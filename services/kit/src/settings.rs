//! The settings of a service: the only place that reads the environment. Every problem is reported, not the first alone.

use mcp_contracts::{Plan, Service, env};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
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

struct Reader<'a> {
    values: &'a BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn problem(&mut self, name: &str, why: impl fmt::Display) {
        self.problems.push(format!("`{name}`: {why}"));
    }

    /// The value, or its default; an empty one counts as absent.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        value.or_else(|| env::ALL.iter().find(|variable| variable.name == name)?.default.map(str::to_owned))
    }

    fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let value = self.text(name).unwrap_or_default();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == value) {
            return *choice;
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.problem(name, format_args!("`{value}` is not one of {}", words.join(", ")));
        choices[0].1
    }

    fn optional<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        let value = self.text(name)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.problem(name, format_args!("`{value}` is not {wanted}"));
        }
        parsed
    }

    fn optional_number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.text(name)?;
        match value.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                self.problem(name, format_args!("`{value}` is not a whole number from {least} to {most}"));
                None
            }
        }
    }

    fn number(&mut self, name: &str, least: u64, most: u64) -> u64 {
        self.optional_number(name, least, most).unwrap_or(least)
    }

    fn millis(&mut self, name: &str) -> Duration {
        Duration::from_millis(self.number(name, 1, 3_600_000))
    }

    fn list(&self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        value.split(',').map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect()
    }

    fn http_url(&mut self, name: &str) -> Option<String> {
        let value = self.text(name)?;
        self.checked_url(name, &value)
    }

    fn checked_url(&mut self, name: &str, value: &str) -> Option<String> {
        let usable = value
            .parse::<http::Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        if usable.is_none() {
            self.problem(name, format_args!("`{value}` is not a URL; it begins with `http://` or `https://`"));
        }
        usable.map(|_| value.trim_end_matches('/').to_owned())
    }

    fn http_urls(&mut self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        items.into_iter().filter_map(|item| self.checked_url(name, item)).collect()
    }

    fn llm(&mut self) -> Option<LlmSettings> {
        let base_url = self.http_url(env::LLM_BASE_URL);
        let settings = LlmSettings {
            base_url: base_url.clone().unwrap_or_default(),
            api_key: self.text(env::LLM_API_KEY).map(Secret::new),
            model: self.text(env::LLM_MODEL).unwrap_or_default(),
            deadline: self.millis(env::LLM_DEADLINE_MS),
            prompt_price: self.number(env::LLM_PROMPT_PRICE, 0, 1_000_000_000_000),
            completion_price: self.number(env::LLM_COMPLETION_PRICE, 0, 1_000_000_000_000),
        };
        base_url.map(|_| settings)
    }

    fn llm_budgets(&mut self) -> [u64; 4] {
        let value = self.text(env::LLM_DAILY_BUDGETS).unwrap_or_default();
        let numbers: Option<Vec<u64>> = value.split(',').map(|item| item.trim().parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).unwrap_or_else(|| {
            let wanted = "is not four whole numbers separated by commas: free, pro, team, enterprise";
            self.problem(env::LLM_DAILY_BUDGETS, format_args!("`{value}` {wanted}"));
            [0; 4]
        })
    }

    fn redis_url(&mut self) -> Option<Secret> {
        let value = self.text(env::REDIS_URL)?;
        if redis::IntoConnectionInfo::into_connection_info(value.as_str()).is_err() {
            self.problem(env::REDIS_URL, "is not a Redis URL, such as `redis://127.0.0.1:6379`");
        }
        Some(Secret::new(value))
    }

    fn secret(&mut self, environment: Environment, warnings: &mut Vec<String>) -> Secret {
        let Some(value) = self.text(env::JWT_SECRET) else {
            if environment == Environment::Production {
                self.problem(env::JWT_SECRET, "is missing; production needs a random key of at least 32 bytes");
            } else {
                warnings.push(format!(
                    "`{}` is missing: tokens are signed with a key that everybody knows",
                    env::JWT_SECRET
                ));
            }
            return Secret::new(DEVELOPMENT_SECRET);
        };
        let secret = Secret::new(value);
        self.check_secret(env::JWT_SECRET, &secret, environment);
        secret
    }

    fn check_secret(&mut self, name: &str, secret: &Secret, environment: Environment) {
        let text = secret.reveal();
        if text.len() < MIN_SECRET_BYTES {
            self.problem(
                name,
                format_args!("has {} bytes; use a random key of at least {MIN_SECRET_BYTES}", text.len()),
            );
        } else if environment == Environment::Production {
            let lower = text.to_ascii_lowercase();
            let first = text.as_bytes()[0];
            let guessable = lower.contains("development")
                || lower.contains("changeme")
                || lower.contains("change-me")
                || lower.contains("example")
                || text.bytes().all(|byte| byte == first);
            if guessable {
                self.problem(name, "is a default that others know; use a random key");
            }
        }
    }

    fn limits(&mut self) -> QuotaLimits {
        let names = [env::QUOTA_FREE_DAILY, env::QUOTA_PRO_DAILY, env::QUOTA_TEAM_DAILY, env::QUOTA_ENTERPRISE_DAILY];
        QuotaLimits {
            daily: names.map(|name| self.number(name, 0, 1_000_000_000_000)),
            burst_per_second: self.number(env::QUOTA_BURST_PER_SECOND, 1, 1_000_000_000),
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
