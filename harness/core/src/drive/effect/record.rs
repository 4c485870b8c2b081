//! The effect of the memory tools. A reply is parsed in one pass and without copies, because a load of the memory service consists of these
//! calls.

use crate::drive::canary::{Names, state_of};
use harness_history::op::{Query, Visibility};
use harness_history::{Effect, ErrorKind, Outcome, RecordState};
use mcp_contracts::memory;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Prefixes of the tags that the service adds.
// Left in, they would make the tags of every read differ from those of its write.
const SERVICE_TAGS: [&str; 4] = ["org:", "user:", "workspace:", "topic:"];

/// A text that is borrowed if it has no escapes. serde borrows a `Cow` inside an `Option` or a `Vec` only through a
/// type like this one.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The arguments of any memory tool that a check follows.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Arguments<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'a>>>,
    visibility: Option<memory::Visibility>,
    expected_version: Option<u64>,
    #[serde(borrow)]
    query: Option<Text<'a>>,
}

impl<'a> Arguments<'a> {
    /// Parses arguments. Invalid ones, which a scenario may send on purpose, count as empty, so that the call has no effect.
    fn parse(text: &'a str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn id(&self) -> Option<Arc<str>> {
        self.id.as_ref().map(|id| Arc::from(&*id.0))
    }

    fn state(&self, names: &Names) -> RecordState {
        let content = self.content.as_ref().map(|content| state_of(&content.0, names)).unwrap_or_default();
        let tags = self.tags.as_deref().map(digest_of_tags);
        RecordState { visibility: self.visibility.map(visibility), tags, ..content }
    }
}

/// A memory in a page. Its tags are not parsed, because the history has them from the write.
#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    content: Text<'a>,
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Memory<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    content: Text<'a>,
    version: Option<u64>,
    visibility: Option<memory::Visibility>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    created: Option<bool>,
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Updated {
    version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    // One type for three tools: a search returns `hits`, a list and an export return `memories`.
    #[serde(borrow, alias = "memories")]
    hits: Vec<Listed<'a>>,
    next_cursor: Option<IgnoredAny>,
}

pub(super) fn store(arguments: &str, outcome: &Outcome, reply: Option<&str>, names: &Names) -> (Outcome, Effect) {
    let sent = Arguments::parse(arguments);
    if sent.content.is_none() {
        return (outcome.clone(), Effect::None);
    }
    let mut value = sent.state(names);
    match parse::<Stored<'_>>(outcome, reply) {
        Ok(stored) => {
            value.version = stored.version;
            let (key, existing) = (Some(Arc::from(&*stored.id.0)), stored.created == Some(false));
            (Outcome::Ok, Effect::Write { key, value, existing })
        }
        // Recorded without an id, because a write with an unknown outcome may have taken effect and may be read later.
        Err(outcome) => (outcome, Effect::Write { key: None, value, existing: false }),
    }
}

pub(super) fn update(arguments: &str, outcome: &Outcome, reply: Option<&str>, names: &Names) -> (Outcome, Effect) {
    let sent = Arguments::parse(arguments);
    let Some(key) = sent.id() else { return (outcome.clone(), Effect::None) };
    let (outcome, version) = match parse::<Updated>(outcome, reply) {
        Ok(updated) => (Outcome::Ok, updated.version),
        Err(outcome) => (outcome, None),
    };
    let value = RecordState { version, ..sent.state(names) };
    (outcome, Effect::Update { key, value, expected: sent.expected_version })
}

pub(super) fn delete(arguments: &str) -> Effect {
    Arguments::parse(arguments).id().map_or(Effect::None, |key| Effect::Delete { key })
}

/// Returns the outcome and the effect of a read. `not_found` is a valid answer: for this reader, the record does not exist.
pub(super) fn get(arguments: &str, outcome: &Outcome, reply: Option<&str>, names: &Names) -> (Outcome, Effect) {
    let Some(key) = Arguments::parse(arguments).id() else { return (outcome.clone(), Effect::None) };
    match parse::<Memory<'_>>(outcome, reply) {
        Ok(memory) if *memory.id.0 == *key => {
            let value = RecordState {
                version: memory.version,
                visibility: memory.visibility.map(visibility),
                tags: memory.tags.as_deref().map(digest_of_tags),
                ..state_of(&memory.content.0, names)
            };
            (Outcome::Ok, Effect::Read { key, value: Some(value) })
        }
        Ok(_) => (malformed("a memory with another id than the requested one"), Effect::None),
        Err(Outcome::Failed(ErrorKind::Tool(code))) if &*code == "not_found" => {
            (Outcome::Ok, Effect::Read { key, value: None })
        }
        Err(outcome) => (outcome, Effect::None),
    }
}

pub(super) fn scan(arguments: &str, outcome: &Outcome, reply: Option<&str>, names: &Names) -> (Outcome, Effect) {
    match parse::<Page<'_>>(outcome, reply) {
        Ok(page) => {
            let sent = Arguments::parse(arguments);
            let query = Query {
                words: sent.query.map(|words| low_half(&words.0)),
                tags: sent.tags.as_deref().map(digest_of_tags),
                more: page.next_cursor.is_some(),
                ..Query::default()
            };
            let hit = |hit: &Listed<'_>| {
                (Arc::from(&*hit.id.0), RecordState { version: hit.version, ..state_of(&hit.content.0, names) })
            };
            let hits = page.hits.iter().map(hit).collect();
            (Outcome::Ok, Effect::Scan { hits, query: Some(Box::new(query)) })
        }
        Err(outcome) => (outcome, Effect::None),
    }
}

/// Parses the structured content of a call that succeeded. Fails with the outcome of any other call, or if the content does not fit.
fn parse<'a, T: Deserialize<'a>>(outcome: &Outcome, reply: Option<&'a str>) -> Result<T, Outcome> {
    if *outcome != Outcome::Ok {
        return Err(outcome.clone());
    }
    let text = reply.ok_or_else(|| malformed("a result without `structuredContent`"))?;
    serde_json::from_str(text).map_err(|error| malformed(&format!("not the reply of this tool: {error}")))
}

fn malformed(why: &str) -> Outcome {
    Outcome::Unknown(ErrorKind::Malformed(Arc::from(why)))
}

const fn visibility(visibility: memory::Visibility) -> Visibility {
    match visibility {
        memory::Visibility::Private => Visibility::Private,
        memory::Visibility::Workspace => Visibility::Workspace,
    }
}

/// Returns the digest of the tags that the caller set, in any order.
fn digest_of_tags(tags: &[Text<'_>]) -> u32 {
    let tags = tags.iter().map(|tag| &*tag.0);
    let mut own: Vec<&str> = tags.filter(|tag| !SERVICE_TAGS.iter().any(|prefix| tag.starts_with(prefix))).collect();
    own.sort_unstable();
    // One tag, the usual number in a load, has the same digest without the copy that `join` makes.
    match own[..] {
        [tag] => low_half(tag),
        _ => low_half(&own.join("\n")),
    }
}

/// Returns half of a digest: 32 bits save 10 bytes in each record of the history (see [`RecordState::tags`]).
fn low_half(text: &str) -> u32 {
    xxh3_64(text.as_bytes()) as u32
}

#[cfg(test)]
mod tests {
    use super::{Effect, ErrorKind, Names, Outcome, RecordState, Visibility, low_half};
    use crate::drive::effect::of;
    use mcp_contracts::memory;
    use serde_json::{Value, json};

    fn effect(tool: &str, arguments: &Value, outcome: &Outcome, reply: &impl serde::Serialize) -> (Outcome, Effect) {
        let reply = serde_json::to_string(reply).unwrap();
        of(tool, &arguments.to_string(), outcome, Some(&reply), &Names::default())
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
    fn a_missing_record_is_an_answer_to_a_read_and_an_error_for_a_deletion() {
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
        let hits = vec![memory::Hit { memory: memory(), score: 1.5 }];
        let search = memory::SearchReply { hits, next_cursor: None };
        let scans = [
            (effect("list_memories", &json!({ "tags": ["t"] }), &Outcome::Ok, &list), true),
            (effect("search_memory", &json!({ "query": "q" }), &Outcome::Ok, &search), false),
        ];
        for ((outcome, scan), more) in scans {
            let Effect::Scan { hits, query: Some(query) } = scan else { panic!("{scan:?}") };
            assert_eq!((outcome, &*hits[0].0, hits[0].1.version, query.more), (Outcome::Ok, "k", Some(3), more));
        }
        for (tool, reply) in [
            ("get_memory", json!({ "id": "other", "content": "a" })),
            ("get_memory", json!({ "id": "k" })),
            ("list_memories", json!({ "items": [] })),
            ("store_memory", json!({})),
        ] {
            let (outcome, _) = effect(tool, &json!({ "id": "k", "content": "a" }), &Outcome::Ok, &reply);
            assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{tool} {reply}: {outcome:?}");
        }
    }
}
