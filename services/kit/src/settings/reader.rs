//! From texts of the environment to values: one function for each kind of value, which notes what is wrong and goes on, so that every problem
//! is told at once. Which variables there are is not decided here.

use super::{DEVELOPMENT_SECRET, Environment, LlmSettings, MIN_SECRET_BYTES, QuotaLimits, Secret};
use mcp_contracts::env;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Reads values and gathers problems.
pub(super) struct Reader<'a> {
    pub(super) values: &'a BTreeMap<String, String>,
    pub(super) problems: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, name: &str, why: impl fmt::Display) {
        self.problems.push(format!("`{name}`: {why}"));
    }

    /// The value, or its default; an empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        value.or_else(|| env::ALL.iter().find(|variable| variable.name == name)?.default.map(str::to_owned))
    }

    pub(super) fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let value = self.text(name).unwrap_or_default();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == value) {
            return *choice;
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.problem(name, format_args!("`{value}` is not one of {}", words.join(", ")));
        choices[0].1
    }

    pub(super) fn optional<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        let value = self.text(name)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.problem(name, format_args!("`{value}` is not {wanted}"));
        }
        parsed
    }

    pub(super) fn optional_number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.text(name)?;
        match value.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                self.problem(name, format_args!("`{value}` is not a whole number from {least} to {most}"));
                None
            }
        }
    }

    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> u64 {
        self.optional_number(name, least, most).unwrap_or(least)
    }

    pub(super) fn millis(&mut self, name: &str) -> Duration {
        Duration::from_millis(self.number(name, 1, 3_600_000))
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        value.split(',').map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect()
    }

    pub(super) fn http_url(&mut self, name: &str) -> Option<String> {
        let value = self.text(name)?;
        self.checked_url(name, &value)
    }

    pub(super) fn checked_url(&mut self, name: &str, value: &str) -> Option<String> {
        let usable = value
            .parse::<http::Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        if usable.is_none() {
            self.problem(name, format_args!("`{value}` is not a URL; it begins with `http://` or `https://`"));
        }
        usable.map(|_| value.trim_end_matches('/').to_owned())
    }

    pub(super) fn http_urls(&mut self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        items.into_iter().filter_map(|item| self.checked_url(name, item)).collect()
    }

    pub(super) fn llm(&mut self) -> Option<LlmSettings> {
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

    pub(super) fn llm_budgets(&mut self) -> [u64; 4] {
        let value = self.text(env::LLM_DAILY_BUDGETS).unwrap_or_default();
        let numbers: Option<Vec<u64>> = value.split(',').map(|item| item.trim().parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).unwrap_or_else(|| {
            let wanted = "is not four whole numbers separated by commas: free, pro, team, enterprise";
            self.problem(env::LLM_DAILY_BUDGETS, format_args!("`{value}` {wanted}"));
            [0; 4]
        })
    }

    pub(super) fn redis_url(&mut self) -> Option<Secret> {
        let value = self.text(env::REDIS_URL)?;
        if redis::IntoConnectionInfo::into_connection_info(value.as_str()).is_err() {
            self.problem(env::REDIS_URL, "is not a Redis URL, such as `redis://127.0.0.1:6379`");
        }
        Some(Secret::new(value))
    }

    pub(super) fn secret(&mut self, environment: Environment, warnings: &mut Vec<String>) -> Secret {
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

    pub(super) fn check_secret(&mut self, name: &str, secret: &Secret, environment: Environment) {
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

    pub(super) fn limits(&mut self) -> QuotaLimits {
        let names = [env::QUOTA_FREE_DAILY, env::QUOTA_PRO_DAILY, env::QUOTA_TEAM_DAILY, env::QUOTA_ENTERPRISE_DAILY];
        QuotaLimits {
            daily: names.map(|name| self.number(name, 0, 1_000_000_000_000)),
            burst_per_second: self.number(env::QUOTA_BURST_PER_SECOND, 1, 1_000_000_000),
        }
    }
}
