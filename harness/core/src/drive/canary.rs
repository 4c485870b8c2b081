//! The canary: the mark at the end of every content that the harness writes. It names the writer, and states whether
//! colleagues may read the content (decision 0004). No I/O.

use harness_history::{Canary, RecordState};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const PREFIX: &str = "canary:";

/// Shared copies of the names that occur in many operations. A page of ten records has twenty names in its marks, and a lookup costs
/// less than an allocation.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    /// Returns the shared copy of a name, or a new one if the name is not in the set.
    pub(crate) fn get(&self, name: &str) -> Arc<str> {
        self.0.get(name).map_or_else(|| Arc::from(name), Arc::clone)
    }
}

impl FromIterator<Arc<str>> for Names {
    fn from_iter<T: IntoIterator<Item = Arc<str>>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

/// Appends the canary to a content.
pub(crate) fn append(content: &mut String, canary: &Canary) {
    let visibility = if canary.shared { 'w' } else { 'p' };
    write!(content, " {PREFIX}{}/{}/{visibility}/{}", canary.tenant, canary.user, canary.number)
        .expect("a string takes every write");
}

/// Returns what the history stores of a content: its digest, and the canary at its end.
pub(crate) fn state_of(content: &str, names: &Names) -> RecordState {
    let last = content.rsplit(char::is_whitespace).next().unwrap_or_default();
    // Not a cryptographic hash: it detects swapped or damaged contents, and a load computes it for each record it
    // reads.
    RecordState::of_content(xxh3_64(content.as_bytes()), parse(last, names))
}

fn parse(text: &str, names: &Names) -> Option<Canary> {
    let mut parts = text.strip_prefix(PREFIX)?.split('/');
    let (tenant, user) = (parts.next()?, parts.next()?);
    let shared = match parts.next()? {
        "p" => false,
        "w" => true,
        _ => return None,
    };
    let number = parts.next()?.parse().ok()?;
    parts.next().is_none().then(|| Canary {
        tenant: names.get(tenant),
        user: names.get(user),
        workspace: None,
        shared,
        number,
    })
}

#[cfg(test)]
mod tests {
    use super::{Arc, Canary, Names, append, state_of};

    #[test]
    fn a_marked_content_is_recognised_and_any_other_is_not() {
        let names = Names::from_iter([Arc::from("acme-1")]);
        for shared in [true, false] {
            let canary = Canary { tenant: "acme-1".into(), user: "ann".into(), workspace: None, shared, number: 17 };
            let mut content = "the ledger was slow".to_owned();
            append(&mut content, &canary);
            assert_eq!(state_of(&content, &names).canary, Some(canary));
        }
        for other in ["", "hello", "canary:a/b/x/1", "canary:a/b/p", "canary:a/b/p/1/2", "canary:a/b/p/1 more"] {
            assert_eq!(state_of(other, &names).canary, None, "{other}");
        }
        assert_ne!(state_of("a", &names).digest, state_of("b", &names).digest);
    }

    #[test]
    fn a_known_name_is_shared() {
        let name: Arc<str> = "ann".into();
        let names = Names::from_iter([Arc::clone(&name)]);
        assert!(Arc::ptr_eq(&name, &names.get("ann")));
        assert_eq!(&*names.get("stranger"), "stranger");
    }
}
