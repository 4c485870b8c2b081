//! From the text of `harness.toml` to settings: everything that can be wrong with it, all together, with file, line and key.

use super::{Experiments, GateProfile, Load, Names, ProfileName, Runs, Scenarios, Settings};
use crate::plan::data_file::{Notes, Problem, THRESHOLD_TEXT, nearest, threshold, written};
use harness_history::Threshold;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml_edit::{Document, Item, Table};

/// Every key, by the table that it is in; a test holds them equal to the published schema.
pub(super) const KEYS: [(&str, &[&str]); 6] = [
    ("", &["runs", "gate"]),
    ("runs", &["keep"]),
    ("gate", &["profile", "ci", "preprod"]),
    ("scenarios", &["run", "thresholds"]),
    ("load", &["run", "users", "warmup", "duration", "thresholds"]),
    ("experiments", &["run", "recovery"]),
];
/// The phases of a profile.
pub(super) const PHASES: &[&str] = &["scenarios", "load", "experiments"];
/// Most runs that can be asked to be kept.
const MOST_KEPT: u32 = 10_000;
const USERS: RangeInclusive<u32> = 1..=10_000;
const WARMUP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
const MEASURED: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
const RECOVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(900);
const NAMES_TEXT: &str = "a list of names, or `[\"all\"]`";

/// Names that the crates above know.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Scenarios.
    pub scenarios: &'a [&'a str],
    /// Workloads.
    pub workloads: &'a [&'a str],
    /// Built-in experiments.
    pub experiments: &'a [&'a str],
}

/// Reads one file; `base` is what it leaves away.
pub(super) struct Reader<'a> {
    notes: Notes<'a>,
    text: &'a str,
    known: Known<'a>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str, known: Known<'a>) -> Self {
        Self { notes: Notes::new(file, text), text, known }
    }

    pub(super) fn settings(mut self, base: &Settings) -> Result<Settings, Vec<Problem>> {
        let document = match Document::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                self.notes.syntax(&error);
                return Err(self.notes.problems());
            }
        };
        let root = document.as_table();
        self.notes.unknown_keys(root, "", keys(""));
        let mut settings = base.clone();
        if let Some(runs) = self.table(root, "", "runs") {
            settings.runs = self.runs(runs, &base.runs);
        }
        if let Some(gate) = self.table(root, "", "gate") {
            self.notes.unknown_keys(gate, "gate.", keys("gate"));
            settings.profile = self.profile_name(gate, base.profile);
            for name in ProfileName::ALL {
                if let Some(profile) = self.table(gate, "gate.", name.name()) {
                    let prefix = format!("gate.{}.", name.name());
                    *settings.gate_mut(name) = self.profile(profile, &prefix, base.gate(name));
                }
            }
        }
        if self.notes.is_clean() { Ok(settings) } else { Err(self.notes.problems()) }
    }

    fn runs(&mut self, table: &Table, base: &Runs) -> Runs {
        self.notes.unknown_keys(table, "runs.", keys("runs"));
        Runs { keep: self.notes.number(table, "keep", 0..=MOST_KEPT, Some(base.keep)) }
    }

    fn profile_name(&mut self, gate: &Table, base: ProfileName) -> ProfileName {
        let Some(text) = self.notes.string(gate, "profile", Some(base.name())) else { return base };
        ProfileName::ALL.into_iter().find(|name| name.name() == text).unwrap_or_else(|| {
            let span = gate.get("profile").and_then(Item::span);
            self.notes.note(span, "gate.profile", format!("`{text}` is not a profile"), "`ci`, `preprod`");
            base
        })
    }

    fn profile(&mut self, table: &Table, prefix: &str, base: &GateProfile) -> GateProfile {
        self.notes.unknown_keys(table, prefix, PHASES);
        let mut profile = base.clone();
        if let Some(phase) = self.phase(table, prefix, "scenarios") {
            profile.scenarios = self.scenarios(phase, prefix, &base.scenarios);
        }
        if let Some(phase) = self.phase(table, prefix, "load") {
            profile.load = self.load(phase, prefix, &base.load);
        }
        if let Some(phase) = self.phase(table, prefix, "experiments") {
            profile.experiments = self.experiments(phase, prefix, &base.experiments);
        }
        profile
    }

    fn scenarios(&mut self, table: &Table, prefix: &str, base: &Scenarios) -> Scenarios {
        let known = self.known.scenarios;
        let run = self.names(table, &format!("{prefix}scenarios.run"), "scenario", known, false);
        let thresholds = self.thresholds(table, &format!("{prefix}scenarios.thresholds"));
        Scenarios {
            run: run.unwrap_or_else(|| base.run.clone()),
            thresholds: thresholds
                .map(|texts| texts.into_iter().map(|(_, threshold)| threshold).collect())
                .unwrap_or_else(|| base.thresholds.clone()),
        }
    }

    fn load(&mut self, table: &Table, prefix: &str, base: &Load) -> Load {
        let run = self.notes.string(table, "run", Some(&base.run)).unwrap_or(&base.run).to_owned();
        if !run.is_empty() && table.contains_key("run") {
            let (span, workloads) = (table.get("run").and_then(Item::span), self.known.workloads);
            self.name(span, &format!("{prefix}load.run"), &run, "workload", workloads, true);
        }
        let thresholds = self.thresholds(table, &format!("{prefix}load.thresholds"));
        Load {
            run,
            users: self.notes.number(table, "users", USERS, Some(base.users)),
            warmup: self.notes.length(table, "warmup", WARMUP, Some(base.warmup)),
            duration: self.notes.length(table, "duration", MEASURED, Some(base.duration)),
            thresholds: thresholds
                .map(|texts| texts.into_iter().map(|(text, _)| text).collect())
                .unwrap_or_else(|| base.thresholds.clone()),
        }
    }

    fn experiments(&mut self, table: &Table, prefix: &str, base: &Experiments) -> Experiments {
        let known = self.known.experiments;
        let run = self.names(table, &format!("{prefix}experiments.run"), "experiment", known, true);
        Experiments {
            run: run.unwrap_or_else(|| base.run.clone()),
            recovery: self.notes.length(table, "recovery", RECOVERY, Some(base.recovery)),
        }
    }

    /// The list at `run`; nothing where it is absent.
    fn names(&mut self, table: &Table, key: &str, kind: &str, known: &[&str], files: bool) -> Option<Names> {
        let item = table.get("run")?;
        let Some(list) = item.as_array() else {
            self.notes.note(item.span(), key, format!("`{}` is not a list", written(item)), NAMES_TEXT);
            return None;
        };
        let mut names = Vec::new();
        for value in list {
            match value.as_str() {
                None => self.notes.note(value.span(), key, "it is not text".to_owned(), NAMES_TEXT),
                Some("all") if list.len() == 1 => return Some(Names::All),
                Some("all") => {
                    self.notes.note(value.span(), key, "`all` stands beside other names".to_owned(), NAMES_TEXT);
                }
                Some(name) => {
                    self.name(value.span(), key, name, kind, known, files);
                    names.push(name.to_owned());
                }
            }
        }
        Some(Names::These(names))
    }

    /// Notes a name that nothing has.
    fn name(
        &mut self,
        span: Option<std::ops::Range<usize>>,
        key: &str,
        name: &str,
        kind: &str,
        known: &[&str],
        files: bool,
    ) {
        if known.contains(&name) || (files && name.ends_with(".toml")) {
            return;
        }
        let near = nearest(name, known.iter().copied());
        let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let file = if files { ", or a file that ends with `.toml`" } else { "" };
        let allowed = format!("`{}`{file}", known.join("`, `"));
        self.notes.note(span, key, format!("no {kind} is called `{name}`{meant}"), &allowed);
    }

    /// The list of thresholds, as text and read; nothing where it is absent.
    fn thresholds(&mut self, table: &Table, key: &str) -> Option<Vec<(String, Threshold)>> {
        let item = table.get("thresholds")?;
        let Some(list) = item.as_array() else {
            let allowed = "a list such as `[\"p99<500ms\"]`";
            self.notes.note(item.span(), key, format!("`{}` is not a list", written(item)), allowed);
            return None;
        };
        let mut thresholds = Vec::new();
        for value in list {
            match value.as_str().map(|text| (text, threshold(text))) {
                Some((text, Ok(threshold))) => thresholds.push((text.to_owned(), threshold)),
                Some((_, Err(what))) => self.notes.note(value.span(), key, what, THRESHOLD_TEXT),
                None => self.notes.note(value.span(), key, "it is not text".to_owned(), THRESHOLD_TEXT),
            }
        }
        Some(thresholds)
    }

    /// The table of a phase, its unknown keys noted.
    fn phase<'t>(&mut self, profile: &'t Table, prefix: &str, name: &str) -> Option<&'t Table> {
        let table = self.table(profile, prefix, name)?;
        self.notes.unknown_keys(table, &format!("{prefix}{name}."), keys(name));
        Some(table)
    }

    fn table<'t>(&mut self, parent: &'t Table, prefix: &str, key: &str) -> Option<&'t Table> {
        let item = parent.get(key)?;
        if item.as_table().is_none() {
            let (key, allowed) = (format!("{prefix}{key}"), format!("`[{prefix}{key}]`"));
            self.notes.note(item.span(), &key, "it is not a table".to_owned(), &allowed);
        }
        item.as_table()
    }
}

fn keys(table: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == table).map_or(&[], |(_, keys)| keys)
}
