//! Values that several commands share: durations, and services with a URL, a lie or a delay.

use crate::names::unknown;
use harness_core::plan::data_file::{DURATION_TEXT, duration};
use harness_core::plan::topology::Limits;
use mcp_contracts::Service;
use mcp_contracts::service::MCP_PATH;
use std::time::Duration;

/// Reads a duration such as `500ms`, `30s` or `5m`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|why| format!("{why}; use {DURATION_TEXT}"))
}

/// Reads `SERVICE=URL`.
pub(super) fn parse_url(text: &str) -> Result<(String, String), String> {
    let (service, url) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not like `memory=http://127.0.0.1:7420`"))?;
    service_of(service).map(|service| (service.name().to_owned(), base_url(service, url).to_owned()))
}

/// Returns the base URL of a service. People also copy the URL that a client is configured with, which ends in `/mcp` or `/mcp/<service>`.
pub(crate) fn base_url(service: Service, url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    let url = url.strip_suffix(service.name()).and_then(|rest| rest.strip_suffix("/mcp/")).unwrap_or(url);
    url.strip_suffix(MCP_PATH).unwrap_or(url).trim_end_matches('/')
}

/// Reads the origin of a web page, in the form in which a browser sends it.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not an origin such as `https://app.example.com`");
    let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let (scheme, host) = origin.split_once("://").ok_or_else(wrong)?;
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte));
    let is_default = matches!((scheme, host.rsplit_once(':')), ("http", Some((_, "80"))) | ("https", Some((_, "443"))));
    match scheme {
        "http" | "https" if is_default => Err(format!("{}: a browser omits the default port", wrong())),
        "http" | "https" if is_host => Ok(origin),
        _ => Err(wrong()),
    }
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

/// Reads `CPUcpu,MEMORYmb`: cores, and MiB or GiB.
pub(super) fn parse_limits(text: &str) -> Result<Limits, String> {
    let wrong = || format!("`{text}` is not like `0.25cpu,512mb` or `1cpu,2gb`");
    let lower = text.to_ascii_lowercase();
    let (cpu, memory) = lower.split_once(',').ok_or_else(wrong)?;
    let cores: Option<f64> = cpu.strip_suffix("cpu").and_then(|cores| cores.parse().ok());
    let cores = cores.filter(|cores| (0.01..=64.0).contains(cores)).ok_or_else(wrong)?;
    let mebibytes = |memory: &str| memory.parse::<u32>().ok();
    let memory_mib = match (memory.strip_suffix("mb"), memory.strip_suffix("gb")) {
        (Some(memory), _) => mebibytes(memory),
        (None, Some(memory)) => mebibytes(memory).and_then(|gibibytes| gibibytes.checked_mul(1_024)),
        (None, None) => None,
    };
    let cpu_percent = (cores * 100.0).round() as u32;
    Ok(Limits { cpu_percent, memory_mib: memory_mib.ok_or_else(wrong)? })
}

fn service_of(name: &str) -> Result<Service, String> {
    let known = Service::ALL.into_iter().find(|service| service.name() == name);
    known.ok_or_else(|| unknown("service", name, &Service::ALL.map(Service::name)))
}

#[cfg(test)]
mod tests {
    use super::{Duration, Limits, parse_duration, parse_lie, parse_limits, parse_origin, parse_slow, parse_url};

    #[test]
    fn the_url_of_a_client_is_accepted_as_the_base_url() {
        for (url, base) in [
            ("http://[::1]:7420", "http://[::1]:7420"),
            ("http://127.0.0.1:7420/", "http://127.0.0.1:7420"),
            ("http://127.0.0.1:7420/mcp", "http://127.0.0.1:7420"),
            ("http://127.0.0.1:7420/mcp/", "http://127.0.0.1:7420"),
            (" http://127.0.0.1:7420/mcp/memory/", "http://127.0.0.1:7420"),
            ("http://127.0.0.1:7420/mcp/patterns", "http://127.0.0.1:7420/mcp/patterns"),
            ("https://tools.example.com/team/mcp", "https://tools.example.com/team"),
        ] {
            assert_eq!(parse_url(&format!("memory={url}")), Ok(("memory".to_owned(), base.to_owned())), "{url}");
        }
    }

    #[test]
    fn an_origin_has_the_form_in_which_a_browser_sends_it() {
        for (text, origin) in [
            ("https://App.example.com/", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:5", "http://[::1]:5"),
        ] {
            assert_eq!(parse_origin(text), Ok(origin.to_owned()));
        }
        for text in [
            "app.example.com",
            "https://",
            "https://a.example/page",
            "ftp://a.example",
            "https://a.example:443",
            "null",
            "https://a b",
        ] {
            assert!(parse_origin(text).unwrap_err().contains("is not an origin"), "{text}");
        }
    }

    #[test]
    fn a_duration_needs_a_unit() {
        for (text, expected) in [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        for text in ["", "5", "s", "5d", "-1s"] {
            let why = parse_duration(text).unwrap_err();
            assert!(why.contains("is not a duration") || why.contains("has no unit"), "{why}");
            assert!(why.contains("`20ms`"), "the message shows an example: {why}");
        }
    }

    #[test]
    fn limits_are_those_of_a_small_container() {
        for (text, cpu_percent, memory_mib) in [("0.25cpu,512mb", 25, 512), ("1CPU,2GB", 100, 2_048)] {
            assert_eq!(parse_limits(text), Ok(Limits { cpu_percent, memory_mib }), "{text}");
        }
        for text in [
            "",
            "0.25cpu",
            "512mb",
            "0.25,512",
            "0.25cpu,512",
            "xcpu,512mb",
            "0cpu,512mb",
            "-1cpu,512mb",
            "1cpu,0.5gb",
            "1cpu,9999999gb",
        ] {
            assert!(parse_limits(text).unwrap_err().contains("is not like `0.25cpu,512mb`"), "{text}");
        }
    }

    #[test]
    fn an_unknown_service_is_reported_with_the_nearest_known_name() {
        assert!(parse_url("memroy=http://127.0.0.1:1").unwrap_err().contains("did you mean `memory`"));
        assert!(parse_url("http://127.0.0.1:1").unwrap_err().contains("is not like"));
        assert!(parse_slow("memory").unwrap_err().contains("is not like"));
        assert!(parse_slow("memory=soon").unwrap_err().contains("is not a duration"));
        assert!(parse_lie("guardrails").unwrap_err().contains("liar --list"));
    }
}
