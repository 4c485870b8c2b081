//! The ends of calls: what the client learns, what is recorded, and what it requests next.

use super::{CALL_US, Moment, Request, Simulation, USERS, What, position};
use crate::history::outcome;
use harness_history::{Effect, Op, Outcome};
use std::sync::Arc;

impl Simulation {
    pub(super) fn end(&mut self, number: usize, at: u64) {
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
    pub(super) fn follow_up(&self, request: &Request, effect: &Effect, outcome: &Outcome) -> Option<What> {
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

    pub(super) fn record(&mut self, request: &Request, at: u64, outcome: Outcome, effect: Effect) {
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
}
