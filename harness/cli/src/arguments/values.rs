//! Values that several commands read: durations, and services with their URLs or lies.

use crate::names::unknown;
use mcp_contracts::Service;
use std::time::Duration;

/// Reads `500ms`, `30s`, `5m` or `1h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration such as `500ms`, `30s` or `5m`");
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let number: f64 = text[..split].parse().map_err(|_| wrong())?;
    let secs = match &text[split..] {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(secs).map_err(|_| wrong())
}

/// Reads `SERVICE=URL`.
pub(super) fn parse_url(text: &str) -> Result<(String, String), String> {
    let (service, url) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not like `memory=http://127.0.0.1:7420`"))?;
    service_of(service).map(|service| (service.name().to_owned(), url.to_owned()))
}

/// Reads `SERVICE=LIE`.
pub(super) fn parse_lie(text: &str) -> Result<(Service, String), String> {
    let wrong = || format!("`{text}` is not like `guardrails=block-not-honoured`; `liar --list` names the lies");
    let (service, lie) = text.split_once('=').ok_or_else(wrong)?;
    service_of(service).map(|service| (service, lie.to_owned()))
}

/// Reads `SERVICE=TIME`.
pub(super) fn parse_slow(text: &str) -> Result<(Service, Duration), String> {
    let (service, time) = text.split_once('=').ok_or_else(|| format!("`{text}` is not like `memory=200ms`"))?;
    Ok((service_of(service)?, parse_duration(time)?))
}

fn service_of(name: &str) -> Result<Service, String> {
    let known = Service::ALL.into_iter().find(|service| service.name() == name);
    known.ok_or_else(|| unknown("service", name, &Service::ALL.map(Service::name)))
}

#[cfg(test)]
mod tests {
    use super::{Duration, parse_duration, parse_lie, parse_slow, parse_url};

    #[test]
    fn durations_are_read_with_their_unit_and_never_without() {
        for (text, expected) in [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "5d", "-1s"] {
            assert!(parse_duration(text).unwrap_err().contains("is not a duration"), "{text}");
        }
    }

    #[test]
    fn a_service_that_does_not_exist_is_told_with_the_nearest_that_does() {
        assert!(parse_url("memroy=http://127.0.0.1:1").unwrap_err().contains("did you mean `memory`"));
        assert!(parse_url("http://127.0.0.1:1").unwrap_err().contains("is not like"));
        assert!(parse_slow("memory").unwrap_err().contains("is not like"));
        assert!(parse_slow("memory=soon").unwrap_err().contains("is not a duration"));
        assert!(parse_lie("guardrails").unwrap_err().contains("liar --list"));
    }
}
