//! The store: what a request does and returns at the moment at which it takes effect.

use super::{PAGE, Record, Request, Simulation, USERS, What, position};
use harness_history::{Effect, ErrorKind, Outcome, Query, RecordState, Visibility};
use std::sync::Arc;

impl Simulation {
    pub(super) fn is_readable(&self, user: usize, id: usize) -> bool {
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

    pub(super) fn take_effect(&mut self, number: usize) {
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
}
