//! Parses the TOML of an experiment. Reports every problem of the file at once, with file, line and key.

mod form;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use super::{Abort, Experiment, Load, Surge, end_of};
use crate::fault::{FaultKind, FileChanged, ScheduledFault};
use crate::plan::data_file::form::{Filled, NameSet, read as read_form, schema as schema_of};
use crate::plan::data_file::{DURATION_TEXT, Problem, comparison};
use crate::plan::operation::OperationData;
use crate::plan::target::Target;
use crate::plan::target_form::{TargetForm, operations};
use crate::plan::topology::{Store, Topology};
use crate::plan::{Backend, ProvidedFile};
use form::{CounterForm, ExperimentForm, FaultForm, Setting, StackName};
use harness_history::experiment::{CounterFigure, CounterPromise, Promises, Readiness};
use std::collections::BTreeMap;
use std::time::Duration;

/// Maximum length of an experiment. The tokens of its users live longer, because a stage does not renew them.
const LONGEST: Duration = Duration::from_secs(2_400);
/// Time that a call may last beyond its deadline, because to cancel it takes time as well.
const SLACK: Duration = Duration::from_millis(100);
const DEFAULT_ORGANISATIONS: u32 = 8;

/// Returns the schema of an experiment (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    schema_of::<ExperimentForm>()
}

/// Reads one experiment; `file` is for messages only.
///
/// # Errors
/// Every problem of the file.
pub(super) fn read(name: &str, file: &str, text: &str) -> Result<Experiment, Vec<Problem>> {
    let standing: Vec<&str> = harness_history::check::standing().collect();
    let checks = NameSet { kind: "standing check", known: &standing, files: false };
    let mut filled = read_form::<ExperimentForm>(file, text, &[checks])?;
    let calls = calls(&mut filled);
    let faults = faults(&mut filled);
    // Built even if there are problems already, so that the checks across keys report theirs at the same time.
    let topology = topology(&filled.value, &faults);
    check_provided_files(&mut filled, &topology, &faults);
    check_parts(&mut filled, &topology, &faults);
    let counters = counters(&mut filled);
    if filled.value.load.organisations.is_some_and(|count| count > filled.value.load.users) {
        filled.note("load.organisations", "it is out of range", "1 to the number of users");
    }
    let has_orchestrator = matches!(filled.value.stack, StackName::Full);
    if filled.value.expect.remembered.is_some() && !has_orchestrator {
        filled.note("expect.remembered", "this stack runs no workflows", "only with `stack = \"full\"`");
    }
    let length = length(&filled.value, &faults);
    if length > LONGEST {
        let what = format!("it takes {} s", length.as_secs());
        filled.note("steady, fault, recovery", what, &format!("{} s together", LONGEST.as_secs()));
    }
    let (form, problems) = filled.into_parts();
    if problems.is_empty() { Ok(experiment(name, form, calls, topology, faults, counters)) } else { Err(problems) }
}

/// The server and the calls of a load.
#[derive(Default)]
struct Calls {
    target: Option<Box<Target>>,
    operations: Vec<OperationData>,
    mix: BTreeMap<String, u32>,
    /// Number of tokens of a target; `None` if the stack is one of this product.
    organisations: Option<u32>,
}

/// Returns the calls of the load, and reports keys that do not fit the stack.
fn calls(filled: &mut Filled<'_, ExperimentForm>) -> Calls {
    let form = &filled.value;
    let (on_target, is_empty) = (matches!(form.stack, StackName::Target), form.operation.is_empty());
    if !on_target {
        let keys = [("target", form.target.is_some()), ("operation", !is_empty)];
        for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
            filled.note(key, "it is for a server of any maker", "only with `stack = \"target\"`");
        }
        let mix = filled.value.load.mix.clone();
        if mix.is_empty() {
            filled.note("load.mix", "it is missing", "a table of operations and weights");
        }
        return Calls { mix, ..Calls::default() };
    }
    let foreign = [
        ("load.mix", !form.load.mix.is_empty(), "the weights are in `[[operation]]`"),
        ("redis_tls", form.redis_tls, "only with services of this product"),
        ("store", form.store == Store::Postgres, "only with services of this product"),
        ("instances", !form.instances.is_empty(), "only with services of this product"),
        (
            "settings",
            !form.settings.is_empty(),
            "only with services of this product; `target.start.environment` has those of the server",
        ),
        ("given", !form.given.is_empty(), "only with services of this product"),
        ("limited", !form.limited.is_empty(), "only with services of this product"),
    ];
    let unknown = TargetForm::unknown();
    let (operations, mut notes) = match (&form.target, is_empty) {
        (target, false) => {
            let (operations, mix, notes) =
                operations(&form.operation, target.as_ref().unwrap_or(&unknown), |path| filled.place(path));
            ((operations, mix), notes)
        }
        (_, true) => Default::default(),
    };
    let target = form.target.as_ref().map(TargetForm::target);
    for (key, _, allowed) in foreign.into_iter().filter(|(_, is_there, _)| *is_there) {
        filled.note(key, "it does not apply to a server of any maker", allowed);
    }
    let target = target.map(|(target, more)| {
        notes.extend(more);
        Box::new(target)
    });
    filled.note_all(notes);
    let organisations = Some(target.as_ref().map_or(1, |target| target.organisations()));
    Calls { target, operations: operations.0, mix: operations.1, organisations }
}

fn length(form: &ExperimentForm, faults: &[(usize, ScheduledFault)]) -> Duration {
    form.steady.0 + faults.iter().map(|(_, scheduled)| end_of(scheduled)).max().unwrap_or_default() + form.recovery.0
}

fn experiment(
    name: &str,
    form: ExperimentForm,
    calls: Calls,
    topology: Topology,
    faults: Vec<(usize, ScheduledFault)>,
    counters: Vec<CounterPromise>,
) -> Experiment {
    let promises = promises(&form, counters);
    let load = form.load;
    Experiment {
        name: name.to_owned(),
        id: form.id,
        about: form.about,
        topology,
        target: calls.target,
        given: form.given,
        load: Load {
            rate: load.rate,
            users: load.users,
            // An organisation without a user would make no call. On a target each token is one.
            organisations: match calls.organisations {
                Some(tokens) => tokens,
                None => load.organisations.unwrap_or(DEFAULT_ORGANISATIONS.min(load.users)),
            },
            call_deadline: load.call_deadline.0,
            mix: calls.mix,
            operations: calls.operations,
            limited: form.limited,
            surge: form.surge.map(|surge| Surge { times: surge.times, after: surge.after.0, lasts: surge.lasts.0 }),
        },
        steady: form.steady.0,
        faults: faults.into_iter().map(|(_, scheduled)| scheduled).collect(),
        recovery: form.recovery.0,
        evidence: form.evidence,
        ways: form.ways,
        promises,
        remembered: form.expect.remembered.map(|time| time.0),
        required: form.requires,
        catches: form.catches,
        alerts: form.alerts,
        abort: Abort { error_share: form.abort.error_share, within: form.abort.within.0 },
    }
}

fn promises(form: &ExperimentForm, counters: Vec<CounterPromise>) -> Promises {
    let expect = &form.expect;
    let readiness = expect.readiness.iter().map(|promise| Readiness {
        part: promise.part.clone(),
        says: promise.says,
        within_us: micros(promise.within.0),
    });
    Promises {
        least_hits: expect.least_hits.into(),
        rate_per_second: form.load.rate,
        least_baseline: expect.baseline,
        steady: form.before.0.clone(),
        during: form.during.0.clone(),
        after: form.after.0.clone(),
        call_bound_us: micros(expect.call_bound.map_or(form.load.call_deadline.0 + SLACK, |bound| bound.0)),
        errors: expect.errors.clone(),
        readiness: readiness.collect(),
        notice_us: expect.notice.map(|notice| micros(notice.0)),
        most_amplification: expect.amplification,
        recovery_us: micros(expect.recovery.0),
        counters,
        in_force_us: expect.in_force.map(|time| micros(time.0)),
        withdrawn: expect.withdrawn.clone(),
    }
}

fn counters(filled: &mut Filled<'_, ExperimentForm>) -> Vec<CounterPromise> {
    let forms = std::mem::take(&mut filled.value.expect.counters);
    let mut promises = Vec::new();
    for (at, form) in forms.into_iter().enumerate() {
        let CounterForm { part, metric, labels, growth, during, after } = form;
        let figures = [(CounterFigure::Growth, growth), (CounterFigure::During, during), (CounterFigure::After, after)];
        let mut bounds = figures.into_iter().filter_map(|(figure, bound)| Some((figure, comparison(&bound?).ok()?)));
        match (bounds.next(), bounds.next()) {
            (Some((figure, (at_least, at_most))), None) => {
                promises.push(CounterPromise { part, metric, labels, figure, at_least, at_most });
            }
            _ => filled.note(
                &format!("expect.counters.{at}"),
                "it does not have exactly one bound",
                "one of `growth`, `during` and `after`",
            ),
        }
    }
    promises
}

/// Returns the faults whose own keys are valid, each with its position in the file.
fn faults(filled: &mut Filled<'_, ExperimentForm>) -> Vec<(usize, ScheduledFault)> {
    let mut faults = Vec::new();
    for (at, form) in std::mem::take(&mut filled.value.fault).into_iter().enumerate() {
        let FaultForm { after, lasts, times, every, kind } = form;
        let every = every.unwrap_or_default();
        if times > 1 && every.0.is_zero() {
            filled.note(&format!("fault.{at}.every"), "it is required if `times` is above 1", DURATION_TEXT);
        } else if times > 1 && lasts.0 > every.0 {
            filled.note(&format!("fault.{at}.every"), "it is shorter than `lasts`", "at least `lasts`");
        }
        // The type of the kind parses its keys, and reports an unknown kind or key.
        match serde_json::from_value::<FaultKind>(kind.into()) {
            Ok(fault) => {
                faults.push((at, ScheduledFault { fault, after: after.0, lasts: lasts.0, times, every: every.0 }));
            }
            Err(error) => {
                let allowed = "docs/adding-an-experiment.md lists every kind with its keys";
                filled.note(&format!("fault.{at}"), error.to_string(), allowed);
            }
        }
    }
    faults
}

fn topology(form: &ExperimentForm, faults: &[(usize, ScheduledFault)]) -> Topology {
    let mut topology = match form.stack {
        StackName::Memory => Topology::memory(),
        StackName::Full => Topology::full(),
        StackName::Target => Topology::target(),
    }
    .with_load_quotas();
    if form.redis_tls {
        topology = topology.with_redis_tls();
    }
    for (name, setting) in &form.settings {
        match (setting, mcp_contracts::Service::ALL.into_iter().find(|service| service.name() == name)) {
            (Setting::OfService(settings), Some(service)) => {
                for (name, value) in settings {
                    topology = topology.with_setting(service, name, value.text());
                }
            }
            (value, _) => topology = topology.with_setting_everywhere(name, value.text()),
        }
    }
    for (service, count) in &form.instances {
        topology = topology.instances(*service, *count);
    }
    if form.store == Store::Postgres {
        topology = topology.with_postgres();
    }
    // After the instances, because several instances replace the edge to their service by one edge to each.
    let ways = faults.iter().filter_map(|(_, scheduled)| scheduled.fault.edge());
    let ways = ways.chain(form.ways.iter().map(|way| (way.from.as_str(), way.to.as_str())));
    ways.fold(topology, |topology, (from, to)| topology.proxied(from, to))
}

/// Reports every part that the file names and the stack does not have, and every fault that is impossible on this
/// stack.
fn check_parts(filled: &mut Filled<'_, ExperimentForm>, topology: &Topology, faults: &[(usize, ScheduledFault)]) {
    let form = &filled.value;
    let readiness = form.expect.readiness.iter().enumerate();
    let readiness = readiness.map(|(at, promise)| (format!("expect.readiness.{at}"), promise.part.clone()));
    let counters = form.expect.counters.iter().enumerate();
    let counters = counters.map(|(at, promise)| (format!("expect.counters.{at}"), promise.part.clone()));
    let evidence = form.evidence.iter().map(|counter| ("evidence".to_owned(), counter.part.clone()));
    let named: Vec<(String, String)> = readiness.chain(counters).chain(evidence).collect();
    let known: Vec<&str> = topology.parts.iter().map(|part| part.name.as_str()).collect();
    // An empty name stands for a missing key, which the form has reported already.
    for (key, part) in named.iter().filter(|(_, part)| !part.is_empty() && !known.contains(&part.as_str())) {
        filled.note(key, format!("`{part}` is not a part of this stack"), &format!("`{}`", known.join("`, `")));
    }
    for (at, scheduled) in faults {
        // The backend of a run is not known yet. The plan asks again, with the backend that `--backend` chooses.
        for problem in scheduled.fault.problems(topology, &Backend::Process) {
            filled.note(&format!("fault.{at}"), problem, "what the stack has");
        }
    }
}

/// Reports files that are provided twice, and faults that change a file of a service without files. A service watches a
/// folder only if it was started with one.
fn check_provided_files(
    filled: &mut Filled<'_, ExperimentForm>,
    topology: &Topology,
    faults: &[(usize, ScheduledFault)],
) {
    let given = filled.value.given.clone();
    for (at, ProvidedFile { service, file, .. }) in given.iter().enumerate() {
        let key = format!("given.{at}");
        // A file that a fault could not change cannot be provided either.
        let change = FaultKind::FileChanged(FileChanged { service: *service, file: file.clone(), text: None });
        for problem in change.problems(topology, &Backend::Process) {
            filled.note(&key, problem, "a file of rules or patterns");
        }
        if given[..at].iter().any(|other| (other.service, &other.file) == (*service, file)) {
            filled.note(&key, format!("`{}` has the file `{file}` twice", service.name()), "each file once");
        }
    }
    for (at, scheduled) in faults {
        let FaultKind::FileChanged(FileChanged { service, file, text }) = &scheduled.fault else { continue };
        let (key, name) = (format!("fault.{at}"), service.name());
        let mut of_service = given.iter().filter(|given| given.service == *service).peekable();
        if of_service.peek().is_none() {
            let what = format!("`{name}` watches no folder of files, so no file can change");
            filled.note(&key, what, &format!("a `[[given]]` with `service = \"{name}\"`"));
        } else if text.is_none() && !of_service.any(|given| given.file == *file) {
            let what = format!("`{file}` cannot be removed, because it does not exist");
            filled.note(&key, what, "a file of a `[[given]]`, or a `text`");
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
