//! The services of a compose file, after its anchors and merges are resolved and the defaults of its variables are filled in.

use super::variables::filled;
use harness_core::drive::hardening::{Probe, Stop};
use serde_json::Value;

/// Names in the order in which Compose looks for them.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

pub(super) struct Compose {
    pub(super) file: &'static str,
    pub(super) services: Vec<ComposeService>,
}

pub(super) struct ComposeService {
    pub(super) name: String,
    pub(super) settings: Value,
    /// Sources of its named volumes that are folders of the machine.
    pub(super) bound: Vec<String>,
    /// True if another service waits until it has ended, such as for a migration.
    pub(super) is_one_shot: bool,
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
        let services = services_of(&tree);
        if services.is_empty() {
            return Err(Stop::Unclear(format!("`{file}` has no services")));
        }
        probe.count_control();
        let (stem, _) = file.rsplit_once('.').unwrap_or((file, ""));
        let others = ["yml", "yaml"].map(|end| format!("{stem}.override.{end}"));
        if let Some(other) = others.iter().find(|name| root.join(name).exists()) {
            probe.doubt(file, "the whole project", &format!("`{other}` is merged into it, and is not read"));
        }
        if tree.get("include").is_some() || services.iter().any(|service| service.settings.get("extends").is_some()) {
            probe.doubt(file, "the whole project", "`include` or `extends` names a file that is not read");
        }
        Ok(Self { file, services })
    }
}

/// Returns the services of a file.
pub(super) fn services_of(tree: &Value) -> Vec<ComposeService> {
    let all = tree["services"].as_object().into_iter().flatten();
    let waits = |name: &str| {
        let mut others = tree["services"].as_object().into_iter().flatten();
        others.any(|(_, other)| other["depends_on"][name]["condition"] == "service_completed_successfully")
    };
    let service = |(name, settings): (&String, &Value)| {
        let settings = with_defaults(settings);
        let mut service = ComposeService { name: name.clone(), settings, bound: Vec::new(), is_one_shot: waits(name) };
        service.bound = service.list("volumes").iter().filter_map(|mount| bound(tree, mount)).collect();
        service
    };
    all.map(service).collect()
}

/// Returns the folder of the machine that a named volume is.
fn bound(tree: &Value, mount: &str) -> Option<String> {
    let options = with_defaults(&tree["volumes"][mount.split(':').next()?]["driver_opts"]);
    shown(&options["o"]).contains("bind").then(|| shown(&options["device"]))
}

/// Fills in the defaults of the variables of every text.
fn with_defaults(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, &|_| None)),
        Value::Array(values) => values.iter().map(with_defaults).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), with_defaults(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

impl ComposeService {
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == value
    }

    /// Returns true if a switch is on, in each form that Compose reads as true.
    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.text(name).to_ascii_lowercase().as_str(), "true" | "yes" | "y" | "on" | "1" | "t")
    }

    /// Returns a setting as text; empty if it is not set.
    pub(super) fn text(&self, name: &str) -> String {
        shown(&self.settings[name])
    }

    /// Returns the entries of a list as texts. A mount or port in the long form becomes `source:target` or `host_ip:published:target`.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let entries = self.settings[name].as_array().into_iter().flatten();
        let long = |entry: &Value, one: &str, other: &str| format!("{}:{}", shown(&entry[one]), shown(&entry[other]));
        entries
            .map(|entry| match (name, entry.is_object()) {
                ("ports", true) => format!("{}:{}", long(entry, "host_ip", "published"), shown(&entry["target"])),
                (_, true) => long(entry, "source", "target"),
                (_, false) => shown(entry),
            })
            .collect()
    }

    /// Returns true if a bound is set, in the service or below `deploy.resources.limits`; `None` if a variable sets it.
    pub(super) fn is_bounded(&self, name: &str, below: &str) -> Option<bool> {
        let limit = &self.settings["deploy"]["resources"]["limits"][below];
        let values = [shown(&self.settings[name]), shown(limit)];
        let is_positive = |text: &String| {
            let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
            text[..end].parse::<f64>().is_ok_and(|number| number > 0.0)
        };
        let is_set = values.iter().any(is_positive);
        (is_set || !values.iter().any(|text| text.contains('$'))).then_some(is_set)
    }

    /// Returns true if a judged setting is decided by a variable without a default.
    pub(super) fn is_open(&self, name: &str) -> bool {
        shown(&self.settings[name]).contains('$')
            || name == "volumes" && self.bound.iter().any(|folder| folder.contains('$'))
    }

    /// Returns true if the image is made from the Dockerfile at the top, which the checks of images judge.
    pub(super) fn is_built_here(&self) -> bool {
        let build = &self.settings["build"];
        let context = if build.is_object() { &build["context"] } else { build };
        let is_here = matches!(context.as_str(), Some("." | "./"));
        is_here && ["dockerfile", "dockerfile_inline", "target"].iter().all(|name| build.get(name).is_none())
    }
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::services_of;
    use serde_json::json;

    #[test]
    fn short_and_long_forms_read_the_same() {
        let settings = json!({
            "ports": ["127.0.0.1:1:1", { "host_ip": "127.0.0.1", "published": 2 }], "volumes": [{ "source": "/a", "target": "/b" }],
            "pids_limit": 0, "deploy": { "resources": { "limits": { "cpus": "0.5" } } },
        });
        let service = services_of(&json!({ "services": { "a": settings } })).remove(0);
        assert_eq!(service.list("ports"), ["127.0.0.1:1:1", "127.0.0.1:2:"]);
        assert_eq!(service.list("volumes"), ["/a:/b"]);
        assert!(
            service.is_bounded("cpus", "cpus") == Some(true) && service.is_bounded("pids_limit", "pids") == Some(false)
        );
        assert!(service.is_bounded("mem_limit", "memory") == Some(false) && service.list("devices").is_empty());
    }
}
