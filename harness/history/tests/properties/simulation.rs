//! A store without a defect, and the history of several users who call it at the same time: calls overlap, some are never answered and take
//! effect late or never, changes from an old version are refused, records are deleted, shared and taken back, and colleagues read and change them.
//! After the load every user reads its records, walks over all it may see, and searches for single records.

use crate::history::outcome;
use harness_history::{Canary, Effect, ErrorKind, Op, Outcome, Phase, Query, RecordState, Visibility};
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

/// Random numbers of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.below(list.len() as u64) as usize])
    }
}

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

    fn request(&mut self, user: usize, at: u64) -> Request {
        let (mut name, what) = match self.draws.below(20) {
            0..5 => {
                let shared = self.draws.one_in(2);
                let value = RecordState { tags: Some(self.draws.below(TAGS) as u32), ..self.content(user, shared) };
                let key = self.draws.one_in(3).then(|| self.draws.next());
                ("store_memory", What::Store { value, key })
            }
            5..9 => self.update(user),
            9 => self
                .own_record(user)
                .map_or(("list_memories", list(None)), |(id, _)| ("delete_memory", What::Delete { id })),
            10..15 => match self.some_record(user) {
                Some(id) => ("get_memory", What::Get { id }),
                None => ("list_memories", list(None)),
            },
            15..17 => match self.some_record(user) {
                Some(id) => ("search_memory", What::Find { id }),
                None => ("list_memories", list(None)),
            },
            17 => ("list_memories", list(None)),
            _ => ("list_memories", list(Some(self.draws.below(TAGS) as u32))),
        };
        if let What::Store { key: Some(_), .. } = &what {
            name = "store_once";
        }
        let unanswered = self.habits.unanswered;
        let answered = unanswered == 0 || !self.draws.one_in(unanswered);
        Request { user, name, phase: Phase::Measured, what, invoke_us: at, answered }
    }

    fn update(&mut self, user: usize) -> (&'static str, What) {
        let colleagues: Vec<usize> = self.known.iter().copied().filter(|id| self.is_readable(user, *id)).collect();
        let chosen = if self.draws.one_in(3) {
            // A colleague changes what it may read; it knows no version.
            self.draws.pick(&colleagues).map(|id| (id, None))
        } else {
            self.own_record(user)
        };
        let Some((id, version)) = chosen else { return ("list_memories", list(None)) };
        let expected = version.filter(|_| self.habits.versions && self.draws.one_in(2));
        let shared = self.records[id].value.visibility == Some(Visibility::Workspace);
        let value = if self.draws.one_in(6) {
            let other = if shared { Visibility::Private } else { Visibility::Workspace };
            RecordState {
                visibility: (USERS[user] == USERS[self.records[id].owner]).then_some(other),
                tags: Some(self.draws.below(TAGS) as u32),
                ..RecordState::default()
            }
        } else {
            RecordState { visibility: None, ..self.content(user, shared) }
        };
        ("update_memory", What::Update { id, value, expected })
    }

    fn own_record(&mut self, user: usize) -> Option<(usize, Option<u64>)> {
        self.draws.pick(&self.own[user])
    }

    fn some_record(&mut self, user: usize) -> Option<usize> {
        // The newest are read most, so that calls to one record overlap.
        let newest = &self.known[self.known.len().saturating_sub(6)..];
        let from = if self.draws.one_in(3) { self.known.clone() } else { newest.to_vec() };
        let own = self.own_record(user).map(|(id, _)| id).filter(|_| self.draws.one_in(2));
        own.or_else(|| self.draws.pick(&from))
    }

    fn content(&mut self, user: usize, shared: bool) -> RecordState {
        self.contents += 1;
        let (tenant, name, workspace) = USERS[user];
        let canary = Canary {
            tenant: tenant.into(),
            user: name.into(),
            workspace: workspace.map(Arc::from),
            shared,
            number: self.contents,
        };
        let visibility = Some(if shared { Visibility::Workspace } else { Visibility::Private });
        RecordState { visibility, ..RecordState::of_content(self.contents, Some(canary)) }
    }

    fn is_readable(&self, user: usize, id: usize) -> bool {
        let record = &self.records[id];
        let (owner, reader) = (USERS[record.owner], USERS[user]);
        let workspace = |(tenant, user, workspace): (&'static str, &'static str, Option<&'static str>)| {
            (tenant, workspace.or_else(|| user.split_once('@').map(|(_, workspace)| workspace)))
        };
        let separate =
            |(_, user, workspace): (&str, &'static str, Option<&str>)| workspace.is_some() || user.contains('@');
        let same = workspace(owner) == workspace(reader) && (separate(owner) == separate(reader));
        // `ann` of the workspace `ops` and `bob@ops` are recorded in two ways, which are not compared.
        let one_way = owner.2 == reader.2;
        record.exists && same && one_way && (record.value.visibility == Some(Visibility::Workspace) || owner == reader)
    }

    fn take_effect(&mut self, number: usize) {
        let Request { user, what, .. } = self.requests[number].clone();
        let not_found = || Outcome::Failed(ErrorKind::Tool("not_found".into()));
        let result = match what {
            What::Store { value, key } => self.store(user, value, key),
            What::Update { id, value, expected } => {
                let id = self.resolved(user, id);
                let effect = |version| Effect::Update {
                    key: Arc::clone(&self.records[id].id),
                    value: RecordState { version, ..value.clone() },
                    expected,
                };
                let version = self.records[id].value.version;
                if !self.is_readable(user, id) {
                    (effect(None), not_found())
                } else if expected.is_some_and(|expected| Some(expected) != version) {
                    (effect(None), Outcome::Failed(ErrorKind::Tool("version_conflict".into())))
                } else {
                    let version = version.map(|version| version + 1);
                    let done = effect(version.filter(|_| self.habits.versions));
                    let state = &mut self.records[id].value;
                    state.version = version;
                    if value.digest.is_some() {
                        (state.digest, state.canary) = (value.digest, value.canary);
                    }
                    state.visibility = value.visibility.or(state.visibility);
                    state.tags = value.tags.or(state.tags);
                    (done, Outcome::Ok)
                }
            }
            What::Delete { id } => {
                let id = self.resolved(user, id);
                let effect = Effect::Delete { key: Arc::clone(&self.records[id].id) };
                if self.is_readable(user, id) {
                    self.records[id].exists = false;
                    (effect, Outcome::Ok)
                } else {
                    (effect, not_found())
                }
            }
            What::Get { id } => {
                let id = self.resolved(user, id);
                let value = self.is_readable(user, id).then(|| self.shown(id, true));
                (Effect::Read { key: Arc::clone(&self.records[id].id), value }, Outcome::Ok)
            }
            What::Find { id } => {
                let hit = (Arc::clone(&self.records[id].id), self.shown(id, false));
                let target = Some(Arc::clone(&hit.0));
                let hits = if self.is_readable(user, id) { vec![hit] } else { Vec::new() };
                let query = Query { words: Some(id as u32), target, ..Query::default() };
                (Effect::Scan { hits, query: Some(Box::new(query)) }, Outcome::Ok)
            }
            What::List { tag, page, after } => (self.list(user, tag, page, after), Outcome::Ok),
        };
        self.results[number] = Some(result);
    }

    fn store(&mut self, user: usize, value: RecordState, key: Option<u64>) -> (Effect, Outcome) {
        if let Some(done) = key.and_then(|key| self.idempotency.get(&(user, key))) {
            return done.clone();
        }
        let id = self.new_id(user);
        let shown = RecordState { version: self.habits.versions.then_some(1), ..value.clone() };
        let done = (Effect::Write { key: Some(Arc::clone(&id)), value: shown, existing: false }, Outcome::Ok);
        self.records.push(Record { id, owner: user, value: RecordState { version: Some(1), ..value }, exists: true });
        if let Some(key) = key {
            self.idempotency.insert((user, key), done.clone());
        }
        done
    }

    fn new_id(&self, user: usize) -> Arc<str> {
        let of = |tenant| move |record: &&Record| USERS[record.owner].0 == tenant;
        let (first, tenant) = (USERS[0].0, USERS[user].0);
        if self.habits.shared_ids && tenant != first {
            let own = self.records.iter().filter(of(tenant)).count();
            if let Some(same) = self.records.iter().filter(of(first)).nth(own) {
                return Arc::clone(&same.id);
            }
        }
        format!("k{}", self.records.len()).into()
    }

    /// Returns the record that an id stands for in a request: the own organisation's, if it has one.
    fn resolved(&self, user: usize, id: usize) -> usize {
        position(&self.records, user, &self.records[id].id).unwrap_or(id)
    }

    /// Returns the state of a record as replies show it; a scan shows neither visibility nor tags.
    fn shown(&self, id: usize, whole: bool) -> RecordState {
        let state = self.records[id].value.clone();
        RecordState {
            version: state.version.filter(|_| self.habits.versions),
            visibility: state.visibility.filter(|_| whole),
            tags: state.tags.filter(|_| whole),
            ..state
        }
    }

    /// Returns a page of the list, newest first.
    fn list(&self, user: usize, tags: Option<u32>, page: u32, after: Option<usize>) -> Effect {
        let matches = |id: &usize| {
            self.is_readable(user, *id) && tags.is_none_or(|tag| self.records[*id].value.tags == Some(tag))
        };
        let all: Vec<usize> = (0..after.unwrap_or(self.records.len())).rev().filter(matches).collect();
        let hits =
            all.iter().take(PAGE).map(|id| (Arc::clone(&self.records[*id].id), self.shown(*id, false))).collect();
        let query = Query { tags, page, more: all.len() > PAGE, ..Query::default() };
        Effect::Scan { hits, query: Some(Box::new(query)) }
    }

    fn end(&mut self, number: usize, at: u64) {
        let request = self.requests[number].clone();
        let (effect, outcome) = match self.results[number].clone().filter(|_| request.answered) {
            Some(result) => result,
            None => (self.unanswered(&request.what), outcome(false)),
        };
        self.learn(&request, &effect, &outcome);
        let follow_up = self.follow_up(&request, &effect, &outcome);
        self.record(&request, at, outcome, effect);
        let pause = 1 + self.draws.below(CALL_US / 2);
        match follow_up {
            Some(what) => self.send(Request { invoke_us: at + pause, answered: true, what, ..request }),
            None => self.plan(at + pause, &Moment::Begin(request.user)),
        }
    }

    /// What the client knows of a call that was not answered.
    fn unanswered(&self, what: &What) -> Effect {
        let id = |id: &usize| Arc::clone(&self.records[*id].id);
        match what {
            What::Store { value, .. } => Effect::Write { key: None, value: value.clone(), existing: false },
            What::Update { id: of, value, expected } => {
                Effect::Update { key: id(of), value: value.clone(), expected: *expected }
            }
            What::Delete { id: of } => Effect::Delete { key: id(of) },
            What::Get { .. } | What::List { .. } | What::Find { .. } => Effect::None,
        }
    }

    /// The next page of a walk, or the same request again until it is answered.
    fn follow_up(&self, request: &Request, effect: &Effect, outcome: &Outcome) -> Option<What> {
        match (&request.what, effect) {
            (What::List { tag, page, .. }, Effect::Scan { hits, query: Some(query) }) if query.more => {
                let last = position(&self.records, request.user, &hits.last().unwrap().0);
                Some(What::List { tag: *tag, page: page + 1, after: last })
            }
            (What::Store { key: Some(_), .. }, _) if *outcome != Outcome::Ok => Some(request.what.clone()),
            _ => None,
        }
    }

    fn learn(&mut self, request: &Request, effect: &Effect, outcome: &Outcome) {
        match effect {
            Effect::Write { key: Some(key), value, .. } => {
                let id = position(&self.records, request.user, key).unwrap();
                self.own[request.user].push((id, value.version));
                self.known.push(id);
            }
            Effect::Update { key, value, .. } if *outcome == Outcome::Ok => {
                let id = position(&self.records, request.user, key).unwrap();
                self.own[request.user]
                    .iter_mut()
                    .filter(|(own, _)| *own == id)
                    .for_each(|(_, known)| *known = value.version);
            }
            Effect::Delete { key } if !matches!(outcome, Outcome::Failed(_)) => {
                let id = position(&self.records, request.user, key).unwrap();
                self.own[request.user].retain(|(own, _)| *own != id);
            }
            _ => {}
        }
    }

    fn record(&mut self, request: &Request, at: u64, outcome: Outcome, effect: Effect) {
        let (tenant, user, workspace) = USERS[request.user];
        self.ops.push(Op {
            process: request.user as u32,
            tenant: tenant.into(),
            user: user.into(),
            workspace: workspace.map(Arc::from),
            name: request.name.into(),
            phase: request.phase,
            planned_us: None,
            invoke_us: request.invoke_us,
            complete_us: at,
            outcome,
            strays: Vec::new(),
            effect,
        });
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
