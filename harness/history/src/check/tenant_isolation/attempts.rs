//! Attempts to reach a record of another organisation, another workspace, or another user who keeps it private: by its id, by a search or list that
//! would return it, or by a cursor. Only attempts prove isolation: a load in which every user reads its own records passes with any defect.

use crate::counted;
use crate::history::{Changes, History};
use crate::op::{ErrorKind, Visibility};
use crate::timeline::{is_same_user, is_same_workspace};
use crate::view::{EffectRef, KeyRef, OpRef, QueryRef};
use std::collections::HashMap;

/// Number of attempts, by their way and by whose record it was.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_id: u64,
    by_search: u64,
    by_cursor: u64,
    organisations: u64,
    workspaces: u64,
    private: u64,
}

enum Owner {
    OtherOrganisation,
    OtherWorkspace,
    Colleague,
}

impl Attempts {
    /// Counts the attempts of a history.
    pub(super) fn of(history: &History) -> Self {
        let (mut attempts, tagged) = (Self::default(), Tagged::of(history));
        for (_, op) in history.numbered() {
            match op.effect() {
                EffectRef::Read { key, .. } if op.is_ok() => attempts.by_id(history, op, key),
                // A change of a foreign record is refused as if the record did not exist. One that the service did not answer is no attempt.
                EffectRef::Update { key, .. } | EffectRef::Delete { key } if is_answered(op) => {
                    attempts.by_id(history, op, key);
                }
                EffectRef::Scan { query: Some(query), .. } if op.is_ok() => {
                    attempts.by_scan(history, op, &query, &tagged);
                }
                _ => {}
            }
        }
        attempts
    }

    /// Number of attempts to reach records of other organisations or workspaces.
    pub(super) const fn cross_scope_attempts(&self) -> u64 {
        self.organisations + self.workspaces
    }

    fn by_id(&mut self, history: &History, op: OpRef<'_>, key: KeyRef<'_>) {
        if let Some(owner) = owner(history, op, key) {
            self.by_id += 1;
            self.count(&owner);
        }
    }

    fn by_scan(&mut self, history: &History, op: OpRef<'_>, query: &QueryRef<'_>, tagged: &Tagged) {
        let Some(target) = query.target else {
            // What words match is not recorded; a list matches every record with its tags.
            if query.words.is_none() && tagged.matches_foreign(op, query.tags) {
                self.by_search += 1;
                self.organisations += 1;
            }
            return;
        };
        if let Some(owner) = owner(history, op, target) {
            if query.words.is_some() || query.tags.is_some() {
                self.by_search += 1;
            } else {
                self.by_cursor += 1;
            }
            self.count(&owner);
        }
    }

    const fn count(&mut self, owner: &Owner) {
        match owner {
            Owner::OtherOrganisation => self.organisations += 1,
            Owner::OtherWorkspace => self.workspaces += 1,
            Owner::Colleague => self.private += 1,
        }
    }
}

impl std::fmt::Display for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.cross_scope_attempts() + self.private;
        write!(
            f,
            "{} ({} by id, {} by search or list, {} by cursor; {} at other organisations, {} at other workspaces, {} at private records)",
            counted(all, "attempt", "attempts"),
            self.by_id,
            self.by_search,
            self.by_cursor,
            self.organisations,
            self.workspaces,
            self.private
        )
    }
}

/// Returns true if the service decided about the record: the call ended well, or a tool or the protocol refused it.
fn is_answered(op: OpRef<'_>) -> bool {
    op.is_ok()
        || matches!(op.outcome().error(), Some(ErrorKind::Tool(_) | ErrorKind::JsonRpc(_) | ErrorKind::Http(403 | 404)))
}

/// Returns whose the record is, if the caller must not read it.
fn owner(history: &History, caller: OpRef<'_>, key: KeyRef<'_>) -> Option<Owner> {
    let own = history.changes(key);
    let exists = |changes: Option<Changes<'_>>| changes.is_some_and(|changes| is_created(history, changes));
    // The attempt itself may be a change of a record that its own organisation does not have.
    if !exists(own) && key.elsewhere().any(|other| exists(history.changes(other))) {
        return Some(Owner::OtherOrganisation);
    }
    let changes = own?;
    let writer = history.op(*changes.writes.first()?);
    if !is_same_workspace(writer, caller) {
        Some(Owner::OtherWorkspace)
    } else if is_same_user(writer, caller) {
        None
    } else {
        let mut written = writer.effect().contents().filter(|(of, _, _)| *of == Some(key));
        let private = written.any(|(_, _, value)| value.visibility() == Some(Visibility::Private));
        (private && changes.shares.is_empty()).then_some(Owner::Colleague)
    }
}

fn is_created(history: &History, changes: Changes<'_>) -> bool {
    let creates = |at: &u32| matches!(history.op(*at).effect(), EffectRef::Write { .. } | EffectRef::Writes { .. });
    changes.writes.iter().any(creates)
}

/// The two organisations that had a record first, and since when.
type Firsts = [Option<(u32, u64)>; 2];

/// For each digest of tags, and for all records (`None`): which organisations had one first.
#[derive(Default)]
struct Tagged(HashMap<Option<u32>, Firsts>);

impl Tagged {
    fn of(history: &History) -> Self {
        let mut tagged = Self::default();
        for (_, op) in history.answered() {
            if matches!(op.effect(), EffectRef::Write { .. } | EffectRef::Writes { .. }) {
                for (_, _, value) in op.effect().contents() {
                    tagged.add(None, op);
                    if value.tags().is_some() {
                        tagged.add(value.tags(), op);
                    }
                }
            }
        }
        tagged
    }

    fn add(&mut self, tags: Option<u32>, op: OpRef<'_>) {
        let firsts = self.0.entry(tags).or_default();
        for first in firsts {
            match first {
                Some((tenant, since_us)) if *tenant == op.caller().tenant => {
                    *since_us = op.complete_us().min(*since_us);
                    return;
                }
                Some(_) => {}
                None => {
                    *first = Some((op.caller().tenant, op.complete_us()));
                    return;
                }
            }
        }
    }

    fn matches_foreign(&self, op: OpRef<'_>, tags: Option<u32>) -> bool {
        let firsts = self.0.get(&tags).into_iter().flatten().flatten();
        firsts.into_iter().any(|(tenant, since_us)| *tenant != op.caller().tenant && *since_us <= op.invoke_us())
    }
}
