//! The services of a compose file, after its anchors and merges are resolved.

use harness_core::drive::hardening::{Probe, Stop};
use serde_json::Value;

const NAMES: [&str; 4] = ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"];

pub(super) struct Compose {
    pub(super) file: &'static str,
    pub(super) services: Vec<ComposeService>,
}

pub(super) struct ComposeService {
    pub(super) name: String,
    pub(super) settings: Value,
}

impl Compose {
    /// Reads the first file with a usual name.
    pub(super) fn read(probe: &Probe<'_>) -> Result<Self, Stop> {
        let root = probe.repository()?;
        let file = NAMES.into_iter().find(|name| root.join(name).is_file());
        let Some(file) = file else {
            return Err(Stop::NotApplicable(format!("the repository has none of {}", NAMES.join(", "))));
        };
        let tree: Value = serde_saphyr::from_str(&probe.read_file(file)?)
            .map_err(|error| Stop::Unclear(format!("`{file}` is not YAML: {error}")))?;
        let services = tree["services"].as_object().into_iter().flatten();
        let services: Vec<ComposeService> = services
            .map(|(name, settings)| ComposeService { name: name.clone(), settings: settings.clone() })
            .collect();
        if services.is_empty() {
            return Err(Stop::Unclear(format!("`{file}` has no services")));
        }
        probe.controlled();
        Ok(Self { file, services })
    }
}

impl ComposeService {
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == value
    }

    /// Returns a setting as text; empty if it is not set.
    pub(super) fn text(&self, name: &str) -> String {
        shown(&self.settings[name])
    }

    /// Returns the entries of a list as texts. A mount or port in the long form becomes `source:target` or `host_ip:published`.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let entries = self.settings[name].as_array().into_iter().flatten();
        let long = |entry: &Value, one: &str, other: &str| format!("{}:{}", shown(&entry[one]), shown(&entry[other]));
        entries
            .map(|entry| match (name, entry.is_object()) {
                ("ports", true) => long(entry, "host_ip", "published"),
                (_, true) => long(entry, "source", "target"),
                (_, false) => shown(entry),
            })
            .collect()
    }

    /// Returns true if a bound is set, in the service or below `deploy.resources.limits`.
    pub(super) fn is_bounded(&self, name: &str, below: &str) -> bool {
        let limit = &self.settings["deploy"]["resources"]["limits"][below];
        [&self.settings[name], limit].into_iter().any(|value| !matches!(shown(value).as_str(), "" | "0" | "-1"))
    }

    /// Returns the settings as text, without those of the environment: they may have secrets.
    pub(super) fn excerpt(&self) -> String {
        let mut settings = self.settings.clone();
        if let Some(fields) = settings.as_object_mut() {
            fields.remove("environment");
        }
        format!("{}: {settings:#}", self.name)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::ComposeService;
    use serde_json::json;

    #[test]
    fn short_and_long_forms_read_the_same() {
        let settings = json!({
            "ports": ["127.0.0.1:1:1", { "host_ip": "127.0.0.1", "published": 2 }], "volumes": [{ "source": "/a", "target": "/b" }],
            "pids_limit": 0, "deploy": { "resources": { "limits": { "cpus": "0.5" } } },
        });
        let service = ComposeService { name: "a".to_owned(), settings };
        assert_eq!(service.list("ports"), ["127.0.0.1:1:1", "127.0.0.1:2"]);
        assert_eq!(service.list("volumes"), ["/a:/b"]);
        assert!(service.is_bounded("cpus", "cpus") && !service.is_bounded("pids_limit", "pids"));
        assert!(!service.is_bounded("mem_limit", "memory") && service.list("devices").is_empty());
    }
}
