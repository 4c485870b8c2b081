//! The effect of the memory tools. A reply is parsed in one pass and without copies, because a load of the memory service consists of these
//! calls. The structs here have the fields of the contract's replies; a test compares them.

use super::digest::{digest_of_tags, visibility};
use super::sent::SentEffect;
use super::shape::{AnyObject, AnyText, Each};
use super::{fitting, malformed};
use crate::drive::canary::{InternedNames, state_of};
use harness_history::{Effect, ErrorKind, Outcome, RecordState};
use mcp_contracts::memory;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// A text that is borrowed if it has no escapes. serde borrows a `Cow` inside an `Option` or a `Vec` only through a
/// type like this one.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A memory in a page. The history does not store its tags, because it has them from the write.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(rename = "tags")]
    _tags: Each<AnyText>,
    #[serde(rename = "type")]
    _kind: Option<AnyText>,
    #[serde(rename = "metadata", default)]
    _metadata: AnyObject,
    #[serde(rename = "visibility")]
    _visibility: memory::Visibility,
    version: u64,
    #[serde(rename = "createdAt")]
    _created_at: AnyText,
    #[serde(rename = "updatedAt")]
    _updated_at: AnyText,
    /// Only a hit of a search has it.
    score: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(borrow)]
    tags: Vec<Text<'a>>,
    #[serde(rename = "type")]
    _kind: Option<AnyText>,
    #[serde(rename = "metadata", default)]
    _metadata: AnyObject,
    visibility: memory::Visibility,
    version: u64,
    #[serde(rename = "createdAt")]
    _created_at: AnyText,
    #[serde(rename = "updatedAt")]
    _updated_at: AnyText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    created: bool,
    version: u64,
    #[serde(rename = "contentHash")]
    _content_hash: AnyText,
    #[serde(rename = "createdAt")]
    _created_at: AnyText,
}

#[derive(Deserialize)]
struct Deleted<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    deleted: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Listed<'a>>,
    next_cursor: Option<AnyText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    memories: Vec<Listed<'a>>,
    next_cursor: Option<AnyText>,
}

pub(super) fn store(sent: &SentEffect, outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let stored = fitting::<Stored<'_>>(outcome, reply);
    let SentEffect::Write(value) = sent else { return (ended(stored), Effect::None) };
    let mut value = value.clone();
    match stored {
        Ok(stored) => {
            value.version = Some(stored.version);
            let (key, existing) = (Some(Arc::from(&*stored.id.0)), !stored.created);
            (Outcome::Ok, Effect::Write { key, value, existing })
        }
        // Recorded without an id, because a write with an unknown outcome may have taken effect and may be read later.
        Err(outcome) => (outcome, Effect::Write { key: None, value, existing: false }),
    }
}

pub(super) fn import(sent: &SentEffect, outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let imported = fitting::<memory::ImportedMemories>(outcome, reply);
    let SentEffect::Writes(states) = sent else { return (ended(imported), Effect::None) };
    let imported = imported.and_then(|imported| {
        let complete = imported.ids.len() == states.len();
        if complete { Ok(imported.ids) } else { Err(malformed("an import whose ids are not one for each memory")) }
    });
    let (outcome, ids) = match imported {
        Ok(ids) => (Outcome::Ok, ids),
        Err(outcome) => (outcome, Vec::new()),
    };
    // Without an answer the ids are unknown, but the contents may be there.
    let keys = ids.iter().map(String::as_str).chain(std::iter::repeat(""));
    let records: Vec<_> = keys.zip(states).map(|(id, state)| (Arc::from(id), state.clone())).collect();
    (outcome, if records.is_empty() { Effect::None } else { Effect::Writes { records } })
}

pub(super) fn update(sent: &SentEffect, outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let updated = fitting::<Memory<'_>>(outcome, reply);
    let SentEffect::Update { key, value, expected } = sent else { return (ended(updated), Effect::None) };
    let (outcome, version) = match updated {
        Ok(updated) if *updated.id.0 == **key => (Outcome::Ok, Some(updated.version)),
        Ok(_) => (another_record(), None),
        Err(outcome) => (outcome, None),
    };
    let value = RecordState { version, ..value.clone() };
    (outcome, Effect::Update { key: Arc::clone(key), value, expected: *expected })
}

pub(super) fn delete(sent: &SentEffect, outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let deleted = fitting::<Deleted<'_>>(outcome, reply);
    let SentEffect::Delete { key } = sent else { return (ended(deleted), Effect::None) };
    let outcome = match deleted {
        Ok(deleted) if *deleted.id.0 == **key && deleted.deleted => Outcome::Ok,
        Ok(deleted) if deleted.deleted => another_record(),
        Ok(_) => malformed("a deletion that did not delete"),
        Err(outcome) => outcome,
    };
    (outcome, Effect::Delete { key: Arc::clone(key) })
}

/// Returns the outcome and the effect of a read. `not_found` is a valid answer: for this reader, the record does not exist.
pub(super) fn get(
    sent: &SentEffect,
    outcome: &Outcome,
    reply: Option<&str>,
    names: &InternedNames,
) -> (Outcome, Effect) {
    let memory = fitting::<Memory<'_>>(outcome, reply);
    let SentEffect::Read { key } = sent else { return (ended(memory), Effect::None) };
    let key = Arc::clone(key);
    match memory {
        Ok(memory) if *memory.id.0 == *key => {
            let value = RecordState {
                version: Some(memory.version),
                visibility: Some(visibility(memory.visibility)),
                tags: Some(digest_of_tags(memory.tags.iter().map(|tag| &*tag.0))),
                ..state_of(&memory.content.0, names)
            };
            (Outcome::Ok, Effect::Read { key, value: Some(value) })
        }
        Ok(_) => (another_record(), Effect::None),
        Err(Outcome::Failed(ErrorKind::Tool(code))) if &*code == "not_found" => {
            (Outcome::Ok, Effect::Read { key, value: None })
        }
        Err(outcome) => (outcome, Effect::None),
    }
}

/// Returns the outcome and the effect of a list or an export.
pub(super) fn list(
    sent: &SentEffect,
    outcome: &Outcome,
    reply: Option<&str>,
    names: &InternedNames,
) -> (Outcome, Effect) {
    let page = fitting::<Page<'_>>(outcome, reply).map(|page| (page.memories, page.next_cursor.is_some()));
    scan(sent, page, names)
}

pub(super) fn search(
    sent: &SentEffect,
    outcome: &Outcome,
    reply: Option<&str>,
    names: &InternedNames,
) -> (Outcome, Effect) {
    let page = fitting::<Hits<'_>>(outcome, reply).and_then(|page| {
        let scored = page.hits.iter().all(|hit| hit.score.is_some());
        if scored { Ok((page.hits, page.next_cursor.is_some())) } else { Err(malformed("a hit without `score`")) }
    });
    scan(sent, page, names)
}

fn scan(sent: &SentEffect, page: Result<(Vec<Listed<'_>>, bool), Outcome>, names: &InternedNames) -> (Outcome, Effect) {
    let query = match sent {
        SentEffect::Scan(query) => query.clone(),
        _ => Default::default(),
    };
    let (page, more) = match page {
        Ok(page) => page,
        // The right answer to the cursor of another user: no record.
        Err(Outcome::Failed(ErrorKind::Tool(code))) if query.target.is_some() && &*code == "bad_cursor" => {
            (Vec::new(), false)
        }
        Err(outcome) => return (outcome, Effect::None),
    };
    let hit = |hit: &Listed<'_>| {
        (Arc::from(&*hit.id.0), RecordState { version: Some(hit.version), ..state_of(&hit.content.0, names) })
    };
    let hits = page.iter().map(hit).collect();
    (Outcome::Ok, Effect::Scan { hits, query: Some(Box::new(harness_history::Query { more, ..query })) })
}

/// The outcome of a call whose effect no check uses.
fn ended<T>(reply: Result<T, Outcome>) -> Outcome {
    reply.map_or_else(|outcome| outcome, |_| Outcome::Ok)
}

fn another_record() -> Outcome {
    malformed("a memory with another id than the requested one")
}

#[cfg(test)]
mod tests {
    use super::{Effect, ErrorKind, InternedNames, Outcome, RecordState};
    use crate::drive::effect::digest::low_half;
    use crate::drive::effect::of;
    use harness_history::op::Visibility;
    use mcp_contracts::memory;
    use serde_json::{Value, json};

    fn effect(tool: &str, arguments: &Value, outcome: &Outcome, reply: &impl serde::Serialize) -> (Outcome, Effect) {
        let reply = serde_json::to_string(reply).unwrap();
        of(tool, &arguments.to_string(), outcome, Some(&reply), &InternedNames::default())
    }

    fn memory() -> memory::Memory {
        memory::Memory {
            id: "k".to_owned(),
            content: "a\n\"b\"".to_owned(),
            tags: ["org:o", "t", "s"].map(str::to_owned).to_vec(),
            kind: None,
            metadata: serde_json::Map::new(),
            visibility: memory::Visibility::Private,
            version: 3,
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            updated_at: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn a_write_has_its_content_and_once_it_is_acknowledged_its_id_and_version() {
        let arguments = json!({ "content": "a canary:acme/ann/p/1", "tags": ["t"], "visibility": "workspace" });
        let stored = memory::StoredMemory {
            id: "k".to_owned(),
            created: true,
            version: 1,
            content_hash: "00".to_owned(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        let (_, acknowledged) = effect("store_memory", &arguments, &Outcome::Ok, &stored);
        let Effect::Write { key, value, existing: false } = acknowledged else { panic!("{acknowledged:?}") };
        assert_eq!((key.as_deref(), value.version, value.tags), (Some("k"), Some(1), Some(low_half("t"))));
        assert_eq!((value.canary.unwrap().number, value.visibility), (1, Some(Visibility::Workspace)));
        let lost = Outcome::Unknown(ErrorKind::Timeout);
        let (outcome, unanswered) = effect("store_memory", &arguments, &lost, &json!(null));
        assert!(matches!(unanswered, Effect::Write { key: None, .. }) && outcome == lost, "{unanswered:?}");
    }

    #[test]
    fn an_update_has_the_fields_that_were_sent_and_the_version_that_was_acknowledged() {
        let arguments = json!({ "id": "k", "tags": ["t"], "expectedVersion": 2 });
        let update = |version| Effect::Update {
            key: "k".into(),
            value: RecordState { version, tags: Some(low_half("t")), ..RecordState::default() },
            expected: Some(2),
        };
        let ok = effect("update_memory", &arguments, &Outcome::Ok, &memory());
        assert_eq!(ok, (Outcome::Ok, update(Some(3))));
        let refused = Outcome::Failed(ErrorKind::Tool("version_conflict".into()));
        assert_eq!(effect("update_memory", &arguments, &refused, &json!(null)), (refused, update(None)));
    }

    #[test]
    fn a_missing_record_is_a_valid_read_and_a_failed_deletion() {
        let refused = Outcome::Failed(ErrorKind::Tool("not_found".into()));
        let arguments = json!({ "id": "k" });
        let (outcome, read) = effect("get_memory", &arguments, &refused, &json!(null));
        assert_eq!((outcome, read), (Outcome::Ok, Effect::Read { key: "k".into(), value: None }));
        let (outcome, deleted) = effect("delete_memory", &arguments, &refused, &json!(null));
        assert_eq!((outcome, deleted), (refused, Effect::Delete { key: "k".into() }));
    }

    #[test]
    fn replies_of_the_contract_are_read_and_other_replies_are_malformed() {
        let (_, read) = effect("get_memory", &json!({ "id": "k" }), &Outcome::Ok, &memory());
        let Effect::Read { value: Some(value), .. } = read else { panic!("{read:?}") };
        assert_eq!((value.version, value.tags), (Some(3), Some(low_half("s\nt"))));
        let list = memory::MemoryPage { memories: vec![memory()], next_cursor: Some("c".to_owned()) };
        let hits = vec![memory::Hit { memory: memory(), score: 1.5, matches: Vec::new() }];
        let search = memory::SearchReply { hits, next_cursor: None };
        let scans = [
            (effect("list_memories", &json!({ "tags": ["t"] }), &Outcome::Ok, &list), true),
            (effect("search_memory", &json!({ "query": "q" }), &Outcome::Ok, &search), false),
        ];
        for ((outcome, scan), more) in scans {
            let Effect::Scan { hits, query: Some(query) } = scan else { panic!("{scan:?}") };
            assert_eq!((outcome, &*hits[0].0, hits[0].1.version, query.more), (Outcome::Ok, "k", Some(3), more));
        }
    }

    /// The replies of the contract, each with the tool and with the arguments of its call.
    fn replies() -> Vec<(&'static str, Value, Value)> {
        let mut full = memory();
        full.kind = Some("note".to_owned());
        full.metadata = json!({ "a": [1] }).as_object().unwrap().clone();
        let hits = vec![memory::Hit { memory: full.clone(), score: 1.5, matches: Vec::new() }];
        let (id, update) = (json!({ "id": "k" }), json!({ "id": "k", "content": "a" }));
        let content = json!({ "content": "a" });
        let stored = memory::StoredMemory {
            id: "k".to_owned(),
            created: true,
            version: 1,
            content_hash: "00".to_owned(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        let list = memory::MemoryPage { memories: vec![full.clone()], next_cursor: Some("c".to_owned()) };
        let imported = memory::ImportedMemories { created: 1, duplicates: 0, ids: vec!["k".to_owned()] };
        let deleted = memory::DeletedMemory { id: "k".to_owned(), deleted: true };
        let search = memory::SearchReply { hits, next_cursor: Some("c".to_owned()) };
        vec![
            ("get_memory", id.clone(), json!(full)),
            ("update_memory", update, json!(full)),
            ("delete_memory", id, json!(deleted)),
            ("store_memory", content.clone(), json!(stored)),
            ("list_memories", json!({}), json!(list)),
            ("export_memories", json!({}), json!(list)),
            ("search_memory", json!({ "query": "a" }), json!(search)),
            ("import_memories", json!({ "memories": [content] }), json!(imported)),
        ]
    }

    fn fits_the_contract(tool: &str, reply: &Value) -> bool {
        fn fits<T: serde::de::DeserializeOwned>(reply: &Value) -> bool {
            serde_json::from_value::<T>(reply.clone()).is_ok()
        }
        match tool {
            "get_memory" | "update_memory" => fits::<memory::Memory>(reply),
            "delete_memory" => fits::<memory::DeletedMemory>(reply),
            "store_memory" => fits::<memory::StoredMemory>(reply),
            "list_memories" | "export_memories" => fits::<memory::MemoryPage>(reply),
            "search_memory" => fits::<memory::SearchReply>(reply),
            _ => fits::<memory::ImportedMemories>(reply),
        }
    }

    /// Every reply that differs from `reply` in one place: a field is missing, null, or of another type.
    fn spoiled(reply: &Value) -> Vec<Value> {
        let mut spoiled = Vec::new();
        match reply {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let with = |other: Value| {
                        let mut changed = fields.clone();
                        changed.insert(name.clone(), other);
                        Value::Object(changed)
                    };
                    let mut without = fields.clone();
                    without.remove(name);
                    spoiled.push(Value::Object(without));
                    let others = [json!(null), json!(7), json!(-1.5), json!("x"), json!([7]), json!({}), json!(true)];
                    spoiled.extend(others.into_iter().map(with));
                    spoiled.extend(self::spoiled(value).into_iter().map(with));
                }
            }
            Value::Array(entries) => {
                let first = entries.first().map(self::spoiled).unwrap_or_default();
                spoiled.extend(first.into_iter().map(|entry| json!([entry])));
            }
            _ => {}
        }
        spoiled
    }

    #[test]
    fn only_replies_that_violate_the_contract_are_malformed() {
        for (tool, arguments, reply) in replies() {
            assert_eq!(effect(tool, &arguments, &Outcome::Ok, &reply).0, Outcome::Ok, "{tool} {reply}");
            let mut more = reply.clone();
            more["unknown"] = json!({ "field": 1 });
            assert_eq!(effect(tool, &arguments, &Outcome::Ok, &more).0, Outcome::Ok, "{tool} {more}");
            let mut refused = 0;
            for other in spoiled(&reply) {
                let (outcome, _) = effect(tool, &arguments, &Outcome::Ok, &other);
                let is_malformed = matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_)));
                if fits_the_contract(tool, &other) {
                    // A reply of the right form about another record does not answer the request either.
                    let answers = other["id"] == reply["id"] && other["deleted"] == reply["deleted"];
                    assert!(!answers || !is_malformed, "{tool} {other}: {outcome:?}");
                } else {
                    assert!(is_malformed, "{tool} {other}: {outcome:?}");
                    refused += 1;
                }
            }
            assert!(refused > 5, "{tool}");
            let none = of(tool, &arguments.to_string(), &Outcome::Ok, None, &InternedNames::default()).0;
            assert!(matches!(none, Outcome::Unknown(ErrorKind::Malformed(_))), "{tool}: {none:?}");
        }
    }

    #[test]
    fn a_reply_about_another_record_is_malformed() {
        for (tool, arguments, reply) in [
            ("get_memory", json!({ "id": "other" }), json!(memory())),
            ("update_memory", json!({ "id": "other" }), json!(memory())),
            ("delete_memory", json!({ "id": "other" }), json!({ "id": "k", "deleted": true })),
            ("delete_memory", json!({ "id": "k" }), json!({ "id": "k", "deleted": false })),
            (
                "import_memories",
                json!({ "memories": [{ "content": "a" }, { "content": "b" }] }),
                json!({ "created": 1, "duplicates": 0, "ids": ["k"] }),
            ),
        ] {
            let (outcome, _) = effect(tool, &arguments, &Outcome::Ok, &reply);
            assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{tool} {reply}: {outcome:?}");
        }
    }

    #[test]
    fn an_import_without_an_answer_may_have_written_its_contents() {
        let arguments = json!({ "memories": [{ "content": "a" }] });
        let lost = Outcome::Unknown(ErrorKind::Reset);
        let (outcome, written) = effect("import_memories", &arguments, &lost, &json!(null));
        let contents: Vec<_> = written.contents().map(|(key, _, _)| key.cloned()).collect();
        assert_eq!((outcome, contents), (lost, vec![None]));
    }
}
