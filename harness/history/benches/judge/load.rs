//! A made-up experiment under a heavy mixed load: records that are written, changed, deleted, read and searched (some far more often than
//! others), workflows, injections with their verdicts, and a final read of every record.

use harness_history::experiment::{
    Counter, CounterFigure, CounterPromise, Experiment, FILE_CHANGED, Fault, Probe, Readiness, ReadyWord, Span, Way,
};
use harness_history::{
    Canary, Effect, ErrorKind, Op, Outcome, Phase, Query, RecordState, VerdictKind, Workflow, WorkflowEnd,
};
use std::sync::Arc;

pub(crate) const USERS: u64 = 200;
/// Arrivals per second.
pub(crate) const RATE: u64 = 5_000;
const TENANTS: u64 = 20;
const CALL_US: u64 = 3_000;
/// Versions of the rules, before the file is changed and while it is.
const RULES: [&str; 2] = ["as before", "changed"];
/// Patterns that workflows inject, before one is withdrawn and while it is.
const PATTERNS: [&str; 2] = [WITHDRAWN, "another"];
pub(crate) const WITHDRAWN: &str = "withdrawn";
const SECOND_US: u64 = 1_000_000;
const STEADY_US: u64 = 60 * SECOND_US;
const HEALED_US: u64 = 80 * SECOND_US;
/// During the fault, one of this number of calls fails.
const FAILS_EACH: u64 = 50;
/// One of this number of searches is for a single record.
const SINGLE_EACH: u64 = 4;
/// One of this number of reads is of a record of another organisation.
const FOREIGN_EACH: u64 = 20;
/// Number of records that their writers change and read most.
const HOT: u64 = USERS;

pub(crate) fn tenant(number: u64) -> String {
    format!("tenant{number}")
}

/// Returns the operations of the load, and then a read of each record.
pub(crate) fn ops(count: u64) -> Vec<Op> {
    let mut made = Making::default();
    let mut number = 0;
    while (made.ops.len() + made.records.len()) < count as usize {
        made.arrive(number);
        number += 1;
    }
    for at in 0..made.records.len() {
        let record = &made.records[at];
        let (user, key) = (record.user, Arc::clone(&record.key));
        let value = (!record.deleted).then(|| record.value.clone());
        made.op(user, "get_memory", Phase::Final, number * SECOND_US / RATE, Effect::Read { key, value });
        number += 1;
    }
    made.ops
}

#[derive(Default)]
struct Making {
    ops: Vec<Op>,
    records: Vec<Record>,
    /// Positions of the records of each user.
    own: Vec<Vec<usize>>,
    names: Vec<(Arc<str>, Arc<str>)>,
    tools: Vec<Arc<str>>,
    contents: u64,
}

struct Record {
    user: u64,
    key: Arc<str>,
    value: RecordState,
    deleted: bool,
}

impl Making {
    fn arrive(&mut self, number: u64) {
        if self.names.is_empty() {
            self.names = (0..USERS).map(|user| (tenant(user % TENANTS).into(), format!("user{user}").into())).collect();
            self.own = vec![Vec::new(); USERS as usize];
        }
        let at_us = number * SECOND_US / RATE;
        let (user, draw) = (number % USERS, mixed(number));
        let during = (STEADY_US..HEALED_US).contains(&at_us);
        if during && number.is_multiple_of(FAILS_EACH) {
            self.op(user, "get_memory", Phase::Measured, at_us, Effect::None);
            let last = self.ops.len() - 1;
            self.ops[last].outcome = Outcome::Failed(ErrorKind::Http(503));
            return;
        }
        match draw % 100 {
            _ if number < HOT => self.store(user, at_us),
            0..35 => self.store(user, at_us),
            35..40 => self.update(user, at_us, draw),
            40..42 => self.delete(user, at_us, draw),
            42..80 => self.read(user, at_us, draw),
            80..90 => self.search(user, at_us, draw),
            90..95 => self.run_workflow(user, at_us, number),
            _ => self.inject(user, at_us, number),
        }
    }

    fn content(&mut self, user: u64) -> RecordState {
        self.contents += 1;
        let (tenant, name) = self.names[user as usize].clone();
        let canary = Canary { tenant, user: name, workspace: None, shared: false, number: self.contents };
        RecordState::of_content(mixed(self.contents), Some(canary))
    }

    fn store(&mut self, user: u64, at_us: u64) {
        let value = self.content(user);
        let key: Arc<str> = format!("0198c0de-0000-7000-8000-{:012}", self.records.len()).into();
        self.own[user as usize].push(self.records.len());
        self.records.push(Record { user, key: Arc::clone(&key), value: value.clone(), deleted: false });
        self.op(user, "store_memory", Phase::Measured, at_us, Effect::Write { key: Some(key), value, existing: false });
    }

    /// Returns a record of the user; every second time the one that is used most.
    fn some(&self, user: u64, draw: u64) -> usize {
        let own = &self.own[user as usize];
        if draw & 1024 == 0 { own[0] } else { own[(draw >> 16) as usize % own.len()] }
    }

    fn update(&mut self, user: u64, at_us: u64, draw: u64) {
        let record = self.some(user, draw);
        if self.records[record].deleted {
            return self.store(user, at_us);
        }
        let value = self.content(user);
        self.records[record].value = value.clone();
        let key = Arc::clone(&self.records[record].key);
        self.op(user, "update_memory", Phase::Measured, at_us, Effect::Update { key, value, expected: None });
    }

    fn delete(&mut self, user: u64, at_us: u64, draw: u64) {
        let record = self.some(user, draw | 1024);
        // The record that is used most is never deleted, and none is deleted twice.
        if record as u64 >= HOT && !self.records[record].deleted {
            self.records[record].deleted = true;
            let key = Arc::clone(&self.records[record].key);
            self.op(user, "delete_memory", Phase::Measured, at_us, Effect::Delete { key });
        }
    }

    fn read(&mut self, user: u64, at_us: u64, draw: u64) {
        if (draw >> 32).is_multiple_of(FOREIGN_EACH) {
            // The neighbour in the numbers of users belongs to another organisation.
            let key = Arc::clone(&self.records[self.some((user + 1) % USERS, draw)].key);
            return self.op(user, "probe_foreign", Phase::Measured, at_us, Effect::Read { key, value: None });
        }
        let record = &self.records[self.some(user, draw)];
        let value = (!record.deleted).then(|| record.value.clone());
        self.op(user, "get_memory", Phase::Measured, at_us, Effect::Read { key: Arc::clone(&record.key), value });
    }

    fn search(&mut self, user: u64, at_us: u64, draw: u64) {
        if (draw >> 32).is_multiple_of(SINGLE_EACH) {
            let record = &self.records[self.some(user, draw)];
            let hit = (!record.deleted).then(|| (Arc::clone(&record.key), record.value.clone()));
            let query = Query { words: Some(1), target: Some(Arc::clone(&record.key)), ..Query::default() };
            let effect = Effect::Scan { hits: hit.into_iter().collect(), query: Some(Box::new(query)) };
            return self.op(user, "search_memory", Phase::Measured, at_us, effect);
        }
        let records = (0..5).map(|turn| &self.records[self.some(user, mixed(draw + turn))]);
        let there = records.filter(|record| !record.deleted);
        let hits = there.map(|record| (Arc::clone(&record.key), record.value.clone())).collect();
        self.op(user, "search_memory", Phase::Measured, at_us, Effect::Scan { hits, query: None });
    }

    fn run_workflow(&mut self, user: u64, at_us: u64, number: u64) {
        let changed = usize::from(changed(at_us));
        let workflow = Workflow {
            risky: number.is_multiple_of(3),
            verdict: Some("allow".into()),
            rules: Some(RULES[changed].into()),
            pattern: Some(PATTERNS[changed].into()),
            injected: Some(format!("verdict{number}").into()),
            ..Workflow::ended(WorkflowEnd::Completed)
        };
        self.op(user, "run_workflow", Phase::Measured, at_us, Effect::Workflow(workflow));
    }

    /// A verdict at even numbers, and the injection on it by the same user.
    fn inject(&mut self, user: u64, at_us: u64, number: u64) {
        let of = |what: &str| -> Arc<str> { format!("{what}{number}").into() };
        let verdict = Effect::Verdict {
            verdict: of("verdict"),
            kind: VerdictKind::Allow,
            execution: of("execution"),
            request: of("request"),
            rules: RULES[usize::from(changed(at_us))].into(),
            user: "".into(),
            lifetime_s: Some(120),
        };
        self.op(user, "check_guardrails", Phase::Measured, at_us, verdict);
        let inject = Effect::Inject {
            pattern: "incident-timeline".into(),
            execution: of("execution"),
            request: of("request"),
            verdict: Some(of("verdict")),
        };
        self.op(user, "inject_pattern", Phase::Measured, at_us + CALL_US + 1_000, inject);
    }

    fn op(&mut self, user: u64, name: &str, phase: Phase, at_us: u64, effect: Effect) {
        let name = match self.tools.iter().find(|tool| ***tool == *name) {
            Some(tool) => Arc::clone(tool),
            None => {
                self.tools.push(name.into());
                Arc::clone(&self.tools[self.tools.len() - 1])
            }
        };
        let (tenant, user_name) = self.names[user as usize].clone();
        self.ops.push(Op {
            process: user as u32,
            tenant,
            user: user_name,
            workspace: None,
            name,
            phase,
            planned_us: Some(at_us),
            invoke_us: at_us,
            complete_us: at_us + CALL_US + mixed(at_us) % 500,
            outcome: Outcome::Ok,
            strays: Vec::new(),
            effect,
        });
    }
}

/// Returns true if a call that is sent now meets the changed files.
const fn changed(at_us: u64) -> bool {
    at_us >= STEADY_US && at_us < HEALED_US
}

fn injected(kind: &str, target: &str) -> Fault {
    Fault {
        name: format!("{kind} {target}"),
        kind: kind.to_owned(),
        target: target.to_owned(),
        ordered_us: STEADY_US,
        active_us: STEADY_US,
        ending_us: Some(HEALED_US),
        healed_us: Some(HEALED_US),
        hits: Some(100),
        counted_by: String::new(),
    }
}

/// Scrambles a number, so that neighbours are far apart.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// The record of the experiment beside its calls.
pub(crate) fn experiment() -> Experiment {
    let fault = Span { from_us: STEADY_US, until_us: HEALED_US };
    let moments = (0..1_400).map(|number| number * SECOND_US / 10);
    let probe = |sent_us: u64| Probe {
        part: "orchestrator".to_owned(),
        sent_us,
        answered_us: sent_us + 1_000,
        live: Some(200),
        ready: Some(200),
        degraded: fault.holds(sent_us),
    };
    let CounterPromise { part, metric, labels, .. } = counters().remove(0);
    Experiment {
        steady: Some(Span { from_us: 0, until_us: STEADY_US }),
        fault: Some(fault),
        recovery: Some(Span { from_us: HEALED_US, until_us: 100 * SECOND_US }),
        faults: vec![
            injected("kill", "redis"),
            injected(FILE_CHANGED, "guardrails"),
            injected(FILE_CHANGED, "patterns"),
        ],
        probes: moments.map(probe).collect(),
        ways: vec![Way {
            from: "memory".to_owned(),
            to: "redis".to_owned(),
            span: fault,
            requests: 100,
            calls: 90,
            connects: 9,
        }],
        counters: vec![Counter { part, metric, labels, before: Some(0.0), during: Some(1.0), after: Some(1.0) }],
        crowded: Vec::new(),
        secrets: Vec::new(),
        log_lines: 1,
        logs_elsewhere: false,
        aborted: None,
    }
}

/// What the probed part must report.
pub(crate) fn readiness() -> Vec<Readiness> {
    vec![Readiness { part: "orchestrator".to_owned(), says: ReadyWord::Degraded, within_us: SECOND_US }]
}

/// What its counter must show.
pub(crate) fn counters() -> Vec<CounterPromise> {
    vec![CounterPromise {
        part: "orchestrator".to_owned(),
        metric: "ratelimit_fallback_active".to_owned(),
        labels: std::collections::BTreeMap::new(),
        figure: CounterFigure::Growth,
        at_least: Some(1.0),
        at_most: None,
    }]
}
