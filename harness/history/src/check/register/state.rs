//! The state of one record, and what an event makes of it.

use crate::op::Visibility;
use crate::timeline::{Event, Kind};
use crate::view::StateRef;

/// Existence of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existence {
    NotYet,
    Exists,
    /// An id is never used again.
    Deleted,
}

/// State of one record. A field is `None` if the history does not show it; it then fits every reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) existence: Existence,
    pub(super) digest: Option<u64>,
    pub(super) version: Option<u64>,
    visibility: Option<Visibility>,
    tags: Option<u32>,
}

impl State {
    pub(super) const BEFORE: Self =
        Self { existence: Existence::NotYet, digest: None, version: None, visibility: None, tags: None };

    /// Returns the state after an event; `None` if the event cannot happen in this state.
    pub(super) fn after(self, event: &Event<'_>) -> Option<Self> {
        let exists = self.existence == Existence::Exists;
        match event.kind {
            Kind::Create(value) => (self.existence == Existence::NotYet).then(|| Self::created(value)),
            Kind::Update { value, expected } => self.updated(value, expected).filter(|_| exists),
            Kind::Delete { repeatable } => {
                (exists || repeatable).then_some(Self { existence: Existence::Deleted, ..Self::BEFORE })
            }
            Kind::Seen(value) => (exists && self.fits(value)).then_some(self),
            Kind::Missing { to_owner } => {
                // Without a known visibility, a colleague may not be allowed to read the record.
                let hidden = !to_owner && self.visibility != Some(Visibility::Workspace);
                (!exists || hidden).then_some(self)
            }
            Kind::Conflict(expected) => (exists && self.version != Some(expected)).then_some(self),
        }
    }

    fn created(value: StateRef<'_>) -> Self {
        Self {
            existence: Existence::Exists,
            digest: value.digest(),
            version: value.version(),
            visibility: value.visibility(),
            tags: value.tags(),
        }
    }

    fn updated(self, value: StateRef<'_>, expected: Option<u64>) -> Option<Self> {
        let before = match (self.version, expected) {
            (Some(version), Some(expected)) if version != expected => return None,
            (version, expected) => version.or(expected),
        };
        let version = match (before, value.version()) {
            (Some(before), Some(version)) if version != before + 1 => return None,
            (before, version) => version.or(before.map(|before| before + 1)),
        };
        Some(Self {
            existence: Existence::Exists,
            digest: value.digest().or(self.digest),
            version,
            visibility: value.visibility().or(self.visibility),
            tags: value.tags().or(self.tags),
        })
    }

    fn fits(&self, value: StateRef<'_>) -> bool {
        fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        agree(self.digest, value.digest())
            && agree(self.version, value.version())
            && agree(self.visibility, value.visibility())
            && agree(self.tags, value.tags())
    }

    /// A hash of the state.
    pub(super) fn hash(&self) -> u64 {
        let visibility = match self.visibility {
            None => 0,
            Some(Visibility::Private) => 1,
            Some(Visibility::Workspace) => 2,
        };
        let number = |value: Option<u64>| value.map_or(1, |value| mixed(value.wrapping_add(2)));
        let parts = [
            self.existence as u64,
            number(self.digest),
            number(self.version),
            visibility,
            number(self.tags.map(u64::from)),
        ];
        parts.into_iter().fold(0, |hash, part| mixed(hash ^ part))
    }
}

/// Scrambles a number, so that neighbours are far apart (the finalizer of SplitMix64, Steele et al. 2014).
pub(super) const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
