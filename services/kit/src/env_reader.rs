//! Reads values of environment variables by name, with one function per kind of value. A value that cannot be used becomes a problem and
//! reading goes on, so that all problems are reported together.

use mcp_contracts::env;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Defaults are accepted.
    Development,
    /// Unsafe settings are refused.
    Production,
}

/// Every problem of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    /// One line per problem: the variable, why its value cannot be used, and how to fix it.
    pub problems: Vec<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "{count} problem{} in the settings:", if count == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Reads values and collects problems. Defaults come from [`env::ALL`].
pub struct EnvReader<'a> {
    values: &'a BTreeMap<String, String>,
    problems: Vec<String>,
}

impl<'a> EnvReader<'a> {
    pub(crate) fn new(values: &'a BTreeMap<String, String>) -> Self {
        Self { values, problems: Vec::new() }
    }

    pub(crate) fn finish<T>(self, settings: T) -> Result<T, SettingsError> {
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

    pub(crate) fn environment(&mut self) -> Environment {
        self.one_of(env::APP_ENV, &[("development", Environment::Development), ("production", Environment::Production)])
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

    /// Reads a file of at most 1 MiB.
    pub(crate) fn file(&mut self, name: &str, path: &str) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut content));
        read.map_err(|error| self.problem(name, format_args!("cannot read `{path}`: {error}"))).ok().map(|_| content)
    }
}
