//! Page cursors, opaque to clients. A cursor holds a position, and is valid for one tenant and one query. It is not signed, because it grants
//! no access: each page checks the tenant again.

use crate::store::Rank;
use crate::tenant::Tenant;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

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
    pub fn list(self, place: (i64, i64)) -> String {
        self.encode(&[place.0, place.1])
    }

    pub fn parse_list(self, cursor: &str) -> Option<(i64, i64)> {
        self.decode::<2>(cursor).map(|[us, sequence]| (us, sequence))
    }

    /// Returns the cursor after a hit of a search that measures ages from `as_of`.
    pub fn search(self, as_of: i64, rank: Rank) -> String {
        // All bits of the score: with a rounded one, the next page would skip or repeat hits.
        self.encode(&[as_of, rank.score.to_bits().cast_signed(), rank.sequence])
    }

    pub fn parse_search(self, cursor: &str) -> Option<(i64, Rank)> {
        let [as_of, score, sequence] = self.decode::<3>(cursor)?;
        let score = f64::from_bits(score.cast_unsigned());
        score.is_finite().then_some((as_of, Rank { score, sequence }))
    }

    fn encode(self, numbers: &[i64]) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode<const N: usize>(self, cursor: &str) -> Option<[i64; N]> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let numbers = bytes.strip_prefix(&self.0)?;
        if numbers.len() != N * 8 {
            return None;
        }
        let mut decoded = [0; N];
        for (number, chunk) in decoded.iter_mut().zip(numbers.chunks_exact(8)) {
            *number = i64::from_be_bytes(chunk.try_into().ok()?);
        }
        Some(decoded)
    }
}
