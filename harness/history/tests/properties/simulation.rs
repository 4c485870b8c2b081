//! A store without a defect, and the history of several users who call it at the same time: calls overlap, some are never answered and take
//! effect late or never, changes from an old version are refused, records are deleted, shared and taken back, and colleagues read and change them.
//! After the load every user reads its records, walks over all it may see, and searches for single records.

mod draws;
mod effects;
mod replies;
mod requests;

pub(crate) use draws::Draws;
use harness_history::{Effect, Op, Outcome, Phase, RecordState};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

/// Organisation, user and workspace of each user.
const USERS: [(&str, &str, Option<&str>); 7] = [
    ("acme", "ann", None),
    ("acme", "bob", None),
    ("acme", "eve", None),
    ("acme", "ann", Some("ops")),
    ("acme", "bob@ops", None),
    ("zeta", "zoe", None),
    ("zeta", "zed", None),
];
const TAGS: u64 = 3;
const PAGE: usize = 4;
const CALL_US: u64 = 30_000;

/// What a simulation contains beside reads and stores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// False if replies and requests show no versions, as those of other servers.
    pub(crate) versions: bool,
    /// One call of this number is not answered; 0 for none.
    pub(crate) unanswered: u64,
    /// True if the second organisation has records with ids of the first, as after an import that keeps ids.
    pub(crate) shared_ids: bool,
}

#[derive(Debug, Clone)]
struct Request {
    user: usize,
    name: &'static str,
    phase: Phase,
    what: What,
    invoke_us: u64,
    answered: bool,
}

#[derive(Debug, Clone)]
enum What {
    Store { value: RecordState, key: Option<u64> },
    Update { id: usize, value: RecordState, expected: Option<u64> },
    Delete { id: usize },
    Get { id: usize },
    List { tag: Option<u32>, page: u32, after: Option<usize> },
    Find { id: usize },
}

struct Record {
    id: Arc<str>,
    owner: usize,
    value: RecordState,
    exists: bool,
}

enum Moment {
    /// The request is sent.
    Begin(usize),
    /// It takes effect.
    Effect(usize),
    /// The reply arrives, or the client gives up.
    End(usize),
}

struct Simulation {
    draws: Draws,
    habits: Habits,
    records: Vec<Record>,
    idempotency: HashMap<(usize, u64), (Effect, Outcome)>,
    requests: Vec<Request>,
    results: Vec<Option<(Effect, Outcome)>>,
    queue: BinaryHeap<Reverse<(u64, usize, usize, u8)>>,
    moments: usize,
    ops: Vec<Op>,
    contents: u64,
    calls_left: usize,
    /// Records that some user has had acknowledged.
    known: Vec<usize>,
    /// What each user knows of its own records: id and version.
    own: Vec<Vec<(usize, Option<u64>)>>,
}

/// Returns the history of a store without a defect, in the order in which its calls ended.
pub(crate) fn honest(seed: u64, calls: usize, habits: Habits) -> Vec<Op> {
    let mut simulation = Simulation {
        draws: Draws(seed),
        habits,
        records: Vec::new(),
        idempotency: HashMap::new(),
        requests: Vec::new(),
        results: Vec::new(),
        queue: BinaryHeap::new(),
        moments: 0,
        ops: Vec::new(),
        contents: 0,
        calls_left: calls,
        known: Vec::new(),
        own: vec![Vec::new(); USERS.len()],
    };
    simulation.load();
    simulation.final_reads();
    simulation.ops
}

impl Simulation {
    fn load(&mut self) {
        for user in 0..USERS.len() {
            let at = self.draws.below(CALL_US);
            self.plan(at, &Moment::Begin(user));
        }
        let mut end_us = 0;
        while let Some(Reverse((at, _, which, kind))) = self.queue.pop() {
            end_us = at;
            match kind {
                0 if self.calls_left > 0 => {
                    self.calls_left -= 1;
                    let request = self.request(which, at);
                    self.send(request);
                }
                0 => {}
                1 => self.take_effect(which),
                _ => self.end(which, at),
            }
        }
        // The final reads begin when every late effect has come.
        self.moments = end_us as usize;
    }

    fn plan(&mut self, at: u64, moment: &Moment) {
        let (which, kind) = match *moment {
            Moment::Begin(user) => (user, 0),
            Moment::Effect(request) => (request, 1),
            Moment::End(request) => (request, 2),
        };
        self.moments += 1;
        self.queue.push(Reverse((at, self.moments, which, kind)));
    }

    fn send(&mut self, request: Request) {
        let (at, number) = (request.invoke_us, self.requests.len());
        let effect_us = at + 1 + self.draws.below(CALL_US);
        let end_us = effect_us + 1 + self.draws.below(CALL_US);
        if request.answered {
            self.plan(effect_us, &Moment::Effect(number));
        } else {
            // Not answered: it takes effect in time, much later, or never.
            match self.draws.below(3) {
                0 => self.plan(effect_us, &Moment::Effect(number)),
                1 => self.plan(effect_us + self.draws.clone().below(20 * CALL_US), &Moment::Effect(number)),
                _ => {}
            }
        }
        self.plan(end_us, &Moment::End(number));
        self.requests.push(request);
        self.results.push(None);
    }

    /// Every user reads back what it wrote, searches for each record that it knows, and walks over everything it may see.
    fn final_reads(&mut self) {
        let mut at = self.moments as u64 + CALL_US;
        let known = self.known.clone();
        let mut call = |simulation: &mut Self, user, what: What| {
            let name = "final";
            let request = Request { user, name, phase: Phase::Final, what, invoke_us: at, answered: true };
            simulation.requests.push(request.clone());
            simulation.results.push(None);
            let number = simulation.requests.len() - 1;
            simulation.take_effect(number);
            let (effect, outcome) = simulation.results[number].clone().unwrap();
            let next = simulation.follow_up(&request, &effect, &outcome);
            simulation.record(&request, at + 10, outcome, effect);
            at += 20;
            next
        };
        for id in known {
            let owner = self.records[id].owner;
            call(self, owner, What::Get { id });
            for user in [owner, (owner + 1) % USERS.len(), (owner + 3) % USERS.len()] {
                call(self, user, What::Find { id });
            }
        }
        for user in 0..USERS.len() {
            for tag in (0..TAGS).map(|tag| Some(tag as u32)).chain([None]) {
                let mut next = Some(list(tag));
                while let Some(what) = next {
                    next = call(self, user, what);
                }
            }
        }
    }
}

/// Returns the record with this id of the user's organisation.
fn position(records: &[Record], user: usize, key: &Arc<str>) -> Option<usize> {
    records.iter().position(|record| record.id == *key && USERS[record.owner].0 == USERS[user].0)
}

const fn list(tag: Option<u32>) -> What {
    What::List { tag, page: 0, after: None }
}
