//! The words around secrets, from `fixtures/lexicon/secrets.toml`. What a word means for a value is not decided here.

use serde::Deserialize;
use std::sync::LazyLock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretWords {
    pub(super) date: String,
    pub(super) names: Vec<String>,
    pub(super) harmless_suffixes: Vec<String>,
    pub(super) harmless_prefixes: Vec<String>,
    pub(super) stand_ins: Vec<String>,
    pub(super) whole_stand_ins: Vec<String>,
    pub(super) references: Vec<String>,
}

pub(super) static WORDS: LazyLock<SecretWords> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../../fixtures/lexicon/secrets.toml"))
        .expect("every test of secrets reads this file")
});
