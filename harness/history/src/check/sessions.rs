//! sessions: what one user may rely on (Terry et al. 1994), for reads by id and for the hits of searches and lists: an acknowledged change is seen
//! by every later read of its writer and of its colleagues, no read goes back behind an earlier one of the same user, and a change comes after what
//! its writer had read. Each rule needs two calls only, so that a violation names them; `register` judges all calls to a record together.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use crate::op::Visibility;
use crate::store::User;
use crate::timeline::{self, Event, Kind, Record, is_same_user};
use crate::view::{KeyRef, OpRef, StateRef};

pub(super) const CHECK: Check = Check {
    name: "sessions",
    proves: "No reply has a state of a record that an acknowledged change had replaced before the read began, or a state older than one that the same user had observed before (its absence included), and no change has an older version than its writer had read",
    blind_to: &[
        "Without versions, two contents are compared only if one was certainly written before the other; an unanswered write of a content excuses it at any later time.",
        "It does not see which records a search or list omits; `index-agrees` does.",
        "A deletion, or a change to private, that was sent before a read ended excuses a missing record, even if it was not answered.",
        "Reads of different users are compared with acknowledged changes, but not with each other; `register` does that.",
        "States of different records are not compared: a user may see a newer state of one and an older state of another.",
    ],
    evidence: "Reads, searches or lists that return, or should return, a record that the run created.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let mut sessions = Sessions::default();
    timeline::for_each_record(history, |record| {
        sessions.prepare(record);
        sessions.judge(history, record.key, finding);
    });
    let reads = counted(finding.judged, "sight of a record", "sights of records");
    format!("{reads}, {} older than the reader could expect", finding.violations)
}

/// When a content was written to the record.
#[derive(Clone, Copy)]
struct ContentSpan {
    from_us: u64,
    /// When its last write had ended; `u64::MAX` if one may take effect at any time.
    until_us: u64,
}

/// What a user has seen of the record.
#[derive(Clone, Copy, Default)]
struct SeenState {
    at: u32,
    until_us: u64,
    version: Option<u64>,
    digest: Option<u64>,
    /// True if the record was missing for its owner after it had been created.
    missing: bool,
}

/// The newest of the acknowledged changes up to some time.
#[derive(Clone, Copy, Default)]
struct NewestChange {
    version: Option<(u64, u32)>,
    /// Begin, content and call of the change that began last.
    content: Option<(u64, u64, u32)>,
}

/// The events of one record; the memory is kept from record to record.
#[derive(Default)]
struct Sessions<'h> {
    /// Acknowledged creations and changes, in the order of their ends.
    changes: Vec<Event<'h>>,
    /// Everything else, and the changes again, in the order of their begins.
    events: Vec<Event<'h>>,
    /// By content, sorted.
    lives: Vec<(u64, ContentSpan)>,
    /// A list, because few users see one record.
    seen: Vec<(User, SeenState)>,
    created_us: Option<(u64, u32)>,
    /// Time from which the record may be deleted (`deleted_us`), or hidden from colleagues (`hidden_us`).
    deleted_us: u64,
    hidden_us: u64,
}

impl<'h> Sessions<'h> {
    fn prepare(&mut self, record: &Record<'h, '_>) {
        self.changes.clear();
        self.events.clear();
        self.lives.clear();
        self.seen.clear();
        (self.created_us, self.deleted_us, self.hidden_us) = (None, u64::MAX, u64::MAX);
        for event in record.events {
            match event.kind {
                Kind::Create(value) | Kind::Update { value, .. } => {
                    self.change(event, value);
                }
                Kind::Delete { .. } => self.deleted_us = self.deleted_us.min(event.from_us),
                Kind::Seen(_) | Kind::Missing { .. } => self.events.push(*event),
                Kind::Conflict(_) => {}
            }
        }
        self.lives.sort_unstable_by_key(|(digest, _)| *digest);
        self.lives.dedup_by(|(digest, life), (kept, of_kept)| {
            if digest == kept {
                of_kept.from_us = of_kept.from_us.min(life.from_us);
                of_kept.until_us = of_kept.until_us.max(life.until_us);
            }
            digest == kept
        });
        self.changes.sort_unstable_by_key(|event| (event.until_us, event.at));
        self.events.sort_unstable_by_key(|event| (event.from_us, event.at));
    }

    fn change(&mut self, event: &Event<'h>, value: StateRef<'_>) {
        let creates = matches!(event.kind, Kind::Create(_));
        // Without a recorded visibility, a new record may be private.
        let hides = value.visibility() == Some(Visibility::Private) || (creates && value.visibility().is_none());
        if hides {
            self.hidden_us = self.hidden_us.min(event.from_us);
        }
        if let Some(digest) = value.digest() {
            self.lives.push((digest, ContentSpan { from_us: event.from_us, until_us: event.until_us }));
        }
        if event.is_certain() {
            if creates {
                let first = (event.until_us, event.at);
                self.created_us = Some(self.created_us.map_or(first, |created| created.min(first)));
            }
            self.changes.push(*event);
            self.events.push(*event);
        }
    }

    fn judge(&mut self, history: &'h History, key: KeyRef<'_>, finding: &mut FindingBuilder) {
        let (mut floor, mut ended) = (NewestChange::default(), 0);
        for number in 0..self.events.len() {
            let event = self.events[number];
            while let Some(change) = self.changes.get(ended).filter(|change| change.until_us < event.from_us) {
                floor.raise(change);
                ended += 1;
            }
            let op = history.op(event.at);
            let user = op.caller();
            let known = self.seen.iter().find(|(known, _)| *known == user);
            let before = known.map(|(_, sight)| *sight).filter(|sight| sight.until_us < event.from_us);
            let broken = match event.kind {
                Kind::Seen(value) => {
                    finding.judged += 1;
                    let replaced = self.replaced(&floor, value).map(|at| (at, replaced(history.op(at), op)));
                    replaced.or_else(|| self.newer_state_seen(before, value))
                }
                Kind::Missing { to_owner } => {
                    finding.judged += 1;
                    self.missed(&event, to_owner, before)
                }
                Kind::Update { value, .. } => version_did_not_advance(before, value),
                _ => None,
            };
            if let Some((earlier, what)) = broken {
                finding.violation(|| format!("`{}` {what}: `{key}`", op.user()), &[earlier, event.at]);
            }
            self.remember(user, &event);
        }
    }

    /// Returns the acknowledged change that had replaced this state.
    fn replaced(&self, floor: &NewestChange, value: StateRef<'_>) -> Option<u32> {
        if let (Some((newest, at)), Some(version)) = (floor.version, value.version())
            && version < newest
        {
            return Some(at);
        }
        let ((from_us, content, at), digest) = (floor.content?, value.digest()?);
        (digest != content && self.life(digest)?.until_us < from_us).then_some(at)
    }

    fn life(&self, digest: u64) -> Option<ContentSpan> {
        let at = self.lives.binary_search_by_key(&digest, |(of, _)| *of).ok()?;
        Some(self.lives[at].1)
    }

    /// Returns what the same user had seen before, if this state is older.
    fn newer_state_seen(&self, before: Option<SeenState>, value: StateRef<'_>) -> Option<(u32, &'static str)> {
        let sight = before?;
        if sight.missing {
            return Some((sight.at, "saw a record again that had been missing"));
        }
        let older_version = sight.version.zip(value.version()).is_some_and(|(newest, version)| version < newest);
        let lives = || Some((self.life(sight.digest?)?, self.life(value.digest()?)?));
        let older_content =
            || sight.digest != value.digest() && lives().is_some_and(|(newest, older)| older.until_us < newest.from_us);
        (older_version || older_content()).then_some((sight.at, "saw an older state than before"))
    }

    /// Returns the call that shows that the record was there, if nothing excuses that it is missing.
    fn missed(&self, event: &Event<'h>, to_owner: bool, before: Option<SeenState>) -> Option<(u32, &'static str)> {
        let visible = to_owner || self.hidden_us > event.until_us;
        if event.until_us >= self.deleted_us || !visible {
            return None;
        }
        let created = self.created_us.filter(|(until_us, _)| *until_us < event.from_us).map(|(_, at)| at);
        let seen = before.filter(|sight| !sight.missing).map(|sight| sight.at);
        seen.or(created).map(|at| (at, "missed a record that exists"))
    }

    fn remember(&mut self, user: User, event: &Event<'h>) {
        match event.kind {
            Kind::Seen(value) | Kind::Create(value) | Kind::Update { value, .. } => {
                let sight = self.sight(user);
                let older = value.version().zip(sight.version).is_some_and(|(version, newest)| version < newest);
                if !older {
                    let version = value.version().or(sight.version);
                    let digest = value.digest().or(sight.digest);
                    // What is kept of the earlier sight was not known before that one ended: another session of the user may end later.
                    let keeps = (version.is_some() && value.version().is_none())
                        || (digest.is_some() && value.digest().is_none());
                    let until_us = if keeps { event.until_us.max(sight.until_us) } else { event.until_us };
                    *sight = SeenState { at: event.at, until_us, version, digest, missing: false };
                }
            }
            // From now on the record must stay missing. This does not apply to a miss before the record was created.
            Kind::Missing { to_owner: true } if self.created_us.is_some_and(|(us, _)| us < event.from_us) => {
                let sight = self.sight(user);
                *sight = SeenState { at: event.at, until_us: event.until_us, missing: true, ..*sight };
            }
            // A record that was not there yet has shown nothing.
            _ => {}
        }
    }

    fn sight(&mut self, user: User) -> &mut SeenState {
        let at = self.seen.iter().position(|(known, _)| *known == user).unwrap_or_else(|| {
            self.seen.push((user, SeenState::default()));
            self.seen.len() - 1
        });
        &mut self.seen[at].1
    }
}

impl NewestChange {
    fn raise(&mut self, change: &Event<'_>) {
        let (Kind::Create(value) | Kind::Update { value, .. }) = change.kind else { return };
        if let Some(version) = value.version()
            && self.version.is_none_or(|(newest, _)| version > newest)
        {
            self.version = Some((version, change.at));
        }
        if let Some(digest) = value.digest()
            && self.content.is_none_or(|(from_us, _, _)| change.from_us > from_us)
        {
            self.content = Some((change.from_us, digest, change.at));
        }
    }
}

fn replaced(writer: OpRef<'_>, reader: OpRef<'_>) -> &'static str {
    if is_same_user(writer, reader) {
        "saw a state that it had replaced itself"
    } else {
        "saw a state that an acknowledged change of another user had replaced"
    }
}

/// Returns the earlier read of the writer, if its version is not older than that of the change.
fn version_did_not_advance(before: Option<SeenState>, value: StateRef<'_>) -> Option<(u32, &'static str)> {
    let sight = before?;
    let version_did_not_advance = sight.version.zip(value.version()).is_some_and(|(read, written)| written <= read);
    version_did_not_advance.then_some((sight.at, "had read a version that its later change did not follow"))
}
