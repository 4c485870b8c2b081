//! Settings of the harness: `harness.toml`, merged into the built-in default that `harness init` writes. The structs
//! below define the schema of the file (docs/harness.schema.json), its checks and its values. A new key is one field
//! here and one line in `default.toml`.

#[cfg(test)]
mod tests;

use super::data_file::form::{self, NameSet};
use super::data_file::{Problem, duration, problem_lines, threshold};
use super::reach::{Caps, Reach};
use super::topology::Store;
use harness_history::Threshold;
use mcp_contracts::Service;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const FILE: &str = "harness.toml";
/// The built-in default, every key with a comment.
pub const DEFAULT: &str = include_str!("settings/default.toml");

/// Settings of the harness. A key that is omitted keeps its default.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "File")]
pub struct Settings {
    /// Which runs are kept.
    pub runs: Runs,
    /// The judgement of runs.
    pub judge: Judge,
    /// The stacks that the harness starts.
    pub stack: StackSettings,
    /// What the harness may reach beyond this machine.
    reach: ReachSettings,
    /// The cost of models.
    pub usage: Usage,
    /// The gate and its profiles.
    gate: Gate,
}

/// Which runs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// The number of runs that are kept in the folder of the runs; 0 keeps every run.
    #[schemars(range(max = 10_000))]
    pub keep: u32,
}

/// The judgement of runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Most memory that the judgement of a run may take, in MiB. A run that needs more is *unknown*.
    #[schemars(range(min = 64, max = 8_192))]
    pub memory_mib: u32,
}

/// The stacks that the harness starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stack")]
pub struct StackSettings {
    /// The store of memory, unless `--store` names one: `sqlite` or `postgres`.
    pub store: Store,
    /// Number of instances of memory in a stack under load; more than one needs `postgres`.
    #[schemars(range(min = 1, max = 8))]
    pub instances: u32,
}

/// What the harness may reach beyond this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reach")]
struct ReachSettings {
    /// Hosts that a URL may name in addition to loopback and the harness's own container network.
    hosts: Vec<String>,
    /// Most calls per second of a load beyond loopback.
    #[schemars(range(min = 1, max = 100_000))]
    per_second: u32,
    /// Most concurrent users of a load beyond loopback.
    #[schemars(range(min = 1, max = 10_000))]
    users: u32,
    /// Longest load beyond loopback, its warm-up included, such as `10m`.
    #[serde(deserialize_with = "length")]
    #[schemars(with = "String", extend("format" = "duration", "x-at-least" = "1s", "x-at-most" = "24h"))]
    duration: Duration,
}

/// The cost of models.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Prices by the name of a model. A model without a price costs what the orchestrator logged.
    pub prices: BTreeMap<String, Price>,
}

/// The price of a model, in micro-dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million tokens of prompts.
    #[schemars(range(max = 1_000_000_000_000u64))]
    pub prompt: u64,
    /// A million tokens of completions.
    #[schemars(range(max = 1_000_000_000_000u64))]
    pub completion: u64,
}

/// The gate and its profiles.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Gate {
    /// The profile of `harness gate` without `--profile`.
    profile: ProfileName,
    /// Runs on every push.
    ci: GateProfile,
    /// Runs before a release.
    preprod: GateProfile,
    /// Runs against a new revision, before it gets traffic.
    smoke: GateProfile,
}

/// A profile of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// Runs on every push.
    Ci,
    /// Runs before a release.
    Preprod,
    /// Runs against a new revision, before it gets traffic.
    Smoke,
}

impl ProfileName {
    /// The word in the file and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Preprod => "preprod",
            Self::Smoke => "smoke",
        }
    }
}

/// The phases of a gate, in their order.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Profile")]
pub struct GateProfile {
    /// The first phase.
    pub snapshot: SnapshotPhase,
    /// The second phase.
    pub scenarios: Scenarios,
    /// The third phase.
    pub load: Load,
    /// The fourth phase.
    pub experiments: Experiments,
    /// The fifth phase.
    pub hardening: HardeningPhase,
}

/// Services whose tools must be those of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Snapshot")]
pub struct SnapshotPhase {
    /// A file of `harness snapshot` for each service that is compared; an empty table skips the phase.
    #[schemars(schema_with = "snapshot_files")]
    pub files: BTreeMap<String, PathBuf>,
}

fn snapshot_files(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "enum": Service::ALL.map(Service::name) },
        "additionalProperties": { "type": "string" },
    })
}

/// Which hardening checks a gate makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hardening")]
pub struct HardeningPhase {
    /// `quick` makes the checks that disturb no other, `all` the whole catalogue, and `none` skips the phase.
    pub run: HardeningSet,
}

/// A set of hardening checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HardeningSet {
    /// Skips the phase.
    None,
    /// Checks that disturb no other and take well under a second each.
    Quick,
    /// The whole catalogue.
    All,
}

/// Scenarios, and bounds on their calls.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenarios {
    /// Names of scenarios, or `all`; an empty list skips the phase.
    #[schemars(with = "Vec<String>", extend("x-alone" = ALL, "items" = { "type": "string", "format": "scenario" }))]
    pub run: NameSelection,
    /// Names of scenarios that `all` leaves out.
    #[schemars(extend("items" = { "type": "string", "format": "scenario" }))]
    pub except: Vec<String>,
    /// Bounds on the calls of each scenario, such as `max<30s`.
    #[serde(deserialize_with = "thresholds")]
    #[schemars(with = "Vec<String>", extend("items" = { "type": "string", "format": "threshold" }))]
    pub thresholds: Vec<Threshold>,
}

/// A load, and its thresholds.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// A workload, or the path of a profile that ends with `.toml`; an empty text skips the phase.
    #[schemars(extend("format" = "workload", "x-empty" = true))]
    pub run: String,
    /// Concurrent users.
    #[schemars(range(min = 1, max = 10_000))]
    pub users: u32,
    /// Load before measuring starts, such as `5s`.
    #[serde(deserialize_with = "length")]
    #[schemars(with = "String", extend("format" = "duration", "x-at-least" = "0s", "x-at-most" = "1h"))]
    pub warmup: Duration,
    /// Length of the measured phase, such as `30s`.
    #[serde(deserialize_with = "length")]
    #[schemars(with = "String", extend("format" = "duration", "x-at-least" = "1s", "x-at-most" = "24h"))]
    pub duration: Duration,
    /// Thresholds that decide the verdict, such as `p99<500ms`. They replace those of the load's profile.
    // Texts, because the gate puts them into the command that repeats the load alone.
    #[schemars(extend("items" = { "type": "string", "format": "threshold" }))]
    pub thresholds: Vec<String>,
}

/// Experiments, and a bound on their recovery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiments {
    /// Names of experiments, paths that end with `.toml`, or `all`; an empty list skips the phase.
    #[schemars(with = "Vec<String>", extend("x-alone" = ALL, "items" = { "type": "string", "format": "experiment" }))]
    pub run: NameSelection,
    /// Maximum time from the end of the last fault until the stack is steady again, such as `30s`.
    #[serde(deserialize_with = "length")]
    #[schemars(with = "String", extend("format" = "duration", "x-at-least" = "100ms", "x-at-most" = "15m"))]
    pub recovery: Duration,
}

const ALL: &str = "all";

/// Which scenarios or experiments run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<String>")]
pub enum NameSelection {
    All,
    These(Vec<String>),
}

impl From<Vec<String>> for NameSelection {
    fn from(names: Vec<String>) -> Self {
        if names == [ALL] { Self::All } else { Self::These(names) }
    }
}

fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn thresholds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Threshold>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| threshold(text).map_err(D::Error::custom)).collect()
}

/// The names that a file may use. Other crates and layers define them.
#[derive(Debug, Clone, Copy)]
pub struct KnownNames<'a> {
    pub scenarios: &'a [&'a str],
    pub workloads: &'a [&'a str],
    pub experiments: &'a [&'a str],
}

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    Unreadable { path: PathBuf, why: String },
    Problems(Vec<Problem>),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(
                f,
                "the settings `{}` cannot be read: {why}\nhint: `harness init` writes the default",
                path.display()
            ),
            Self::Problems(problems) => write!(f, "the settings cannot be used:{}", problem_lines(problems)),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads `file`. If it is omitted, reads [`FILE`] in the current folder, or returns the default if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or every problem of its text.
    pub fn load(file: Option<&Path>, known: KnownNames<'_>) -> Result<Self, SettingsError> {
        let path = match file {
            Some(path) => path,
            None if Path::new(FILE).exists() => Path::new(FILE),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
        Self::read(&path.display().to_string(), &text, known)
    }

    /// Parses a text; `file` is for messages only.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn read(file: &str, text: &str, known: KnownNames<'_>) -> Result<Self, SettingsError> {
        let names = [
            NameSet { kind: "scenario", known: known.scenarios, files: false },
            NameSet { kind: "workload", known: known.workloads, files: true },
            NameSet { kind: "experiment", known: known.experiments, files: true },
        ];
        form::check(file, text, &schema(), &names).map_err(SettingsError::Problems)?;
        Ok(Self::over_default(text))
    }

    /// Returns what the harness may reach beyond this machine.
    pub fn reach(&self) -> Reach {
        let ReachSettings { hosts, per_second, users, duration } = self.reach.clone();
        Reach { hosts, caps: Caps { per_second, users, duration } }
    }

    pub const fn profile(&self) -> ProfileName {
        self.gate.profile
    }

    pub const fn gate(&self, profile: ProfileName) -> &GateProfile {
        match profile {
            ProfileName::Ci => &self.gate.ci,
            ProfileName::Preprod => &self.gate.preprod,
            ProfileName::Smoke => &self.gate.smoke,
        }
    }

    /// Merges a checked text into the default.
    fn over_default(text: &str) -> Self {
        // The texts are merged, and not two `Settings`: only a text shows which keys were omitted.
        let value = |text| toml::from_str(text).expect("a checked text is valid TOML");
        let mut merged = value(DEFAULT);
        form::merge(&mut merged, value(text));
        serde_json::from_value(merged).expect("the schema admits only what these types can hold, which tests show")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::over_default("")
    }
}

/// Returns the schema of [`FILE`] (JSON Schema 2020-12). Only the keys of a price are required, because all others have a default.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Settings).to_value();
    let definitions = schema["$defs"].as_object_mut().into_iter().flatten();
    // A price has no default: one part of it would be a wrong cost.
    let with_defaults = definitions.filter(|(name, _)| name.as_str() != "Price");
    with_defaults.filter_map(|(_, form)| form.as_object_mut()).for_each(|form| drop(form.remove("required")));
    schema.as_object_mut().and_then(|form| form.remove("required"));
    schema
}
