//! Reads the settings file of a local stack (`NAME=value`, as in .env.mcp.local), and reports every problem with its
//! line. Ignores settings that the stack chooses itself.

use crate::exit::Failure;
use harness_core::plan::data_file::{Problem, nearest, problem_lines};
use harness_core::plan::topology::{Topology, client_variable};
use mcp_contracts::{Service, env};
use std::path::Path;

/// Variables whose values the stack chooses itself: addresses, data and logs.
const DECIDED: [&str; 6] =
    [env::LISTEN_ADDR, env::PUBLIC_URL, env::DATABASE_URL, env::REDIS_URL, env::LOG_DIR, env::RATE_LIMIT_INSTANCES];
/// Variables that hold folders, relative to the current folder.
const FOLDERS: [&str; 2] = [env::RULES_DIR, env::CATALOG_DIR];

/// A stack as it is configured by its settings file.
pub(super) struct ConfiguredStack {
    pub(super) topology: Topology,
    /// The key of the tokens, if the file sets one.
    pub(super) secret: Option<String>,
}

/// Reads a file and applies it to a topology.
pub(super) fn read(path: &Path, topology: Topology) -> Result<ConfiguredStack, Failure> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("`{file}` cannot be read: {error}\nhint: cp .env.mcp.local.example .env.mcp.local"))
    })?;
    apply(&file, &text, topology)
        .map_err(|problems| Failure::usage(format!("the settings cannot be used:{}", problem_lines(&problems))))
}

fn apply(file: &str, text: &str, topology: Topology) -> Result<ConfiguredStack, Vec<Problem>> {
    let mut wanted = ConfiguredStack { topology, secret: None };
    let mut problems = Vec::new();
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        if let Err((what, allowed)) = wanted.take(name.trim(), value.trim()) {
            problems.push(Problem { place: format!("{file}:{number}"), key: name.to_owned(), what, allowed });
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(problems) }
}

impl ConfiguredStack {
    /// Applies one setting. An error has the problem and the allowed values.
    fn take(&mut self, name: &str, value: &str) -> Result<(), (String, String)> {
        let Some(variable) = env::ALL.iter().find(|variable| variable.name == name) else {
            let near = nearest(name, env::ALL.iter().map(|variable| variable.name));
            let what = near.map(|near| format!("unknown variable; did you mean `{near}`?"));
            let allowed = "the names in .env.mcp.local.example".to_owned();
            return Err((what.unwrap_or_else(|| "unknown variable".to_owned()), allowed));
        };
        if value.starts_with(['"', '\'']) {
            return Err(("the value is in quotes".to_owned(), "a value without quotes".to_owned()));
        }
        if value.is_empty() || DECIDED.contains(&variable.name) {
            return Ok(());
        }
        if variable.name == env::JWT_SECRET {
            self.secret = Some(value.to_owned());
            return Ok(());
        }
        let topology = std::mem::replace(&mut self.topology, Topology { parts: Vec::new() });
        if let Some(service) = Service::ALL.into_iter().find(|service| client_variable(*service) == variable.name) {
            let port = port_of(value);
            self.topology = port.map_or_else(|| topology.clone(), |port| topology.clone().with_port(service, port));
            let allowed = format!("a URL such as `http://127.0.0.1:{}`", service.default_port());
            return port
                .map(|_| ())
                .ok_or_else(|| (format!("`{value}` is not an address of this machine with a port"), allowed));
        }
        // A service runs in the folder of the stack, where a relative path would name another folder.
        let value = match std::path::absolute(value) {
            Ok(path) if FOLDERS.contains(&variable.name) => path.display().to_string(),
            Ok(_) | Err(_) => value.to_owned(),
        };
        self.topology = topology.with_setting_everywhere(variable.name, value);
        Ok(())
    }
}

fn port_of(url: &str) -> Option<u16> {
    let rest = url.strip_prefix("http://")?.trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':')?;
    ["127.0.0.1", "localhost"].contains(&host).then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{Topology, apply, env};
    use mcp_contracts::Service;

    #[test]
    fn a_stack_gets_its_ports_its_key_and_its_settings_and_decides_the_rest() {
        let text = "# comment\n\nJWT_SECRET=a-key\nMCP_MEMORY_URL=http://127.0.0.1:7420\nLOG_LEVEL=debug\nLLM_MODEL=\n\
            LISTEN_ADDR=0.0.0.0:1\nREDIS_URL=redis://elsewhere\nRULES_DIR=my-rules\n";
        let wanted = apply("it", text, Topology::full()).ok().unwrap();
        assert_eq!(wanted.secret.as_deref(), Some("a-key"));
        let memory = wanted.topology.part("memory").unwrap();
        assert_eq!((memory.port, memory.settings[env::LOG_LEVEL].as_str()), (Some(7420), "debug"));
        assert!(memory.settings[env::RULES_DIR].starts_with('/'), "{:?}", memory.settings);
        for decided in [env::LISTEN_ADDR, env::REDIS_URL, env::LLM_MODEL, env::JWT_SECRET, env::MCP_MEMORY_URL] {
            assert!(!memory.settings.contains_key(decided), "{decided}");
        }
        assert_eq!(wanted.topology.of(Service::Patterns).next().unwrap().port, None);
    }

    #[test]
    fn every_problem_is_reported_with_its_line() {
        let text = "LOG_LEVLE=debug\nLOG_LEVEL=\"debug\"\nMCP_PATTERNS_URL=https://patterns.example\nno assignment\n";
        let problems = apply("my.env", text, Topology::full()).err().unwrap();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines[0].starts_with("my.env:1: `LOG_LEVLE`") && lines[0].contains("did you mean `LOG_LEVEL`"),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains("quotes") && lines[2].contains("http://127.0.0.1:7422"), "{lines:?}");
        assert!(lines[3].starts_with("my.env:4"), "{}", lines[3]);
    }
}
