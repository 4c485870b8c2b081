//! Turns requests into the types of the store. Every limit of the contract is checked here, once.

use crate::store::{Idempotency, NewMemory, Selection, TagFilter};
use mcp_contracts::limits::{
    DEFAULT_PAGE, MAX_CONTENT_BYTES, MAX_IDEMPOTENCY_KEY_BYTES, MAX_KIND_BYTES, MAX_METADATA_BYTES, MAX_PAGE,
    MAX_TAG_BYTES, MAX_TAGS,
};
use mcp_contracts::memory::{Filter, ImportedMemory, RESERVED_TAG_PREFIXES, StoreMemory};
use mcp_contracts::{ErrorCode, ToolError};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Prefix of the tag of an intent.
const TOPIC: &str = "topic:";

pub(super) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

fn too_large(message: String) -> ToolError {
    ToolError::new(ErrorCode::TooLarge, message)
}

pub(super) fn new_memory(request: StoreMemory) -> Result<NewMemory, ToolError> {
    let idempotency =
        idempotency(request.idempotency_key.as_deref(), &StoreMemory { idempotency_key: None, ..request.clone() })?;
    let mut tags = own_tags(request.tags)?;
    if let Some(intent) = request.intent {
        // Checked separately, so that the tag of the intent does not count against `MAX_TAGS`.
        tags.extend(own_tags(vec![format!("{TOPIC}{intent}")])?);
    }
    Ok(NewMemory {
        content: content(request.content)?,
        tags: sorted(tags),
        kind: request.kind.map(kind).transpose()?,
        metadata: metadata(request.metadata)?,
        visibility: request.visibility,
        created_us: None,
        id: None,
        idempotency,
    })
}

/// Checks a memory that may come from an export.
pub(crate) fn imported_memory(memory: ImportedMemory, keep_ids: bool) -> Result<NewMemory, ToolError> {
    let created_us = time_us("createdAt", memory.created_at.as_deref())?;
    let id = memory.id.filter(|_| keep_ids).as_deref().map(kept_id).transpose()?;
    let set_by_service = |tag: &String| RESERVED_TAG_PREFIXES.iter().any(|prefix| tag.starts_with(prefix));
    // The tags of the service follow from the token, so those of another tenant must not be imported.
    let mut tags: Vec<String> = memory.tags.into_iter().filter(|tag| !set_by_service(tag)).collect();
    let intent = memory.intent.or_else(|| intent_beyond_limit(&mut tags));
    let request = StoreMemory {
        content: memory.content,
        tags,
        kind: memory.kind,
        metadata: memory.metadata,
        visibility: memory.visibility,
        intent,
        idempotency_key: memory.idempotency_key,
    };
    let mut new = NewMemory { created_us, id, ..new_memory(request)? };
    if let (Some(idempotency), Some(id)) = (&mut new.idempotency, id) {
        // An import with a different id is a different request for the idempotency key.
        idempotency.request =
            Sha256::new().chain_update(idempotency.request).chain_update(id.as_bytes()).finalize().into();
    }
    Ok(new)
}

fn kept_id(id: &str) -> Result<Uuid, ToolError> {
    Uuid::try_parse(id).map_err(|_| {
        invalid(format!("`id` is `{}`, not a UUID", id.escape_debug())).with_hint("omit it to get a new id")
    })
}

/// If there are more than `MAX_TAGS` tags, removes the `topic:` tag and returns its intent: a memory that was stored with an intent has this
/// tag in addition to its other tags.
fn intent_beyond_limit(tags: &mut Vec<String>) -> Option<String> {
    let at = tags.iter().position(|tag| tags.len() > MAX_TAGS && tag.starts_with(TOPIC))?;
    Some(tags.remove(at).split_off(TOPIC.len()))
}

pub(super) fn content(content: String) -> Result<String, ToolError> {
    if content.trim().is_empty() {
        return Err(invalid("`content` is empty; a memory needs text"));
    }
    if content.len() > MAX_CONTENT_BYTES {
        return Err(too_large(format!("`content` has {} bytes, {MAX_CONTENT_BYTES} are allowed", content.len()))
            .with_hint("store a summary, or several memories"));
    }
    Ok(content)
}

pub(crate) fn kind(kind: String) -> Result<String, ToolError> {
    if kind.is_empty() || kind.len() > MAX_KIND_BYTES || kind.chars().any(char::is_control) {
        return Err(invalid(format!("`type` must have 1 to {MAX_KIND_BYTES} bytes and no control characters")));
    }
    Ok(kind)
}

pub(super) fn metadata(metadata: Map<String, Value>) -> Result<Map<String, Value>, ToolError> {
    let bytes = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_METADATA_BYTES {
        return Err(too_large(format!("`metadata` has {bytes} bytes of JSON, {MAX_METADATA_BYTES} are allowed")));
    }
    Ok(metadata)
}

/// Checks tags that a client sets: none may be reserved. Returns them sorted and distinct.
pub(crate) fn own_tags(tags: Vec<String>) -> Result<Vec<String>, ToolError> {
    let tags = plain_tags(tags)?;
    let is_reserved = |tag: &&String| {
        // `Org:acme` is refused as well, because a reader could take it for a tag of the service.
        let lower = tag.to_lowercase();
        RESERVED_TAG_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    };
    if let Some(reserved) = tags.iter().find(is_reserved) {
        return Err(ToolError::new(
            ErrorCode::ReservedTag,
            format!("tag `{reserved}` is reserved: only the service sets it"),
        )
        .with_hint("tags that begin with `org:`, `user:` or `workspace:` come from your token"));
    }
    Ok(tags)
}

/// Checks the form of tags. Returns them sorted and distinct.
fn plain_tags(tags: Vec<String>) -> Result<Vec<String>, ToolError> {
    if tags.len() > MAX_TAGS {
        return Err(too_large(format!("the request has {} tags, {MAX_TAGS} are allowed", tags.len())));
    }
    for tag in &tags {
        if tag.len() > MAX_TAG_BYTES {
            return Err(too_large(format!("a tag has {} bytes, {MAX_TAG_BYTES} are allowed", tag.len())));
        }
        // With spaces at its ends, a tag would look equal to another one and not match it.
        if tag.trim().is_empty() || tag.trim() != tag || tag.chars().any(char::is_control) {
            return Err(invalid(format!(
                "tag `{}` is empty, or has spaces at its ends or control characters",
                tag.escape_debug()
            )));
        }
    }
    Ok(sorted(tags))
}

fn sorted(mut tags: Vec<String>) -> Vec<String> {
    tags.sort_unstable();
    tags.dedup();
    tags
}

pub(super) fn selection(filter: &Filter) -> Result<Selection, ToolError> {
    Ok(Selection {
        // Reserved tags are allowed here: in a filter they can only exclude memories that the tenant sees.
        tags: TagFilter { tags: plain_tags(filter.tags.clone())?, tag_match: filter.tag_match },
        kind: filter.kind.clone().map(kind).transpose()?,
        created_from: time_us("createdAfter", filter.created_after.as_deref())?,
        created_before: time_us("createdBefore", filter.created_before.as_deref())?,
    })
}

fn time_us(name: &str, text: Option<&str>) -> Result<Option<i64>, ToolError> {
    // Clients send the last second of the year 9999 as the end of time, but the type cannot represent it. The rest of the text is
    // checked with the year 9997, which has 365 days as well.
    let end = |text: &str| {
        let earlier = format!("9997{}", text.strip_prefix("9999")?);
        earlier.parse::<jiff::Timestamp>().ok().map(|_| i64::MAX)
    };
    let parse = |text: &str| {
        let time = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond).ok().or_else(|| end(text));
        time.ok_or_else(|| {
            invalid(format!("`{name}` is `{}`, not a time such as `2026-01-31T12:00:00Z`", text.escape_debug()))
        })
    };
    text.map(parse).transpose()
}

pub(super) fn limit(limit: Option<u32>) -> Result<usize, ToolError> {
    match limit.unwrap_or(DEFAULT_PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit as usize),
        other => Err(invalid(format!("`limit` is {other}; it must be 1 to {MAX_PAGE}"))),
    }
}

pub(super) fn bad_cursor() -> ToolError {
    ToolError::new(ErrorCode::BadCursor, "`cursor` is not valid, or belongs to another query")
        .with_hint("repeat the query without a cursor to start at the first page")
}

pub(super) fn idempotency(key: Option<&str>, request: &impl Serialize) -> Result<Option<Idempotency>, ToolError> {
    let Some(key) = key else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
        return Err(invalid(format!("`idempotencyKey` must have 1 to {MAX_IDEMPOTENCY_KEY_BYTES} bytes")));
    }
    let text = serde_json::to_vec(request).map_err(|error| invalid(error.to_string()))?;
    Ok(Some(Idempotency { key: key.to_owned(), request: Sha256::digest(text).into() }))
}

#[cfg(test)]
mod fuzz;
