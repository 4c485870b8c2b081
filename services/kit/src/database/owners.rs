//! Permits of owners, so that no owner uses everything at a time.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;

/// Number of stored owners. When it is reached, owners that have nothing running or waiting are removed.
const KEPT_OWNERS: usize = 1_024;

pub(super) struct Owners {
    places: usize,
    owners: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Owners {
    /// Each owner has this number of places.
    pub(super) fn new(places: usize) -> Self {
        Self { places, owners: Mutex::default() }
    }

    pub(super) fn permits_of(&self, owner: &str) -> Arc<Semaphore> {
        let mut owners = self.owners.lock();
        if let Some(permits) = owners.get(owner).and_then(Weak::upgrade) {
            return permits;
        }
        if owners.len() >= KEPT_OWNERS {
            owners.retain(|_, permits| permits.strong_count() > 0);
        }
        let permits = Arc::new(Semaphore::new(self.places));
        owners.insert(owner.to_owned(), Arc::downgrade(&permits));
        permits
    }
}
