//! Any tags, kinds and memories: what is accepted keeps the limits, is in one form, and is accepted again.

use super::*;
use fuzzing::Target;

const FILES: &[&str] = &["services/memory/src/tools/validate.rs"];
const TAGS: Target = Target::new("tags", FILES).with_words(&[
    "org:",
    "user:",
    "workspace:",
    "ORG:",
    "topic:",
    "|",
    "\u{130}",
    "\u{212a}",
    "ｏｒｇ：",
    "ſ",
    " ",
    "\u{a0}",
]);
const MEMORIES: Target = Target::new("memories", FILES).with_words(&[
    "\"content\":\"a\",",
    "\"tags\":[\"a\",\"a\"],",
    "\"tags\":[\"topic:x\"],",
    "\"tags\":[\"org:acme\"],",
    "\"type\":\"note\",",
    "\"metadata\":{\"a\":1},",
    "\"intent\":\"x\",",
    "\"idempotencyKey\":\"k\",",
    "\"visibility\":\"workspace\",",
    "\"createdAt\":\"2026-01-31T12:00:00Z\",",
    "\"createdAt\":\"9999-12-31T23:59:59Z\",",
    "\"id\":\"0b0c6ab0-1111-4222-8333-444444444444\",",
]);

fn assert_plain(tags: &[String]) {
    assert!(tags.windows(2).all(|pair| pair[0] < pair[1]), "not sorted, or twice: {tags:?}");
    for tag in tags {
        assert!(!tag.is_empty() && tag.len() <= MAX_TAG_BYTES && tag.trim() == tag, "{tag:?}");
        assert!(!tag.chars().any(char::is_control), "{tag:?}");
        let reserved = RESERVED_TAG_PREFIXES.iter().any(|prefix| tag.to_lowercase().starts_with(prefix));
        assert!(!reserved, "{tag:?} is a tag of the service");
    }
}

#[test]
fn accepted_tags_are_plain_and_never_those_of_the_service() {
    TAGS.run_text(|text| {
        let tags: Vec<String> = text.split('|').map(str::to_owned).collect();
        let (count, distinct) = (tags.len(), tags.iter().collect::<std::collections::BTreeSet<_>>().len());
        match own_tags(tags) {
            Ok(tags) => {
                assert!(count <= MAX_TAGS && tags.len() == distinct, "{count} tags became {}", tags.len());
                assert_plain(&tags);
                assert_eq!(own_tags(tags.clone()).ok(), Some(tags), "accepted once and not again");
            }
            Err(error) => {
                let codes = [ErrorCode::InvalidArgument, ErrorCode::TooLarge, ErrorCode::ReservedTag];
                assert!(codes.contains(&error.code), "{error:?}");
            }
        }
        if let Ok(kind) = kind(text.to_owned()) {
            assert!(kind == text && (1..=MAX_KIND_BYTES).contains(&kind.len()), "{kind:?}");
        }
    });
}

/// Returns what an export would have of a stored memory.
fn exported(stored: &NewMemory) -> ImportedMemory {
    let time = |micros: i64| jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string());
    ImportedMemory {
        content: stored.content.clone(),
        tags: stored.tags.clone(),
        kind: stored.kind.clone(),
        metadata: stored.metadata.clone(),
        visibility: stored.visibility,
        intent: None,
        idempotency_key: None,
        created_at: stored.created_us.and_then(|micros| time(micros).ok()),
        id: stored.id.map(|id| id.to_string()),
        version: None,
        updated_at: None,
    }
}

#[test]
fn an_accepted_memory_survives_an_export_and_an_import() {
    MEMORIES.run_text(|text| {
        let Ok(memory) = serde_json::from_str::<ImportedMemory>(text) else { return };
        let Ok(stored) = imported_memory(memory, true) else { return };
        assert!(!stored.content.trim().is_empty() && stored.content.len() <= MAX_CONTENT_BYTES);
        assert!(stored.tags.len() <= MAX_TAGS + 1, "{} tags", stored.tags.len());
        assert_plain(&stored.tags);
        assert!(serde_json::to_string(&stored.metadata).expect("plain data").len() <= MAX_METADATA_BYTES);
        let again = imported_memory(exported(&stored), true).unwrap_or_else(|error| panic!("{error:?} for {stored:?}"));
        let form = |memory: NewMemory| (memory.content, memory.tags, memory.kind, memory.metadata, memory.id);
        assert_eq!(form(again), form(NewMemory { idempotency: None, ..stored }));
    });
}
