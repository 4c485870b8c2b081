//! Ids that users know of and may read: the latest of each user and of each organisation, never more than a ring holds.

use std::sync::{Arc, Mutex, PoisonError};

/// Ids that one ring holds.
const RING: usize = 32;

/// The latest ids of one source.
#[derive(Debug, Default)]
pub(super) struct Ring {
    ids: Vec<Arc<str>>,
    next: usize,
}

impl Ring {
    /// Keeps an id, in place of the oldest one where the ring is full.
    pub(super) fn keep(&mut self, id: Arc<str>) {
        if self.ids.len() < RING {
            self.ids.push(id);
        } else {
            self.ids[self.next % RING] = id;
        }
        self.next += 1;
    }

    /// One of them, by a random number; `None` where nothing is known.
    pub(super) fn pick(&self, choice: u32) -> Option<Arc<str>> {
        let index = (choice as usize).checked_rem(self.ids.len())?;
        self.ids.get(index).map(Arc::clone)
    }
}

/// The latest ids of every organisation.
#[derive(Debug)]
pub(super) struct Rings {
    organisations: Vec<(Mutex<Ring>, Mutex<Ring>)>,
}

impl Rings {
    /// Empty rings for so many organisations.
    pub(super) fn new(organisations: usize) -> Self {
        Self { organisations: (0..organisations).map(|_| Default::default()).collect() }
    }

    /// Keeps the id of an acknowledged write.
    pub(super) fn keep(&self, organisation: usize, id: &Arc<str>, shared: bool) {
        let (workspace, all) = &self.organisations[organisation];
        if shared {
            workspace.lock().unwrap_or_else(PoisonError::into_inner).keep(Arc::clone(id));
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).keep(Arc::clone(id));
    }

    /// An id that everyone of the organisation can read.
    pub(super) fn shared(&self, organisation: usize, choice: u32) -> Option<Arc<str>> {
        self.organisations[organisation].0.lock().unwrap_or_else(PoisonError::into_inner).pick(choice)
    }

    /// Any id of the organisation.
    pub(super) fn any(&self, organisation: usize, choice: u32) -> Option<Arc<str>> {
        self.organisations[organisation].1.lock().unwrap_or_else(PoisonError::into_inner).pick(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::{RING, Ring, Rings};

    #[test]
    fn a_ring_keeps_the_latest() {
        let mut ring = Ring::default();
        assert_eq!(ring.pick(7), None);
        (0..RING * 2 + 1).for_each(|n| ring.keep(n.to_string().into()));
        let kept: Vec<usize> = (0..RING as u32).map(|n| ring.pick(n).unwrap().parse().unwrap()).collect();
        assert!(kept.iter().all(|n| *n > RING) && ring.ids.len() == RING, "{kept:?}");
    }

    #[test]
    fn private_ids_are_not_offered_to_the_workspace() {
        let rings = Rings::new(2);
        rings.keep(1, &"private".into(), false);
        assert_eq!((rings.shared(1, 0), rings.any(1, 0).as_deref()), (None, Some("private")));
        rings.keep(1, &"shared".into(), true);
        assert_eq!((rings.shared(1, 5).as_deref(), rings.any(0, 0)), (Some("shared"), None));
    }
}
