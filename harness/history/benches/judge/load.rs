//! A made-up experiment under a heavy mixed load: records that are written, changed, deleted, read and searched (some far more often than
//! others), workflows, injections with their verdicts, and a final read of every record.

use harness_history::experiment::{
    Counter, CounterFigure, CounterPromise, EdgeRecord, Experiment, FILE_CHANGED, Fault, Probe, Readiness, ReadyWord,
    Span,
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

/// Makes the operations of the load, and then a read of each record, and passes each on. It keeps a few bytes for each record, because the memory of
/// the whole process is measured.
pub(crate) fn each_op(count: u64, sink: &mut dyn FnMut(&Op)) {
    let mut making = Making {
        sink,
        made: 0,
        records: Vec::new(),
        own: Vec::new(),
        names: Vec::new(),
        tools: Vec::new(),
        contents: 0,
    };
    let mut number = 0;
    while making.made + (making.records.len() as u64) < count {
        making.arrive(number);
        number += 1;
    }
    for at in 0..making.records.len() {
        let user = making.records[at].user;
        let effect = Effect::Read { key: key(at), value: making.value(at) };
        making.op(u64::from(user), "get_memory", Phase::Final, number * SECOND_US / RATE, effect);
        number += 1;
    }
}

fn key(record: usize) -> Arc<str> {
    format!("0198c0de-0000-7000-8000-{record:012}").into()
}

struct Making<'s> {
    sink: &'s mut dyn FnMut(&Op),
    made: u64,
    records: Vec<Record>,
    /// Positions of the records of each user.
    own: Vec<Vec<u32>>,
    names: Vec<(Arc<str>, Arc<str>)>,
    tools: Vec<Arc<str>>,
    contents: u32,
}

#[derive(Clone, Copy)]
struct Record {
    user: u32,
    /// Number of its content.
    content: u32,
    deleted: bool,
}

impl Making<'_> {
    fn arrive(&mut self, number: u64) {
        if self.names.is_empty() {
            self.names = (0..USERS).map(|user| (tenant(user % TENANTS).into(), format!("user{user}").into())).collect();
            self.own = vec![Vec::new(); USERS as usize];
        }
        let at_us = number * SECOND_US / RATE;
        let (user, draw) = (number % USERS, mixed(number));
        let during = (STEADY_US..HEALED_US).contains(&at_us);
        if during && number.is_multiple_of(FAILS_EACH) {
            let outcome = Outcome::Failed(ErrorKind::Http(503));
            return self.op_with((user, "get_memory", Phase::Measured), at_us, Effect::None, outcome);
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

    fn content(&mut self) -> u32 {
        self.contents += 1;
        self.contents
    }

    fn state(&self, user: u64, content: u32) -> RecordState {
        let (tenant, name) = self.names[user as usize].clone();
        let number = u64::from(content);
        let canary = Canary { tenant, user: name, workspace: None, shared: false, number };
        RecordState::of_content(mixed(number), Some(canary))
    }

    /// The state of a record; `None` if it was deleted.
    fn value(&self, record: usize) -> Option<RecordState> {
        let Record { user, content, deleted } = self.records[record];
        (!deleted).then(|| self.state(u64::from(user), content))
    }

    fn store(&mut self, user: u64, at_us: u64) {
        let (content, record) = (self.content(), self.records.len());
        self.own[user as usize].push(record as u32);
        self.records.push(Record { user: user as u32, content, deleted: false });
        let effect = Effect::Write { key: Some(key(record)), value: self.state(user, content), existing: false };
        self.op(user, "store_memory", Phase::Measured, at_us, effect);
    }

    /// Returns a record of the user; every second time the one that is used most.
    fn some(&self, user: u64, draw: u64) -> usize {
        let own = &self.own[user as usize];
        (if draw & 1024 == 0 { own[0] } else { own[(draw >> 16) as usize % own.len()] }) as usize
    }

    fn update(&mut self, user: u64, at_us: u64, draw: u64) {
        let record = self.some(user, draw);
        if self.records[record].deleted {
            return self.store(user, at_us);
        }
        let content = self.content();
        self.records[record].content = content;
        let effect = Effect::Update { key: key(record), value: self.state(user, content), expected: None };
        self.op(user, "update_memory", Phase::Measured, at_us, effect);
    }

    fn delete(&mut self, user: u64, at_us: u64, draw: u64) {
        let record = self.some(user, draw | 1024);
        // The record that is used most is never deleted, and none is deleted twice.
        if record as u64 >= HOT && !self.records[record].deleted {
            self.records[record].deleted = true;
            self.op(user, "delete_memory", Phase::Measured, at_us, Effect::Delete { key: key(record) });
        }
    }

    fn read(&mut self, user: u64, at_us: u64, draw: u64) {
        if (draw >> 32).is_multiple_of(FOREIGN_EACH) {
            // The neighbour in the numbers of users belongs to another organisation.
            let key = key(self.some((user + 1) % USERS, draw));
            return self.op(user, "probe_foreign", Phase::Measured, at_us, Effect::Read { key, value: None });
        }
        let record = self.some(user, draw);
        let effect = Effect::Read { key: key(record), value: self.value(record) };
        self.op(user, "get_memory", Phase::Measured, at_us, effect);
    }

    fn search(&mut self, user: u64, at_us: u64, draw: u64) {
        if (draw >> 32).is_multiple_of(SINGLE_EACH) {
            let record = self.some(user, draw);
            let hit = self.value(record).map(|value| (key(record), value));
            let query = Query { words: Some(1), target: Some(key(record)), ..Query::default() };
            let effect = Effect::Scan { hits: hit.into_iter().collect(), query: Some(Box::new(query)) };
            return self.op(user, "search_memory", Phase::Measured, at_us, effect);
        }
        let records = (0..5).map(|turn| self.some(user, mixed(draw + turn)));
        let hits = records.filter_map(|record| Some((key(record), self.value(record)?))).collect();
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
        self.op_with((user, name, phase), at_us, effect, Outcome::Ok);
    }

    fn op_with(&mut self, (user, name, phase): (u64, &str, Phase), at_us: u64, effect: Effect, outcome: Outcome) {
        let name = match self.tools.iter().find(|tool| ***tool == *name) {
            Some(tool) => Arc::clone(tool),
            None => {
                self.tools.push(name.into());
                Arc::clone(&self.tools[self.tools.len() - 1])
            }
        };
        let (tenant, user_name) = self.names[user as usize].clone();
        self.made += 1;
        (self.sink)(&Op {
            process: user as u32,
            tenant,
            user: user_name,
            workspace: None,
            name,
            phase,
            // No call is planned, so that the check of concurrent users counts them all.
            planned_us: None,
            invoke_us: at_us,
            complete_us: at_us + CALL_US + mixed(at_us) % 500,
            outcome,
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
        ways: vec![EdgeRecord {
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
        unprobed: false,
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
