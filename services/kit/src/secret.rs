//! Keys and passwords.

use std::collections::BTreeSet;
use std::fmt;

/// Shortest accepted key for signing tokens, in bytes (RFC 7518 section 3.2: at least the size of the hash).
pub const MIN_SECRET_BYTES: usize = 32;
/// The key that signs tokens in development if `JWT_SECRET` is not set. It is public, so it is accepted only on loopback and never in production.
pub const DEVELOPMENT_SECRET: &str = "development-only-secret-known-to-everybody";

/// Words of keys that are published: `development` is in `DEVELOPMENT_SECRET`, the others are usual in examples.
const PUBLISHED_WORDS: [&str; 6] = ["development", "changeme", "change-me", "change_me", "example", "password"];
/// Number of different bytes that a random key has at least. Of 32 random hexadecimal digits fewer than 8 are different in one of 20 million cases.
const MIN_DIFFERENT_BYTES: usize = 8;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns true if others may know the text or can guess it.
    pub(crate) fn is_guessable(&self) -> bool {
        let lower = self.0.to_ascii_lowercase();
        let different: BTreeSet<u8> = self.0.bytes().collect();
        PUBLISHED_WORDS.iter().any(|word| lower.contains(word)) || different.len() < MIN_DIFFERENT_BYTES
    }
}

// There is no `Display`, so that no message can contain a secret by accident.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
