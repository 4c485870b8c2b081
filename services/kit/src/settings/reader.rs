//! Reads values of environment variables by name, with one function per kind of value. A value that cannot be used becomes a problem and
//! reading goes on, so that all problems are reported together.

use super::{DEVELOPMENT_SECRET, MIN_SECRET_BYTES, QuotaLimits, Secret, SettingsError, log_level};
use crate::redis_target::RedisTarget;
use mcp_contracts::env;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Reads values and collects problems. Defaults come from [`env::ALL`].
pub struct EnvReader<'a> {
    values: &'a BTreeMap<String, String>,
    problems: Vec<String>,
}

impl<'a> EnvReader<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, String>) -> Self {
        Self { values, problems: Vec::new() }
    }

    pub(super) fn finish<T>(self, settings: T) -> Result<T, SettingsError> {
        if self.problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems: self.problems }) }
    }

    pub fn problem(&mut self, name: &str, why: impl fmt::Display) {
        self.problems.push(format!("`{name}`: {why}"));
    }

    /// Returns the value or its default. An empty value counts as not set.
    // Compose files and `.env` files cannot pass a variable as not set; they pass it empty (`ALLOWED_HOSTS:
    // ${ALLOWED_HOSTS:-}`).
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        value.or_else(|| env::ALL.iter().find(|variable| variable.name == name)?.default.map(str::to_owned))
    }

    pub fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let value = self.text(name).unwrap_or_default();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == value) {
            return *choice;
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.problem(name, format_args!("`{value}` is not one of {}", words.join(", ")));
        // Never used: a reader with a problem returns no settings. The same holds for the fallback of `number`.
        choices[0].1
    }

    pub fn optional<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.text(name)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.problem(name, format_args!("`{value}` is not {expected}"));
        }
        parsed
    }

    pub fn optional_number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.text(name)?;
        match value.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                self.problem(name, format_args!("`{value}` is not a whole number from {least} to {most}"));
                None
            }
        }
    }

    pub fn number(&mut self, name: &str, least: u64, most: u64) -> u64 {
        self.optional_number(name, least, most).unwrap_or(least)
    }

    /// Reads a duration of 1 ms to 1 hour.
    pub fn millis(&mut self, name: &str) -> Duration {
        Duration::from_millis(self.number(name, 1, 3_600_000))
    }

    pub fn folder(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// Returns the items of a list, in lower case.
    pub fn list(&self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        value.split(',').map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect()
    }

    pub fn http_url(&mut self, name: &str) -> Option<String> {
        let value = self.text(name)?;
        self.checked_url(name, &value)
    }

    fn checked_url(&mut self, name: &str, value: &str) -> Option<String> {
        let usable = value
            .parse::<http::Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        if usable.is_none() {
            self.problem(name, format_args!("`{value}` is not a URL that begins with `http://` or `https://`"));
        }
        // Paths are appended to the URL, each with its own `/`.
        usable.map(|_| value.trim_end_matches('/').to_owned())
    }

    /// Returns the URLs of a list.
    pub fn http_urls(&mut self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        items.into_iter().filter_map(|item| self.checked_url(name, item)).collect()
    }

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

    /// Reads a file of at most 1 MiB.
    fn file(&mut self, name: &str, path: &str) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut content));
        read.map_err(|error| self.problem(name, format_args!("cannot read `{path}`: {error}"))).ok().map(|_| content)
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
        let text = secret.reveal();
        if text.len() < MIN_SECRET_BYTES {
            self.problem(
                name,
                format_args!("has {} bytes; use a random key of at least {MIN_SECRET_BYTES}", text.len()),
            );
        } else if exposed && is_guessable(text) {
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

/// Words of keys that are published: `development` is in `DEVELOPMENT_SECRET`, the others are usual in examples.
const PUBLISHED_WORDS: [&str; 6] = ["development", "changeme", "change-me", "change_me", "example", "password"];
/// Number of different bytes that a random key has at least. Of 32 random hexadecimal digits fewer than 8 are different in one of 20 million cases.
const MIN_DIFFERENT_BYTES: usize = 8;

fn is_guessable(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let different: std::collections::BTreeSet<u8> = key.bytes().collect();
    PUBLISHED_WORDS.iter().any(|word| lower.contains(word)) || different.len() < MIN_DIFFERENT_BYTES
}
