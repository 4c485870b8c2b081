//! A record as a call sent it or got it back, and what a scan of records requested.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// State of a record, as it was sent or as it came back. A field is `None` if it was not sent, not returned, or not recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordState {
    /// XXH3 (64 bit) of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<u64>,
    /// Who wrote the content, according to the mark inside it; `None` also if there is no mark, because the harness did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Counts the changes of the record, from 1. In a write: the version that the reply acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Who may read the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Digest of the tags that the caller gave the record (the service's own are not part of it), in any order. 32 bits, because a record costs
    /// 10 bytes less than with 64 in the file, and one wrong set in 4 billion goes unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u32>,
}

impl RecordState {
    /// Returns a state of which the content alone is known.
    pub fn of_content(digest: u64, canary: Option<Canary>) -> Self {
        Self { digest: Some(digest), canary, ..Self::default() }
    }
}

/// Who may read a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Visibility {
    /// Its user alone, in its workspace.
    #[serde(rename = "p")]
    Private,
    /// Every user of its organisation in the same workspace.
    #[serde(rename = "w")]
    Workspace,
}

/// What a scan requested. A list of everything has neither words nor tags. The pages of one walk are the scans of one process that follow
/// each other with the same words and tags, from page 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Digest of the words that were searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<u32>,
    /// Digest of the tags that were filtered by, computed as [`RecordState::tags`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u32>,
    /// Number of the page, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub page: u32,
    /// True if the reply has a cursor for another page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Id of the record that the words, tags or cursor belong to alone. If the caller may see that record, it must be the only hit;
    /// otherwise the scan is an attempt at a record of another user, workspace or organisation, and there must be no hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
}

const fn is_first(page: &u32) -> bool {
    *page == 0
}

/// The mark that the harness writes into every content, as `canary:<tenant>/<user>/<p|w>/<number>`: who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Canary {
    /// Organisation that wrote it.
    pub tenant: Arc<str>,
    /// User that wrote it.
    pub user: Arc<str>,
    /// Workspace of that user; omitted if it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Arc<str>>,
    /// True if the whole workspace may read it (`w`), false if its user alone may (`p`).
    pub shared: bool,
    /// Number of the content, counted for each user.
    pub number: u64,
}
