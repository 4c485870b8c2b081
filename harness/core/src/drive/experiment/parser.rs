//! Parses the TOML of an experiment. Reports every problem of the file with its line and key.

mod fault;
mod given;
mod promise;

use super::{Abort, CounterName, Experiment, Limited, Load, Surge, WayWish};
use crate::drive::traffic::operations::names;
use crate::plan::data_file::{MAX_RATE, Problem, ProblemList, source_text};
use crate::plan::topology::Topology;
use mcp_contracts::{Plan as PaidPlan, Service, env};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml_edit::{Document, Item, Table, TableLike};

const KEYS: &[&str] = &[
    "id",
    "about",
    "stack",
    "instances",
    "settings",
    "given",
    "load",
    "limited",
    "surge",
    "steady",
    "recovery",
    "fault",
    "evidence",
    "ways",
    "before",
    "during",
    "after",
    "expect",
    "requires",
    "catches",
    "abort",
];
/// Keys of tables, and of lists of tables: `[key]` and `[[key]]`, or the same in one line.
const TABLES: &[&str] = &["load", "surge", "before", "during", "after", "expect", "abort"];
const LISTS: &[&str] = &["given", "limited", "fault", "ways"];
/// Range of the duration of a phase.
const PHASE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(900);

/// Longest experiment. It ends before the tokens of its users do.
const LONGEST: Duration = Duration::from_secs(2_400);

/// Parses one experiment and notes its problems.
pub(super) struct ExperimentParser<'a> {
    text: &'a str,
    notes: ProblemList<'a>,
}

impl<'a> ExperimentParser<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str) -> Self {
        Self { text, notes: ProblemList::new(file, text) }
    }

    /// # Errors
    /// Every problem of the file.
    pub(super) fn experiment(mut self, name: &str) -> Result<Experiment, Vec<Problem>> {
        let document = match Document::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                self.notes.syntax(&error);
                return Err(self.notes.problems());
            }
        };
        let table = &self.in_tables(document.as_table().clone());
        self.notes.unknown_keys(table, "", KEYS);
        let text = |parser: &mut Self, key: &str| parser.notes.string(table, key, None).unwrap_or_default().to_owned();
        let load = self.load(table);
        let faults = self.faults(table);
        let topology = self.topology(table, &faults);
        let given = self.provided_files(table, &topology, &faults);
        let experiment = Experiment {
            name: name.to_owned(),
            id: text(&mut self, "id"),
            about: text(&mut self, "about"),
            steady: self.notes.length(table, "steady", PHASE, Some(Duration::from_secs(6))),
            recovery: self.notes.length(table, "recovery", PHASE, Some(Duration::from_secs(8))),
            evidence: self.counter_name(table, "evidence"),
            ways: self.ways(table),
            promises: self.promises(table, &load),
            required: self.required(table),
            catches: self.notes.texts(table, "catches", "a list such as `[\"memory=acknowledge-before-commit\"]`"),
            abort: self.abort(table),
            topology,
            given,
            load,
            faults,
        };
        self.parts_are_there(table, &experiment);
        if experiment.length() > LONGEST {
            let what = format!("it takes {} s", experiment.length().as_secs());
            self.notes.note(None, "steady, fault, recovery", what, &format!("{} s together", LONGEST.as_secs()));
        }
        if self.notes.is_empty() { Ok(experiment) } else { Err(self.notes.problems()) }
    }

    /// Returns the table with its tables in one form: TOML allows `key = { … }` and `[key]` for the same.
    fn in_tables(&mut self, mut table: Table) -> Table {
        for (keys, form) in [(TABLES, "a table `[KEY]`"), (LISTS, "tables `[[KEY]]`")] {
            for key in keys {
                let Some(item) = table.remove(key) else { continue };
                let read = if keys == TABLES {
                    item.into_table().map(Item::Table)
                } else {
                    item.into_array_of_tables().map(Item::ArrayOfTables)
                };
                match read {
                    Ok(item) => drop(table.insert(key, item)),
                    Err(item) => {
                        let what = format!("`{}` has another type", source_text(&item));
                        self.notes.note(item.span(), key, what, &form.replace("KEY", key));
                    }
                }
            }
        }
        table
    }

    fn topology(&mut self, table: &Table, faults: &[crate::fault::FaultOrder]) -> Topology {
        let mut topology = match self.notes.string(table, "stack", Some("full")) {
            Some("memory") => Topology::memory(),
            Some("full") | None => Topology::full(),
            Some(other) => {
                let span = table.get("stack").and_then(Item::span);
                self.notes.note(span, "stack", format!("`{other}` is not a stack"), "`memory`, `full`");
                Topology::full()
            }
        }
        .under_load();
        topology = self.settings(table, topology);
        if let Some(instances) = table.get("instances").and_then(Item::as_table_like) {
            for (name, item) in instances.iter() {
                let count = item
                    .as_integer()
                    .and_then(|count| u32::try_from(count).ok())
                    .filter(|count| (1..=8).contains(count));
                match (service(name), count) {
                    (Some(service), Some(count)) => topology = topology.instances(service, count),
                    (None, _) => self.no_service(item, &format!("instances.{name}"), name),
                    (_, None) => {
                        let what = format!("`{}` is out of range", source_text(item));
                        self.notes.note(item.span(), &format!("instances.{name}"), what, "a whole number from 1 to 8");
                    }
                }
            }
        }
        for order in faults {
            if let Some((from, to)) = order.fault.way() {
                topology = topology.proxied(from, to);
            }
        }
        let wished = self.ways(table);
        wished.iter().fold(topology, |topology, way| topology.proxied(&way.from, &way.to))
    }

    /// Settings of every service and of one service: `[settings] NAME = value`, `[settings.memory] NAME = value`.
    fn settings(&mut self, table: &Table, mut topology: Topology) -> Topology {
        let Some(settings) = table.get("settings").and_then(Item::as_table_like) else { return topology };
        for (name, item) in settings.iter() {
            if let Some(own) = item.as_table_like() {
                let Some(service) = service(name) else {
                    self.no_service(item, &format!("settings.{name}"), name);
                    continue;
                };
                for (name, value) in own
                    .iter()
                    .filter_map(|(name, item)| Some((name, self.setting(own, name, item)?)))
                    .collect::<Vec<_>>()
                {
                    topology = topology.setting(service, name, value);
                }
            } else if let Some(value) = self.setting(settings, name, item) {
                topology = topology.everywhere(name, value);
            }
        }
        topology
    }

    fn setting(&mut self, table: &dyn TableLike, name: &str, item: &Item) -> Option<String> {
        let known = env::ALL.iter().map(|variable| variable.name);
        if !known.clone().any(|known| known == name) {
            let near = crate::plan::data_file::nearest(name, known)
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let span = table.key(name).and_then(|key| key.span());
            self.notes.note(
                span,
                &format!("settings.{name}"),
                format!("unknown setting{near}"),
                "a variable of the services",
            );
            return None;
        }
        let value = item.as_str().map(str::to_owned).or_else(|| item.as_integer().map(|number| number.to_string()));
        if value.is_none() {
            self.notes.note(
                item.span(),
                &format!("settings.{name}"),
                format!("`{}` is no value", source_text(item)),
                "a text or a whole number",
            );
        }
        value
    }

    fn no_service(&mut self, item: &Item, key: &str, name: &str) {
        let all: Vec<&str> = Service::ALL.iter().map(|service| service.name()).collect();
        self.notes.note(item.span(), key, format!("`{name}` is not a service"), &format!("`{}`", all.join("`, `")));
    }

    fn load(&mut self, table: &Table) -> Load {
        let empty = Table::new();
        let load = table.get("load").and_then(Item::as_table).unwrap_or(&empty);
        if load.is_empty() {
            self.notes.missing("load", "a table `[load]` with `mix`");
        }
        self.notes.unknown_keys(load, "load.", &["rate", "users", "organisations", "call_deadline", "mix"]);
        let users = self.notes.number(load, "users", 1..=1_000, Some(24));
        Load {
            rate: self.rate(load, "rate", 50.0),
            users,
            organisations: self.notes.number(load, "organisations", 1..=users, Some(8.min(users))),
            call_deadline: self.notes.length(
                load,
                "call_deadline",
                Duration::from_millis(10)..=Duration::from_secs(60),
                Some(Duration::from_secs(3)),
            ),
            mix: self.notes.weights(load, "mix", &names()),
            limited: self.limited(table),
            surge: self.surge(table),
        }
    }

    fn rate(&mut self, table: &Table, key: &str, default: f64) -> f64 {
        let Some(item) = table.get(key) else { return default };
        let rate = item.as_float().or_else(|| item.as_integer().map(|rate| rate as f64));
        rate.filter(|rate| *rate > 0.0 && *rate <= MAX_RATE).unwrap_or_else(|| {
            self.notes.note(
                item.span(),
                key,
                format!("`{}` is not a rate", source_text(item)),
                "calls per second, above 0",
            );
            default
        })
    }

    fn limited(&mut self, table: &Table) -> Vec<Limited> {
        let groups = table.get("limited").and_then(Item::as_array_of_tables);
        let mut limited = Vec::new();
        for group in groups.into_iter().flatten() {
            self.notes.unknown_keys(group, "limited.", &["organisation", "plan", "rate", "limit"]);
            let plan = self
                .notes
                .string(group, "plan", Some("free"))
                .and_then(|name| PaidPlan::ALL.into_iter().find(|plan| plan.name() == name));
            let plan = plan.unwrap_or_else(|| {
                let span = group.get("plan").and_then(Item::span);
                self.notes.note(
                    span,
                    "limited.plan",
                    "it is not a plan".to_owned(),
                    "`free`, `pro`, `team`, `enterprise`",
                );
                PaidPlan::Free
            });
            limited.push(Limited {
                organisation: self.notes.string(group, "organisation", Some("limited")).unwrap_or_default().to_owned(),
                plan,
                rate: self.rate(group, "rate", 10.0),
                limit: u64::from(self.notes.number(group, "limit", 1..=1_000_000, None)),
            });
        }
        limited
    }

    fn surge(&mut self, table: &Table) -> Option<Surge> {
        let surge = table.get("surge")?.as_table()?;
        self.notes.unknown_keys(surge, "surge.", &["times", "after", "lasts"]);
        Some(Surge {
            times: self.rate(surge, "times", 5.0),
            after: self.notes.length(surge, "after", Duration::ZERO..=*PHASE.end(), Some(Duration::ZERO)),
            lasts: self.notes.length(surge, "lasts", PHASE, None),
        })
    }

    fn ways(&mut self, table: &Table) -> Vec<WayWish> {
        let tables = table.get("ways").and_then(Item::as_array_of_tables).into_iter().flatten();
        tables
            .map(|way| {
                self.notes.unknown_keys(way, "ways.", &["from", "to", "operations", "each"]);
                WayWish {
                    from: self.notes.string(way, "from", None).unwrap_or_default().to_owned(),
                    to: self.notes.string(way, "to", None).unwrap_or_default().to_owned(),
                    operations: self.notes.texts(way, "operations", "a list of operations"),
                    each: self.notes.number(way, "each", 1..=20, Some(1)),
                }
            })
            .collect()
    }

    fn counter_name(&mut self, table: &Table, key: &str) -> Option<CounterName> {
        let counter = table.get(key)?.as_table_like()?;
        let text = |name: &str| counter.get(name).and_then(Item::as_str).map(str::to_owned);
        let (Some(part), Some(metric)) = (text("part"), text("metric")) else {
            let span = table.get(key).and_then(Item::span);
            self.notes.note(span, key, "it names no counter".to_owned(), "`{ part = \"memory\", metric = \"mcp_…\" }`");
            return None;
        };
        Some(CounterName { part, metric, labels: labels(counter) })
    }

    fn required(&mut self, table: &Table) -> Vec<String> {
        let known: Vec<&str> = harness_history::check::standing().collect();
        let allowed = format!("`{}`", known.join("`, `"));
        let required = self.notes.texts(table, "requires", &allowed);
        for name in required.iter().filter(|name| !known.contains(&name.as_str())) {
            let span = table.get("requires").and_then(Item::span);
            self.notes.note(span, "requires", format!("`{name}` is not a standing check"), &allowed);
        }
        required
    }

    fn abort(&mut self, table: &Table) -> Abort {
        let empty = Table::new();
        let abort = table.get("abort").and_then(Item::as_table).unwrap_or(&empty);
        self.notes.unknown_keys(abort, "abort.", &["error_share", "within"]);
        let share = abort.get("error_share").map(|item| (item, item.as_float()));
        let error_share = match share {
            None => 0.9,
            Some((_, Some(share))) if share > 0.0 && share <= 1.0 => share,
            Some((item, _)) => {
                let what = format!("`{}` is not a share", source_text(item));
                self.notes.note(item.span(), "abort.error_share", what, "a number above 0 and up to 1");
                0.9
            }
        };
        Abort { error_share, within: self.notes.length(abort, "within", PHASE, Some(Duration::from_secs(5))) }
    }

    /// Adds a problem for each part that the stack does not have, and for each fault that is impossible in it.
    fn parts_are_there(&mut self, table: &Table, experiment: &Experiment) {
        let known: Vec<&str> = experiment.topology.parts.iter().map(|part| part.name.as_str()).collect();
        let promises = &experiment.promises;
        let readiness = promises.readiness.iter().map(|promise| ("expect.readiness", &promise.part));
        let counters = promises.counters.iter().map(|promise| ("expect.counters", &promise.part));
        let evidence = experiment.evidence.iter().map(|counter| ("evidence", &counter.part));
        for (key, part) in readiness.chain(counters).chain(evidence) {
            if !known.contains(&part.as_str()) {
                let span = table.get(key.split('.').next().unwrap_or(key)).and_then(Item::span);
                self.notes.note(
                    span,
                    key,
                    format!("`{part}` is not a part of this stack"),
                    &format!("`{}`", known.join("`, `")),
                );
            }
        }
        let faults = table.get("fault").and_then(Item::as_array_of_tables);
        let spans: Vec<_> = faults.into_iter().flatten().map(Table::span).collect();
        for (at, order) in experiment.faults.iter().enumerate() {
            for problem in order.fault.problems(&experiment.topology, &crate::plan::Backend::Process) {
                self.notes.note(spans.get(at).cloned().flatten(), "fault", problem, "what the stack has");
            }
        }
    }
}

pub(super) fn labels(table: &dyn TableLike) -> BTreeMap<String, String> {
    let labels = table.get("labels").and_then(Item::as_table_like);
    let pairs = labels.into_iter().flat_map(|labels| labels.iter());
    pairs.filter_map(|(name, item)| Some((name.to_owned(), item.as_str()?.to_owned()))).collect()
}

fn service(name: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.name() == name)
}
