//! What the users request: mostly changes and reads of the newest records.

use super::{Request, Simulation, TAGS, USERS, What, list};
use harness_history::{Canary, Phase, RecordState, Visibility};
use std::sync::Arc;

impl Simulation {
    pub(super) fn request(&mut self, user: usize, at: u64) -> Request {
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
}
