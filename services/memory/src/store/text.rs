//! What a write needs of a text: its hash and its terms. They depend on the text alone, so a call computes them before its write takes its turn.

use crate::terms::{self, Document};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;

/// Total length of the texts of a call that are read in advance, in bytes: less than 1 ms of work.
// The task of a call runs on the event loop, which longer texts would hold up. And the terms of a text take several times its size: those of a queue
// of large imports would fill the memory. The writer reads longer texts, one after the other.
const MAX_IN_ADVANCE: usize = 8 << 10;

#[derive(Debug, Clone)]
pub(in crate::store) struct Text {
    pub(in crate::store) content_hash: [u8; 32],
    pub(in crate::store) document: Document,
}

impl Text {
    pub(in crate::store) fn of(content: &str) -> Self {
        Self { content_hash: Sha256::digest(content).into(), document: terms::of(content) }
    }
}

/// The texts of one write, in its order; none if they are long.
#[derive(Debug, Default)]
pub(in crate::store) struct Texts(Vec<Text>);

impl Texts {
    pub(in crate::store) fn in_advance<'c>(contents: impl Iterator<Item = &'c str> + Clone) -> Self {
        if contents.clone().map(str::len).sum::<usize>() > MAX_IN_ADVANCE {
            return Self::default();
        }
        Self(contents.map(Text::of).collect())
    }

    /// Returns the text at this position of the write, whose content is `content`.
    pub(in crate::store) fn get(&self, at: usize, content: &str) -> Cow<'_, Text> {
        self.0.get(at).map_or_else(|| Cow::Owned(Text::of(content)), Cow::Borrowed)
    }
}

/// Returns what a write needs of a text. A long one is read on a thread that may block.
pub(in crate::store) async fn read(content: &str) -> Text {
    if content.len() <= MAX_IN_ADVANCE {
        return Text::of(content);
    }
    let content = Arc::new(content.to_owned());
    let owned = Arc::clone(&content);
    // The thread ends early only if the process does.
    tokio::task::spawn_blocking(move || Text::of(&owned)).await.unwrap_or_else(|_| Text::of(&content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_not_read_in_advance_and_read_the_same() {
        let (short, long) = ("a word of deployWaits", "one word and another ".repeat(500));
        let (advance, later) = (Texts::in_advance([short].into_iter()), Texts::in_advance([short, &long].into_iter()));
        assert_eq!((advance.0.len(), later.0.len()), (1, 0));
        let (advance, later) = (advance.get(0, short), later.get(0, short));
        assert_eq!((&advance.document, advance.content_hash), (&later.document, later.content_hash));
    }
}
