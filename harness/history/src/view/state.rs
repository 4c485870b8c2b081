//! The state of a record in a history, and the mark in its content.

use crate::op::{Canary, RecordState, Visibility};
use crate::store::{NONE, StateRow, Store};

/// State of a record in a history; see [`RecordState`].
#[derive(Clone, Copy)]
pub struct StateRef<'h> {
    store: &'h Store,
    row: &'h StateRow,
}

impl<'h> StateRef<'h> {
    pub(crate) fn new(store: &'h Store, number: u32) -> Self {
        Self { store, row: &store.states[number as usize] }
    }

    /// XXH3 (64 bit) of the content.
    pub fn digest(self) -> Option<u64> {
        self.row.digest()
    }

    /// Number of the content, by which its writers are found; `None` if the content is not known.
    pub(crate) fn content(self) -> Option<u32> {
        (self.row.content != NONE).then_some(self.row.content)
    }

    /// The writer of the content, according to the mark inside it.
    pub fn canary(self) -> Option<CanaryRef<'h>> {
        let author = self.store.authors.get(self.row.author as usize)?;
        let text = |number| self.store.texts.get(number);
        Some(CanaryRef {
            tenant: text(author.tenant),
            user: text(author.user),
            workspace: (author.workspace != NONE).then(|| text(author.workspace)),
            shared: self.row.is_shared(),
            number: self.row.mark,
        })
    }

    /// Returns true if the content has a mark.
    pub(crate) const fn is_marked(self) -> bool {
        self.row.author != NONE
    }

    /// Counts the changes of the record, from 1.
    pub fn version(self) -> Option<u64> {
        self.row.version()
    }

    /// Who may read the record.
    pub const fn visibility(self) -> Option<Visibility> {
        self.row.visibility()
    }

    /// Digest of the tags that the caller gave the record.
    pub fn tags(self) -> Option<u32> {
        self.row.tags()
    }

    /// Returns the state as it was recorded.
    pub fn to_state(self) -> RecordState {
        RecordState {
            digest: self.digest(),
            canary: self.canary().map(CanaryRef::to_canary),
            version: self.version(),
            visibility: self.visibility(),
            tags: self.tags(),
        }
    }
}

/// The mark in a content; see [`Canary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CanaryRef<'h> {
    /// Organisation that wrote it.
    pub tenant: &'h str,
    /// User that wrote it.
    pub user: &'h str,
    /// Workspace of that user; `None` if it is the default one.
    pub workspace: Option<&'h str>,
    /// True if the whole workspace may read it.
    pub shared: bool,
    /// Number of the content, counted for each user.
    pub number: u64,
}

impl CanaryRef<'_> {
    fn to_canary(self) -> Canary {
        Canary {
            tenant: self.tenant.into(),
            user: self.user.into(),
            workspace: self.workspace.map(Into::into),
            shared: self.shared,
            number: self.number,
        }
    }
}

impl<'h> From<&'h Canary> for CanaryRef<'h> {
    fn from(canary: &'h Canary) -> Self {
        Self {
            tenant: &canary.tenant,
            user: &canary.user,
            workspace: canary.workspace.as_deref(),
            shared: canary.shared,
            number: canary.number,
        }
    }
}
