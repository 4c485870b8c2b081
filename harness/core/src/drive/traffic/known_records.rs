//! The latest acknowledged records of each user and of each workspace, for operations that need an existing record. Each list has a fixed
//! size, so that memory does not grow with the length of a run.

use super::directory::Identity;
use harness_history::Canary;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Maximum number of records of a [`RecentRecords`].
const MAX_RECENT: usize = 32;
/// Number of shared records of a workspace on which updates and reads concentrate, each of another user.
const HOT: usize = 4;
/// Workspaces of an organisation: the default one, and the annex.
const WORKSPACES: usize = 2;

/// A record whose write was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownRecord {
    pub id: Arc<str>,
    /// Version as of the last acknowledged write; `None` if it is in doubt.
    pub version: Option<u64>,
    /// True if every user of its workspace may read it.
    pub shared: bool,
    /// The mark of its content as of the last acknowledged write.
    pub canary: Option<Canary>,
}

/// The latest records of one user or one workspace.
#[derive(Debug, Default)]
pub struct RecentRecords {
    /// The oldest first.
    records: VecDeque<KnownRecord>,
}

impl RecentRecords {
    /// Adds a record, in place of the oldest one if the list is full.
    pub(super) fn add(&mut self, record: KnownRecord) {
        if self.records.len() >= MAX_RECENT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Returns the record that a random number chooses; `None` if the list is empty.
    pub(super) fn pick(&self, choice: u32) -> Option<KnownRecord> {
        let index = (choice as usize).checked_rem(self.records.len())?;
        self.records.get(index).cloned()
    }

    /// Stores the version and the mark of a record after an acknowledged update. `None` is a version in doubt.
    pub(super) fn updated(&mut self, id: &str, version: Option<u64>, canary: Option<&Canary>) {
        if let Some(record) = self.records.iter_mut().find(|record| &*record.id == id) {
            // Two clients of one user update a hot record at the same time, and their replies may come in either order.
            let is_older = matches!((record.version, version), (Some(known), Some(new)) if new < known);
            if !is_older {
                record.version = version;
                record.canary = canary.cloned().or_else(|| record.canary.take());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn has(&self, id: &str) -> bool {
        self.records.iter().any(|record| &*record.id == id)
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.records.retain(|record| &*record.id != id);
    }
}

/// The place in a list that a user may go on from, and the last record before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PagePosition {
    pub tag: Arc<str>,
    pub cursor: Arc<str>,
    pub last: Arc<str>,
}

/// The records of one workspace.
#[derive(Debug, Default)]
struct Workspace {
    /// Records that its users share.
    shared: Mutex<RecentRecords>,
    /// All its records.
    all: Mutex<RecentRecords>,
    /// The first shared records of users with two clients, each with its user. They are updated for the whole run and never deleted.
    hot: Mutex<Vec<(Arc<str>, RecentRecords)>>,
    /// The last cursor that a list returned.
    position: Mutex<Option<PagePosition>>,
}

/// The latest records of every workspace.
#[derive(Debug)]
pub struct KnownRecords {
    organisations: Vec<[Workspace; WORKSPACES]>,
}

impl KnownRecords {
    pub(super) fn new(organisations: usize) -> Self {
        Self { organisations: (0..organisations).map(|_| Default::default()).collect() }
    }

    fn of(&self, identity: &Identity) -> &Workspace {
        &self.organisations[identity.organisation][usize::from(identity.workspace.is_some())]
    }

    /// Adds a record. Returns true if it is hot from now on: then no user may delete it.
    pub(super) fn add(&self, identity: &Identity, record: &KnownRecord) -> bool {
        let workspace = self.of(identity);
        workspace.all.lock().add(record.clone());
        if !record.shared {
            return false;
        }
        if identity.has_second_client {
            let mut hot = workspace.hot.lock();
            // A write that is sent again with its idempotency key is acknowledged twice.
            if hot.iter().any(|(_, recent)| recent.records.iter().any(|known| known.id == record.id)) {
                return true;
            }
            // One for each user: the two clients of a user meet on it.
            if hot.len() < HOT && hot.iter().all(|(user, _)| *user != identity.user) {
                let mut recent = RecentRecords::default();
                recent.add(record.clone());
                hot.push((Arc::clone(&identity.user), recent));
                return true;
            }
        }
        workspace.shared.lock().add(record.clone());
        false
    }

    /// Stores the version of a hot record after an update; see [`RecentRecords::updated`].
    pub(super) fn updated(&self, identity: &Identity, id: &str, version: Option<u64>, canary: Option<&Canary>) {
        let mut hot = self.of(identity).hot.lock();
        hot.iter_mut().for_each(|(_, recent)| recent.updated(id, version, canary));
    }

    /// Returns a record that every user of the workspace may read.
    pub(super) fn shared(&self, identity: &Identity, choice: u32) -> Option<KnownRecord> {
        self.of(identity).shared.lock().pick(choice)
    }

    /// Returns a record of the workspace that is not among the recent ones of the user itself.
    pub(super) fn of_others(&self, identity: &Identity, own: &RecentRecords, choice: u32) -> Option<KnownRecord> {
        let shared = self.of(identity).shared.lock();
        let others: Vec<&KnownRecord> = shared.records.iter().filter(|record| !own.has(&record.id)).collect();
        others.get((choice as usize).checked_rem(others.len())?).map(|record| (*record).clone())
    }

    /// Returns a hot record; if `own`, one that the user may change.
    pub(super) fn hot(&self, identity: &Identity, own: bool, choice: u32) -> Option<KnownRecord> {
        let hot = self.of(identity).hot.lock();
        let mine = hot.iter().filter(|(user, _)| !own || *user == identity.user);
        let index = (choice as usize).checked_rem(mine.clone().count())?;
        mine.skip(index).find_map(|(_, recent)| recent.pick(0))
    }

    /// Returns a record of another organisation; `other` chooses the organisation, and `choice` the record.
    pub(super) fn foreign(&self, identity: &Identity, other: u32, choice: u32) -> Option<KnownRecord> {
        self.other(identity, other)?.all.lock().pick(choice)
    }

    /// Returns a cursor that a list of another organisation returned.
    pub(super) fn foreign_position(&self, identity: &Identity, other: u32) -> Option<PagePosition> {
        self.other(identity, other)?.position.lock().clone()
    }

    pub(super) fn set_position(&self, identity: &Identity, position: PagePosition) {
        *self.of(identity).position.lock() = Some(position);
    }

    fn other(&self, identity: &Identity, other: u32) -> Option<&Workspace> {
        let others = self.organisations.len().checked_sub(1).filter(|others| *others > 0)?;
        let organisation = (identity.organisation + 1 + other as usize % others) % self.organisations.len();
        // Both workspaces of another organisation are foreign. Bit 16 of the random number chooses one.
        let [first, annex] = &self.organisations[organisation];
        let has_annex = !annex.all.lock().records.is_empty();
        Some(if has_annex && other >> 16 & 1 == 1 { annex } else { first })
    }

    /// Returns a record that a colleague shares in the other workspace of the same organisation.
    pub(super) fn in_other_workspace(&self, identity: &Identity, choice: u32) -> Option<KnownRecord> {
        let other = usize::from(identity.workspace.is_none());
        let workspace = &self.organisations[identity.organisation][other];
        workspace.shared.lock().pick(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::{HOT, Identity, KnownRecord, KnownRecords, MAX_RECENT, PagePosition, RecentRecords};
    use crate::drive::traffic::directory::users_of_load;

    fn record(id: &str, shared: bool) -> KnownRecord {
        KnownRecord { id: id.into(), version: Some(1), shared, canary: None }
    }

    #[test]
    fn recent_records_are_the_latest() {
        let mut recent = RecentRecords::default();
        assert_eq!(recent.pick(7), None);
        (0..MAX_RECENT * 2 + 1).for_each(|n| recent.add(record(&n.to_string(), false)));
        let kept: Vec<usize> = (0..MAX_RECENT as u32).map(|n| recent.pick(n).unwrap().id.parse().unwrap()).collect();
        assert!(kept.iter().all(|n| *n > MAX_RECENT) && recent.records.len() == MAX_RECENT, "{kept:?}");
    }

    #[test]
    fn an_update_changes_the_version_and_a_deletion_ends_it() {
        let mut recent = RecentRecords::default();
        recent.add(record("a", false));
        let version = |recent: &RecentRecords| recent.pick(0).unwrap().version;
        for (new, then) in [(Some(3), Some(3)), (Some(2), Some(3)), (None, None), (Some(2), Some(2))] {
            recent.updated("a", new, None);
            assert_eq!(version(&recent), then, "after {new:?}");
        }
        recent.forget("a");
        assert_eq!(recent.pick(0), None);
    }

    /// Two users of the first organisation, one of them in the annex, and one of the second organisation.
    fn people() -> [Identity; 3] {
        let users = users_of_load(1, 12, 2);
        assert!(users[4].workspace.is_some() && users[6].workspace.is_none() && !users[6].has_second_client);
        [users[6].clone(), users[4].clone(), users[7].clone()]
    }

    #[test]
    fn private_records_are_offered_to_probes_alone() {
        let (known_records, [ann, annexed, zoe]) = (KnownRecords::new(2), people());
        known_records.add(&zoe, &record("private", false));
        assert_eq!(
            (known_records.shared(&zoe, 0), known_records.foreign(&ann, 0, 0).unwrap().id.as_ref()),
            (None, "private")
        );
        known_records.add(&zoe, &record("shared", true));
        assert_eq!(
            (known_records.shared(&zoe, 5).unwrap().id.as_ref(), known_records.foreign(&zoe, 0, 0)),
            ("shared", None)
        );
        known_records.add(&ann, &record("near", true));
        assert_eq!(
            (known_records.shared(&annexed, 0), known_records.in_other_workspace(&annexed, 0).unwrap().id.as_ref()),
            (None, "near")
        );
        assert_eq!(known_records.in_other_workspace(&ann, 0), None);
        let position = PagePosition { tag: "t".into(), cursor: "c".into(), last: "k".into() };
        known_records.set_position(&zoe, position.clone());
        assert_eq!(
            (known_records.foreign_position(&ann, 0), known_records.foreign_position(&zoe, 0)),
            (Some(position), None)
        );
        assert_eq!(KnownRecords::new(1).foreign(&ann, 3, 0), None);
    }

    #[test]
    fn the_first_shared_records_of_a_user_with_two_clients_are_hot() {
        let (known_records, users) = (KnownRecords::new(2), users_of_load(1, 12, 2));
        let (one, two, colleague) = (&users[0], &users[2], &users[6]);
        assert!(one.has_second_client && one.user == two.user);
        assert!(
            !known_records.add(colleague, &record("calm", true)) && !known_records.add(one, &record("private", false))
        );
        let hot = (0..HOT).filter(|number| known_records.add(one, &record(&number.to_string(), true))).count();
        assert_eq!((hot, known_records.add(two, &record("0", true))), (1, true), "an acknowledgement may come twice");
        known_records.updated(two, "0", Some(7), None);
        assert_eq!(known_records.hot(one, true, 0).unwrap().version, Some(7));
        assert_eq!(
            (known_records.hot(colleague, true, 0), known_records.hot(colleague, false, 1).unwrap().id.as_ref()),
            (None, "0")
        );
    }

    #[test]
    fn a_full_list_drops_its_oldest_record_also_after_one_was_forgotten() {
        let record =
            |number: usize| KnownRecord { id: number.to_string().into(), version: None, shared: false, canary: None };
        let mut recent = RecentRecords::default();
        (0..MAX_RECENT).for_each(|number| recent.add(record(number)));
        recent.forget("0");
        (MAX_RECENT..MAX_RECENT + 2).for_each(|number| recent.add(record(number)));
        let has = |number: usize| recent.records.iter().any(|known| *known.id == *number.to_string());
        assert!(!has(1), "it was the oldest");
        assert!((2..MAX_RECENT + 2).all(has));
    }
}
