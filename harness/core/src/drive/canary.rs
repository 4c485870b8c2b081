//! The canary: the mark at the end of every content that the harness writes. It names the writer, and states whether
//! colleagues may read the content (decision 0004). No I/O.

mod strays;

pub(crate) use strays::strays;

use harness_history::{Canary, RecordState};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const PREFIX: &str = "canary:";
/// Letters of the words that only one content has.
const LETTERS: [u8; 16] = *b"bcdfghjklmnpqrtv";

/// Shared copies of the names that occur in many operations. A page of ten records has twenty names in its marks, and a lookup costs
/// less than an allocation.
#[derive(Debug, Default)]
pub(crate) struct InternedNames(HashSet<Arc<str>>);

impl InternedNames {
    /// Returns the shared copy of a name, or a new one if the name is not in the set.
    pub(crate) fn get(&self, name: &str) -> Arc<str> {
        self.0.get(name).map_or_else(|| Arc::from(name), Arc::clone)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl FromIterator<Arc<str>> for InternedNames {
    fn from_iter<T: IntoIterator<Item = Arc<str>>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

/// Appends the canary to a content. The workspace comes last, and only if it is not the default one. The slash at the end shows that the mark was
/// not cut off, as in an excerpt.
pub(crate) fn append(content: &mut String, canary: &Canary) {
    let visibility = if canary.shared { 'w' } else { 'p' };
    write!(content, " {PREFIX}{}/{}/{visibility}/{}", canary.tenant, canary.user, canary.number)
        .and_then(|()| canary.workspace.iter().try_for_each(|workspace| write!(content, "/{workspace}")))
        .and_then(|()| content.write_char('/'))
        .expect("a string takes every write");
}

/// Returns a word that no other content of the run has, so that a search for it finds one record. The number of a content is unique in the
/// run, but the number itself is also a word of other contents. The word has no digits and no vowels: a search may look for the parts of a
/// name such as `k4711ab`, or cut off the ending of a word, and other contents have `ab` as well.
pub(crate) fn word_of(canary: &Canary) -> String {
    let owner = xxh3_64(format!("{}/{}", canary.tenant, canary.user).as_bytes());
    let hash = xxh3_64(&(owner ^ canary.number.rotate_left(32)).to_le_bytes());
    let letters = (0..16).map(|place| LETTERS[(hash >> (4 * place)) as usize % LETTERS.len()] as char);
    std::iter::once('k').chain(letters).collect()
}

/// Returns what the history stores of a content: its digest, and the canary at its end.
pub(crate) fn state_of(content: &str, names: &InternedNames) -> RecordState {
    let last = content.rsplit(char::is_whitespace).next().unwrap_or_default();
    let canary = Mark::parse(last.strip_suffix('/').unwrap_or(last)).map(|mark| mark.canary(names));
    // Not a cryptographic hash: it detects swapped or damaged contents, and a load computes it for each record it
    // reads.
    RecordState::of_content(xxh3_64(content.as_bytes()), canary)
}

/// Returns what the history stores of a content that ends with this canary.
pub(crate) fn state_of_mark(content: &str, canary: Canary) -> RecordState {
    RecordState::of_content(xxh3_64(content.as_bytes()), Some(canary))
}

/// A mark whose names are borrowed from the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark<'a> {
    tenant: &'a str,
    user: &'a str,
    workspace: Option<&'a str>,
    shared: bool,
    number: u64,
}

impl<'a> Mark<'a> {
    /// Parses a whole text as a mark, without the slash at its end.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('/');
        let (tenant, user) = (parts.next()?, parts.next()?);
        let shared = match parts.next()? {
            "p" => false,
            "w" => true,
            _ => return None,
        };
        let number = parts.next()?.parse().ok()?;
        let workspace = parts.next().filter(|workspace| !workspace.is_empty());
        parts.next().is_none().then_some(Self { tenant, user, workspace, shared, number })
    }

    fn canary(self, names: &InternedNames) -> Canary {
        Canary {
            tenant: names.get(self.tenant),
            user: names.get(self.user),
            workspace: self.workspace.map(|workspace| names.get(workspace)),
            shared: self.shared,
            number: self.number,
        }
    }

    fn is(self, canary: &Canary) -> bool {
        self.number == canary.number
            && self.user == &*canary.user
            && self.tenant == &*canary.tenant
            && self.workspace == canary.workspace.as_deref()
            && self.shared == canary.shared
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Canary, InternedNames, LETTERS, append, state_of, word_of};

    #[test]
    fn a_marked_content_is_recognised_and_any_other_is_not() {
        let names = InternedNames::from_iter([Arc::from("acme-1")]);
        for shared in [true, false] {
            for workspace in [None, Some(Arc::from("annex"))] {
                let canary = Canary { tenant: "acme-1".into(), user: "ann".into(), workspace, shared, number: 17 };
                let mut content = "the ledger was slow".to_owned();
                append(&mut content, &canary);
                assert_eq!(state_of(&content, &names).canary, Some(canary));
            }
        }
        for other in ["", "hello", "canary:a/b/x/1", "canary:a/b/p", "canary:a/b/p/1/2/3", "canary:a/b/p/1 more"] {
            assert_eq!(state_of(other, &names).canary, None, "{other}");
        }
        assert_ne!(state_of("a", &names).digest, state_of("b", &names).digest);
    }

    #[test]
    fn a_content_has_a_word_of_its_own() {
        let canary = |user: &str, number| Canary {
            tenant: "acme".into(),
            user: user.into(),
            workspace: None,
            shared: false,
            number,
        };
        let words: std::collections::HashSet<String> =
            ["ann", "bob"].iter().flat_map(|user| (0..500).map(|number| word_of(&canary(user, number)))).collect();
        assert_eq!(words.len(), 1_000);
        assert!(words.iter().all(|word| word.len() == 17 && word.bytes().skip(1).all(|byte| LETTERS.contains(&byte))));
    }

    #[test]
    fn a_known_name_is_shared() {
        let name: Arc<str> = "ann".into();
        let names = InternedNames::from_iter([Arc::clone(&name)]);
        assert!(Arc::ptr_eq(&name, &names.get("ann")));
        assert_eq!(&*names.get("stranger"), "stranger");
    }
}
