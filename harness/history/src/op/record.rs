//! The state of a record in a request or a reply, and the request of a scan of records.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// State of a record in a request or a reply. A field is `None` if it was not sent, not returned, or not recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordState {
    /// XXH3 (64 bit) of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<u64>,
    /// The writer of the content, according to the mark inside it. Without a mark it is `None`: the harness did not write the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Counts the changes of the record, from 1. In a write: the version that the reply acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Who may read the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Digest of the tags that the caller gave the record, independent of their order. Tags of the service itself are not included. The digest has 32
    /// bits, because 64 bits would cost 10 bytes more per record in the file; one wrong set of tags in 4 billion is not noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u32>,
}

impl RecordState {
    /// Returns a state of which only the content is known.
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

/// The request of a scan. A list of all records has neither words nor tags. Successive scans of one process with the same words and tags, from page 0
/// on, are the pages of one walk.
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
    /// Id of the only record that matches the words, tags or cursor. If the caller may read this record, it must be the only hit. Otherwise the
    /// scan is
    /// an attempt to read a record of another user, workspace or organisation, and must have no hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
}

const fn is_first(page: &u32) -> bool {
    *page == 0
}

/// The mark that the harness writes into every content, as `canary:<tenant>/<user>/<p|w>/<number>/`: who wrote it.
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
