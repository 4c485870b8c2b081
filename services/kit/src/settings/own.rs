//! Reads the settings that have rules of their own: the keys, Redis, the filter of the log, the limits of the quota.

use super::{QuotaLimits, log_level};
use crate::database::postgres::PostgresTarget;
use crate::env_reader::EnvReader;
use crate::redis_target::RedisTarget;
use crate::secret::{DEVELOPMENT_SECRET, MIN_SECRET_BYTES, Secret};
use mcp_contracts::env;

impl EnvReader<'_> {
    pub(super) fn redis(&mut self) -> Option<RedisTarget> {
        let ca = self.text(env::REDIS_CA_FILE).and_then(|path| self.file(env::REDIS_CA_FILE, &path));
        let Some(url) = self.text(env::REDIS_URL) else {
            if ca.is_some() {
                self.problem(env::REDIS_CA_FILE, format_args!("has no effect without `{}`", env::REDIS_URL));
            }
            return None;
        };
        // The problem does not repeat the value, because the URL may contain a password.
        RedisTarget::parse(&url, ca.as_deref()).map_err(|why| self.problem(env::REDIS_URL, why)).ok()
    }

    /// Reads the Postgres server that `DATABASE_URL` names; none if it names a file. For a service that supports both.
    pub fn postgres(&mut self) -> Option<PostgresTarget> {
        let connections = self.number(env::DATABASE_CONNECTIONS, 2, 1_000) as usize;
        let ca = self.text(env::DATABASE_CA_FILE).and_then(|path| self.file(env::DATABASE_CA_FILE, &path));
        let url = self.text(env::DATABASE_URL).filter(|url| !url.starts_with("sqlite:"));
        let Some(url) = url else {
            if ca.is_some() {
                self.problem(env::DATABASE_CA_FILE, "has no effect unless `DATABASE_URL` names a Postgres server");
            }
            return None;
        };
        // No problem repeats the value, because the URL may contain a password.
        if !PostgresTarget::is_named_by(&url) {
            let examples = "is neither a file, such as `sqlite://data/memory.db`, nor a server, such as `postgres://user:password@host:5432/database`";
            self.problem(env::DATABASE_URL, examples);
            return None;
        }
        let target = PostgresTarget::parse(&url, ca.as_deref(), connections);
        target.map_err(|why| self.problem(env::DATABASE_URL, why)).ok()
    }

    pub(super) fn log_level(&mut self) -> String {
        let value = self.text(env::LOG_LEVEL).unwrap_or_default();
        log_level::parse(&value).unwrap_or_else(|why| {
            self.problem(env::LOG_LEVEL, format_args!("{why}; write it like `info` or `mcp_memory=debug,info`"));
            value
        })
    }

    /// Reads the key for tokens. `exposed`: production, or others than the users of this machine can reach the service.
    pub(super) fn secret(&mut self, exposed: bool, warnings: &mut Vec<String>) -> Secret {
        let Some(value) = self.text(env::JWT_SECRET) else {
            if exposed {
                self.problem(
                    env::JWT_SECRET,
                    "is not set; production, and any address but loopback, needs a random key of at least 32 bytes, such as from \
                     `openssl rand -hex 32`",
                );
            } else {
                warnings.push(format!(
                    "`{}` is not set: tokens are signed with a public key for development",
                    env::JWT_SECRET
                ));
            }
            return Secret::new(DEVELOPMENT_SECRET);
        };
        let secret = Secret::new(value);
        self.check_secret(env::JWT_SECRET, &secret, exposed);
        secret
    }

    /// Reads a key of a rotation, which signs nothing.
    pub(super) fn other_secret(&mut self, name: &str, exposed: bool) -> Option<Secret> {
        let secret = Secret::new(self.text(name)?);
        self.check_secret(name, &secret, exposed);
        Some(secret)
    }

    fn check_secret(&mut self, name: &str, secret: &Secret, exposed: bool) {
        let length = secret.reveal().len();
        if length < MIN_SECRET_BYTES {
            self.problem(name, format_args!("has {length} bytes; use a random key of at least {MIN_SECRET_BYTES}"));
        } else if exposed && secret.is_guessable() {
            self.problem(name, "is published or can be guessed; use a random key, such as from `openssl rand -hex 32`");
        }
    }

    pub(super) fn limits(&mut self) -> QuotaLimits {
        let names = [env::QUOTA_FREE_DAILY, env::QUOTA_PRO_DAILY, env::QUOTA_TEAM_DAILY, env::QUOTA_ENTERPRISE_DAILY];
        QuotaLimits {
            daily: names.map(|name| self.number(name, 0, 1_000_000_000_000)),
            burst_per_second: self.number(env::QUOTA_BURST_PER_SECOND, 1, 1_000_000_000),
        }
    }
}
