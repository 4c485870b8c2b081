//! The latest acknowledged records of each user and of each organisation, for operations that need an existing record.
//! Each ring has a maximum size, so that memory does not grow with the length of a run.

use parking_lot::Mutex;
use std::sync::Arc;

/// Number of records that a ring holds.
const RING: usize = 32;

/// A record whose write was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub id: Arc<str>,
    /// Version as of the last acknowledged write.
    pub version: Option<u64>,
    /// True if every user of its organisation may read it.
    pub shared: bool,
}

/// The latest records of one user or one organisation.
#[derive(Debug, Default)]
pub struct Ring {
    records: Vec<Known>,
    kept: usize,
}

impl Ring {
    /// Adds a record, in place of the oldest one if the ring is full.
    pub(super) fn keep(&mut self, record: Known) {
        if self.records.len() < RING {
            self.records.push(record);
        } else {
            self.records[self.kept % RING] = record;
        }
        self.kept += 1;
    }

    /// Returns the record that a random number chooses; `None` if the ring is empty.
    pub(super) fn pick(&self, choice: u32) -> Option<Known> {
        let index = (choice as usize).checked_rem(self.records.len())?;
        self.records.get(index).cloned()
    }

    /// Stores the version of a record after an acknowledged update.
    pub(super) fn updated(&mut self, id: &str, version: Option<u64>) {
        if let Some(record) = self.records.iter_mut().find(|record| &*record.id == id) {
            record.version = version;
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.records.retain(|record| &*record.id != id);
    }
}

/// The latest records of every organisation.
#[derive(Debug)]
pub struct Ledger {
    /// For each organisation: the records that its users share, and all its records.
    // A lock for each ring, so that users of different organisations do not wait for each other.
    organisations: Vec<(Mutex<Ring>, Mutex<Ring>)>,
}

impl Ledger {
    pub(super) fn new(organisations: usize) -> Self {
        Self { organisations: (0..organisations).map(|_| Default::default()).collect() }
    }

    pub(super) fn keep(&self, organisation: usize, record: &Known) {
        let (shared, all) = &self.organisations[organisation];
        if record.shared {
            shared.lock().keep(record.clone());
        }
        all.lock().keep(record.clone());
    }

    /// Returns a record that every user of the organisation may read.
    pub(super) fn shared(&self, organisation: usize, choice: u32) -> Option<Known> {
        self.organisations[organisation].0.lock().pick(choice)
    }

    /// Returns a record of another organisation; `other` chooses the organisation, and `choice` the record.
    pub(super) fn foreign(&self, organisation: usize, other: u32, choice: u32) -> Option<Known> {
        let others = self.organisations.len().checked_sub(1).filter(|others| *others > 0)?;
        let other = (organisation + 1 + other as usize % others) % self.organisations.len();
        self.organisations[other].1.lock().pick(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Ledger, RING, Ring};

    fn record(id: &str, shared: bool) -> Known {
        Known { id: id.into(), version: Some(1), shared }
    }

    #[test]
    fn a_ring_keeps_the_latest() {
        let mut ring = Ring::default();
        assert_eq!(ring.pick(7), None);
        (0..RING * 2 + 1).for_each(|n| ring.keep(record(&n.to_string(), false)));
        let kept: Vec<usize> = (0..RING as u32).map(|n| ring.pick(n).unwrap().id.parse().unwrap()).collect();
        assert!(kept.iter().all(|n| *n > RING) && ring.records.len() == RING, "{kept:?}");
    }

    #[test]
    fn an_update_changes_the_version_and_a_deletion_ends_it() {
        let mut ring = Ring::default();
        ring.keep(record("a", false));
        ring.updated("a", Some(2));
        assert_eq!(ring.pick(0).unwrap().version, Some(2));
        ring.forget("a");
        assert_eq!(ring.pick(0), None);
    }

    #[test]
    fn private_records_are_offered_to_probes_alone() {
        let ledger = Ledger::new(2);
        ledger.keep(1, &record("private", false));
        assert_eq!((ledger.shared(1, 0), ledger.foreign(0, 0, 0).unwrap().id.as_ref()), (None, "private"));
        ledger.keep(1, &record("shared", true));
        assert_eq!((ledger.shared(1, 5).unwrap().id.as_ref(), ledger.foreign(1, 0, 0)), ("shared", None));
        assert_eq!(Ledger::new(1).foreign(0, 3, 0), None);
    }
}
