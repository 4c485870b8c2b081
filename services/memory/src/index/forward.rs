//! The terms of one memory as bytes: of a memory whose terms are not in blocks yet, or of the earlier text of one that was changed.

use super::bytes::{Numbers, write};
use crate::terms::Document;
use xxhash_rust::xxh3::xxh3_64;

/// A term of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    pub term: &'a [u8],
    pub frequency: u64,
    pub forms: &'a [u8],
}

/// Returns the terms of a document as bytes.
pub fn plain(document: &Document) -> Vec<u8> {
    written(document, |bytes, term| {
        write(bytes, term.len() as u64);
        bytes.extend(term.as_bytes());
    })
}

/// Returns the terms of a document as bytes, each as its [`digest`]: enough to recognise a term of a query, and no text.
pub fn digested(document: &Document) -> Vec<u8> {
    written(document, |bytes, term| {
        let digest = digest(term);
        write(bytes, digest.len() as u64);
        bytes.extend(digest);
    })
}

pub fn digest(term: &str) -> [u8; 8] {
    xxh3_64(term.as_bytes()).to_be_bytes()
}

fn written(document: &Document, write_term: impl Fn(&mut Vec<u8>, &str)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(document.entries.len() * 12);
    for entry in &document.entries {
        write_term(&mut bytes, &entry.term);
        write(&mut bytes, entry.frequency);
        write(&mut bytes, entry.forms.len() as u64);
        bytes.extend(&entry.forms);
    }
    bytes
}

/// Reads what [`plain`] or [`digested`] wrote.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = Word<'_>> {
    let mut reader = Numbers::new(bytes);
    std::iter::from_fn(move || {
        let length = usize::try_from(reader.number()?).ok()?;
        let term = reader.take(length)?;
        let frequency = reader.number()?;
        let forms = usize::try_from(reader.number()?).ok()?;
        Some(Word { term, frequency, forms: reader.take(forms)? })
    })
}
