//! Confirmation tokens: a dry run issues one and the real call must pass it. A token is valid for one tenant, one filter, the memories that
//! were counted, and five minutes. It deletes only once, because deleted memories never match again. It is signed and not stored, so every
//! instance with the same secret accepts it.

use crate::store::{TagFilter, TagSelection};
use crate::tenant::Tenant;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use mcp_contracts::memory::TagMatch;
use sha2::Sha256;

/// Lifetime of a token in microseconds.
pub const LIFETIME_US: i64 = 300_000_000;

#[derive(Clone)]
pub struct Confirmations {
    /// Accepted keys; the first one signs.
    keys: Vec<Hmac<Sha256>>,
}

impl Confirmations {
    /// Creates the keys from the secrets that are accepted, of which the first one signs.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let key = |secret: &str| {
            let mut key = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
            // Separates these tokens from everything else that is signed with the same secret.
            key.update(b"memory: delete_by_tag\0");
            key
        };
        Self { keys: secrets.map(key).collect() }
    }

    /// Issues a token that allows deleting the `selected` memories until `expires_us`.
    pub fn issue(&self, tenant: &Tenant, tags: &TagFilter, selected: TagSelection, expires_us: i64) -> String {
        let mut bytes = expires_us.to_be_bytes().to_vec();
        bytes.extend(selected.count.to_be_bytes());
        bytes.extend(selected.digest);
        let key = self.keys.first().expect("a service has a key that signs");
        bytes.extend(mac(key, tenant, tags, selected, expires_us).finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the confirmed memories, if the token is authentic, for this filter and not expired.
    pub fn confirmed(&self, token: &str, tenant: &Tenant, tags: &TagFilter, now_us: i64) -> Option<TagSelection> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let expires_us = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
        let count = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
        let digest = bytes.get(16..48)?.try_into().ok()?;
        let selected = TagSelection { count, digest };
        let code = bytes.get(48..)?;
        // `verify_slice` compares in constant time, so that the duration does not show how much of a forged code is
        // right.
        let signed = |key| mac(key, tenant, tags, selected, expires_us).verify_slice(code).is_ok();
        (now_us < expires_us && self.keys.iter().any(signed)).then_some(selected)
    }
}

fn mac(
    key: &Hmac<Sha256>,
    tenant: &Tenant,
    filter: &TagFilter,
    selected: TagSelection,
    expires_us: i64,
) -> Hmac<Sha256> {
    let mut tags: Vec<&str> = filter.tags.iter().map(String::as_str).collect();
    // The second call may list the tags in another order.
    tags.sort_unstable();
    let mut mac = key.clone();
    let matching = match filter.tag_match {
        TagMatch::Any => "any",
        TagMatch::All => "all",
    };
    for part in [tenant.org(), tenant.workspace(), tenant.user(), matching].into_iter().chain(tags) {
        // The length keeps `ab`, `c` apart from `a`, `bc`.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(&selected.count.to_be_bytes());
    mac.update(&selected.digest);
    mac.update(&expires_us.to_be_bytes());
    mac
}

#[cfg(test)]
mod fuzz;
