//! Page cursors, opaque to clients. A cursor has a position and the state that all pages of its walk share, and is valid for one tenant and
//! one query. It is not signed, because it grants no access: each page checks the tenant again.

use crate::index::bytes::{self, Numbers};
use crate::ranking::Corpus;
use crate::store::{ListPlace, Rank, SearchPlace, SearchWalk};
use crate::tenant::Tenant;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

// 96 bits exclude accidents. A forged cursor only moves within what the caller can see anyway.
const BINDING_BYTES: usize = 12;

/// The tenant and the query, without its page, that a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding([u8; BINDING_BYTES]);

impl Binding {
    /// Creates the binding. `request` must be the same for every page of the `query`.
    pub fn new(tenant: &Tenant, query: &str, request: &impl Serialize) -> Self {
        let query = format!("{query} {}", serde_json::to_string(request).unwrap_or_default());
        let mut hash = Sha256::new();
        for part in [tenant.org(), tenant.workspace(), tenant.user(), &query] {
            // The length keeps `ab`, `c` apart from `a`, `bc`.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut binding = [0; BINDING_BYTES];
        binding.copy_from_slice(&hash.finalize()[..BINDING_BYTES]);
        Self(binding)
    }

    /// Returns the cursor after a place in a list.
    pub fn list(self, place: ListPlace) -> String {
        let mut bytes = self.0.to_vec();
        for number in [place.created_us, place.sequence, place.newest] {
            bytes::write_signed(&mut bytes, number);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn parse_list(self, cursor: &str) -> Option<ListPlace> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let mut reader = Numbers::new(bytes.strip_prefix(&self.0)?);
        let place = ListPlace { created_us: reader.signed()?, sequence: reader.signed()?, newest: reader.signed()? };
        // A number has several forms, and a cursor has one.
        (reader.is_empty() && self.list(place) == cursor).then_some(place)
    }

    /// Returns the cursor after a hit of a search that measures ages from `as_of`.
    pub fn search(self, as_of: i64, place: &SearchPlace) -> String {
        let SearchPlace { walk, rank } = place;
        let mut bytes = self.0.to_vec();
        // All bits of the score: with a rounded one, the next page would skip or repeat hits.
        bytes.extend(rank.score.to_bits().to_be_bytes());
        for number in [as_of, rank.sequence, walk.newest, walk.changes] {
            bytes::write_signed(&mut bytes, number);
        }
        bytes::write(&mut bytes, walk.corpus.documents);
        bytes::write(&mut bytes, walk.corpus.words);
        walk.containing.iter().for_each(|number| bytes::write(&mut bytes, *number));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn parse_search(self, cursor: &str) -> Option<(i64, SearchPlace)> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let mut reader = Numbers::new(bytes.strip_prefix(&self.0)?);
        let score = f64::from_bits(u64::from_be_bytes(reader.take(8)?.try_into().ok()?));
        let (as_of, sequence) = (reader.signed()?, reader.signed()?);
        let mut walk = SearchWalk {
            newest: reader.signed()?,
            changes: reader.signed()?,
            corpus: Corpus { documents: reader.number()?, words: reader.number()? },
            containing: Vec::new(),
        };
        while !reader.is_empty() {
            walk.containing.push(reader.number()?);
        }
        let rank = Rank { score, sequence };
        let place = SearchPlace { walk: Arc::new(walk), rank };
        (score.is_finite() && self.search(as_of, &place) == cursor).then_some((as_of, place))
    }
}

#[cfg(test)]
mod fuzz;
