//! What is known of each record when a list or search is judged, and which records a user may see.

use crate::history::History;
use crate::op::Visibility;
use crate::timeline::{self, Kind, is_same_user, is_same_workspace, suffix};
use crate::view::{KeyRef, OpRef, StateRef};
use std::collections::HashMap;

/// One record.
pub(super) struct IndexedRecord<'h> {
    pub(super) key: KeyRef<'h>,
    pub(super) creator: OpRef<'h>,
    /// Position of the call that created it.
    pub(super) created_at: u32,
    pub(super) created_us: (u64, u64),
    /// Earliest time of a deletion that may have happened, and latest time of the first that did; `u64::MAX` if there was none.
    pub(super) deleted_us: (u64, u64),
    /// Span of all changes; empty if there was none.
    changed_us: (u64, u64),
    visibility: Option<Visibility>,
    pub(super) tags: Option<u32>,
    /// True if no change may have touched its visibility, or its tags.
    keeps_visibility: bool,
    keeps_tags: bool,
}

impl IndexedRecord<'_> {
    /// Returns true if the record certainly existed during the whole span, and the reader was allowed to read it.
    pub(super) fn is_due(&self, reader: OpRef<'_>, from_us: u64, until_us: u64) -> bool {
        let readable = is_same_user(reader, self.creator)
            || (self.is_shared() && self.keeps_visibility && is_same_workspace(reader, self.creator));
        readable && self.created_us.1 < from_us && until_us < self.deleted_us.0
    }

    fn is_shared(&self) -> bool {
        self.visibility == Some(Visibility::Workspace)
    }

    /// Returns why the record must not be in a reply that began at this time, whatever the state of the index.
    pub(super) fn reason_to_hide(&self, reader: OpRef<'_>, from_us: u64) -> Option<&'static str> {
        let private = self.keeps_visibility && self.visibility == Some(Visibility::Private);
        if self.deleted_us.1 < from_us {
            Some("which was deleted before")
        } else if !is_same_workspace(reader, self.creator) || (private && !is_same_user(reader, self.creator)) {
            Some("which the reader must not see")
        } else {
            None
        }
    }

    /// Returns true if no change of the record may have taken effect by then.
    pub(super) const fn is_unchanged(&self, until_us: u64) -> bool {
        until_us < self.changed_us.0
    }

    /// Returns true if no change may have moved the record in lists during the span. A change of its content does not.
    pub(super) const fn stays_listed(&self, from_us: u64, until_us: u64) -> bool {
        let (first_us, last_us) = self.changed_us;
        (self.keeps_visibility && self.keeps_tags) || last_us < from_us || until_us < first_us
    }
}

/// In [`RecordIndex::by_key`]: nothing is known of the record.
const NO_RECORD: u32 = u32::MAX;

/// Who may see a record of a group: one user, or the users of a workspace.
type Readers<'h> = (u32, u32, ReaderName<'h>);

/// The user who may read, or the workspace that a scenario writes behind the names of its users.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ReaderName<'h> {
    User(u32),
    Workspace(Option<&'h str>),
}

/// The records, by who may see them and by their tags.
pub(super) struct RecordIndex<'h> {
    pub(super) entries: Vec<IndexedRecord<'h>>,
    /// For each record of the history: the position of its entry, or [`NO_RECORD`].
    by_key: Vec<u32>,
    /// Records in the order in which their creations began; `None` stands for all tags.
    groups: HashMap<(Readers<'h>, Option<u32>), Vec<u32>>,
}

impl<'h> RecordIndex<'h> {
    pub(super) fn of(history: &'h History) -> Self {
        let mut entries = Vec::new();
        timeline::for_each_record(history, |record| entries.extend(index_record(history, record.key, record.events)));
        entries.sort_by_key(|entry: &IndexedRecord<'_>| entry.created_us);
        let by_key = vec![NO_RECORD; history.key_count() as usize];
        let mut record_index = Self { entries: Vec::new(), by_key, groups: HashMap::new() };
        for (number, entry) in (0..).zip(&entries) {
            record_index.by_key[entry.key.number() as usize] = number;
            // A record that may have been shared or taken back is certain only for its user.
            let readers = readers(entry.creator, entry.is_shared() && entry.keeps_visibility);
            for tags in std::iter::once(None).chain(entry.tags.filter(|_| entry.keeps_tags).map(Some)) {
                record_index.groups.entry((readers, tags)).or_default().push(number);
            }
        }
        Self { entries, ..record_index }
    }

    pub(super) fn record(&self, key: KeyRef<'_>) -> Option<&IndexedRecord<'h>> {
        self.entries.get(self.by_key[key.number() as usize] as usize)
    }

    /// Returns a record with the same id that belongs to another organisation.
    fn elsewhere(&self, key: KeyRef<'_>) -> Option<&IndexedRecord<'h>> {
        key.elsewhere().find_map(|other| self.record(other))
    }

    /// Returns the record that a reply to the reader contains: one of another organisation only if the reader's own did not write the content.
    pub(super) fn listed(
        &self,
        history: &History,
        reader: OpRef<'_>,
        key: KeyRef<'_>,
        value: StateRef<'_>,
    ) -> Option<&IndexedRecord<'h>> {
        let is_own = |at: &u32| history.op(*at).caller().tenant == reader.caller().tenant;
        let own_content = || history.writers(value).iter().any(is_own);
        self.record(key).or_else(|| self.elsewhere(key).filter(|_| !own_content()))
    }

    /// Returns the record that a search for one record is for; `None` if that may be a record of either of two organisations.
    pub(super) fn target(&self, key: KeyRef<'_>) -> Option<&IndexedRecord<'h>> {
        match (self.record(key), self.elsewhere(key)) {
            (Some(_), Some(_)) => None,
            (own, other) => own.or(other),
        }
    }

    /// Returns the records with these tags that this reader may see, the newest first.
    pub(super) fn visible<'s>(
        &'s self,
        reader: OpRef<'s>,
        tags: Option<u32>,
    ) -> impl Iterator<Item = &'s IndexedRecord<'h>> {
        let groups = [true, false].map(|shared| self.groups.get(&(readers(reader, shared), tags)));
        let mut rest = groups.map(|group| group.map(Vec::as_slice).unwrap_or_default());
        std::iter::from_fn(move || {
            let newest = if rest[0].last() > rest[1].last() { 0 } else { 1 };
            let (number, before) = rest[newest].split_last()?;
            rest[newest] = before;
            Some(&self.entries[*number as usize])
        })
    }
}

/// Returns the readers of the private or the shared records of this user.
fn readers(op: OpRef<'_>, shared: bool) -> Readers<'_> {
    let caller = op.caller();
    let name = if shared { ReaderName::Workspace(suffix(op.user())) } else { ReaderName::User(caller.user) };
    (caller.tenant, caller.workspace, name)
}

/// Returns what is known of a record; `None` if it is not certain who created it.
fn index_record<'h>(
    history: &'h History,
    key: KeyRef<'h>,
    events: &[timeline::Event<'h>],
) -> Option<IndexedRecord<'h>> {
    let creation = events.iter().find(|event| matches!(event.kind, Kind::Create(_)) && event.is_certain())?;
    let Kind::Create(value) = creation.kind else { return None };
    let mut entry = IndexedRecord {
        key,
        creator: history.op(creation.at),
        created_at: creation.at,
        created_us: (creation.from_us, creation.until_us),
        deleted_us: (u64::MAX, u64::MAX),
        changed_us: (u64::MAX, 0),
        visibility: value.visibility(),
        tags: value.tags(),
        keeps_visibility: true,
        keeps_tags: true,
    };
    for event in events {
        match event.kind {
            Kind::Delete { .. } => {
                let (from_us, until_us) = entry.deleted_us;
                entry.deleted_us = (from_us.min(event.from_us), until_us.min(event.until_us));
            }
            Kind::Update { value, .. } => {
                let (from_us, until_us) = entry.changed_us;
                entry.changed_us = (from_us.min(event.from_us), until_us.max(event.until_us));
                entry.keeps_visibility &= value.visibility().is_none();
                entry.keeps_tags &= value.tags().is_none();
            }
            _ => {}
        }
    }
    Some(entry)
}
