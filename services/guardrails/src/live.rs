//! The rules that are in force now. Whoever asks keeps what it got until it has answered, also when other rules come meanwhile.

use crate::rules::{Library, Rules};
use parking_lot::RwLock;
use std::sync::Arc;

/// The rules in force. Clones share them.
#[derive(Debug, Clone)]
pub struct Live {
    library: Arc<RwLock<Arc<Library>>>,
}

impl Live {
    /// Begins with a library.
    pub fn new(library: Library) -> Self {
        Self { library: Arc::new(RwLock::new(Arc::new(library))) }
    }

    /// The whole library.
    pub fn library(&self) -> Arc<Library> {
        Arc::clone(&self.library.read())
    }

    /// The rules that an organisation is held to.
    pub fn of(&self, organisation: &str) -> Arc<Rules> {
        Arc::clone(self.library.read().of(organisation))
    }

    pub(crate) fn replace(&self, library: Library) {
        *self.library.write() = Arc::new(library);
    }
}
