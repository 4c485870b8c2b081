//! The effect of a call to a target: its profile says where a call has the key and the value of a record. The same pointers read the reply of every
//! server, so nothing here knows a tool.

use super::{SentEffect, malformed};
use crate::drive::canary::{InternedNames, state_of};
use crate::plan::operation::{Expected, ListPlace, OperationData, ReadPlace, WritePlace};
use harness_history::op::Visibility;
use harness_history::{Effect, ErrorKind, Outcome, RecordState};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The reply to a call of a target.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DataReply<'a> {
    /// `structuredContent` as JSON text.
    pub(crate) structured: Option<&'a str>,
    /// `content` as JSON text.
    pub(crate) content: Option<&'a str>,
}

/// The outcome and the effect of a call.
pub(crate) struct DataEffect {
    pub(crate) outcome: Outcome,
    pub(crate) effect: Effect,
    /// True if the server gave a new record a number as its key.
    pub(crate) key_is_number: bool,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    text: Option<String>,
}

impl DataReply<'_> {
    /// Returns the value that pointers below `/reply` look into: the structured content; without it the first text, parsed as JSON if it is JSON.
    fn value(self) -> Value {
        if let Some(value) = self.structured.and_then(|text| serde_json::from_str(text).ok()) {
            return value;
        }
        let Some(text) = self.texts().into_iter().next() else { return Value::Null };
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    fn texts(self) -> Vec<String> {
        let blocks = self.content.and_then(|content| serde_json::from_str::<Vec<Block>>(content).ok());
        blocks.into_iter().flatten().filter_map(|block| block.text).collect()
    }

    /// Returns true if an error has one of these texts, in its content or as its code.
    fn has_any(self, texts: &[String]) -> bool {
        let said = self.texts().concat() + self.structured.unwrap_or_default();
        texts.iter().any(|text| said.contains(text.as_str()))
    }
}

/// Returns the outcome and the effect of a call; `sent` is what the operation made of its template.
pub(crate) fn of(
    data: &OperationData,
    sent: &SentEffect,
    outcome: &Outcome,
    reply: DataReply<'_>,
    names: &InternedNames,
) -> DataEffect {
    let without_effect = |outcome| DataEffect { outcome, effect: Effect::None, key_is_number: false };
    let SentEffect::Data { arguments, existing } = sent else { return without_effect(outcome.clone()) };
    let value = if *outcome == Outcome::Ok { reply.value() } else { Value::Null };
    // A reply that says that there is no record need not have what a reply with a record has.
    let no_record =
        *outcome == Outcome::Ok && data.reads.as_ref().is_some_and(|reads| has_no_record(reads, arguments, &value));
    let outcome = match missed(&data.expect, arguments, &value).filter(|_| *outcome == Outcome::Ok && !no_record) {
        Some(why) => malformed(&why),
        None => judged(data, outcome),
    };
    if let Some(lists) = &data.lists {
        return list(lists, arguments, &value, outcome, names);
    }
    if let Some(reads) = &data.reads {
        return read(reads, arguments, &value, outcome, reply, names);
    }
    match &data.writes {
        Some(writes) => write(writes, (arguments, *existing), &value, outcome, names),
        None => without_effect(outcome),
    }
}

/// Returns what the reply lacks of what the profile expects.
fn missed(expected: &[Expected], arguments: &Value, reply: &Value) -> Option<String> {
    expected.iter().find_map(|Expected { at, value }| match (at.find(arguments, reply), value) {
        (None, _) => Some(format!("a reply without `{at}`")),
        (Some(found), Some(value)) if found != value => Some(format!("a reply whose `{at}` is not `{value}`")),
        (Some(_), _) => None,
    })
}

/// Returns the outcome under the profile's list of certain failures: the harness does not know what an error of this server means.
fn judged(data: &OperationData, outcome: &Outcome) -> Outcome {
    let Some(kind) = outcome.error() else { return Outcome::Ok };
    let unsent = matches!(kind, ErrorKind::Connect | ErrorKind::Local(_)) && outcome.is_failed();
    let certain = kind.is_named(&data.certain_failures);
    if unsent || certain { Outcome::Failed(kind.clone()) } else { Outcome::Unknown(kind.clone()) }
}

fn write(
    writes: &WritePlace,
    (arguments, existing): (&Value, bool),
    reply: &Value,
    outcome: Outcome,
    names: &InternedNames,
) -> DataEffect {
    let (key, value) = (writes.key.find(arguments, reply), writes.value.find(arguments, reply));
    let lacking = [(&writes.key, key), (&writes.value, value)].into_iter().find(|(_, found)| found.is_none());
    let outcome = match lacking {
        Some((at, _)) if outcome == Outcome::Ok => malformed(&format!("a reply without `{at}`")),
        _ => outcome,
    };
    let mut state = value.map(|value| state(value, names)).unwrap_or_default();
    // Every client with the same token may read it.
    state.visibility = Some(Visibility::Workspace);
    let key_is_number = outcome == Outcome::Ok && writes.key.is_in_reply() && key.is_some_and(Value::is_number);
    let effect = match key.map(text) {
        Some(key) if existing => Effect::Update { key, value: state, expected: None },
        // Recorded without its key unless it was acknowledged: the record may be there or not.
        key => Effect::Write { key: key.filter(|_| outcome == Outcome::Ok), value: state, existing: false },
    };
    DataEffect { outcome, effect, key_is_number }
}

/// Returns true if a good reply says that the record that was read does not exist.
fn has_no_record(reads: &ReadPlace, arguments: &Value, reply: &Value) -> bool {
    let key = reads.key.find(arguments, reply).map(text);
    reads.has_no_record(key.as_deref().unwrap_or_default(), arguments, reply)
}

fn read(
    reads: &ReadPlace,
    arguments: &Value,
    reply: &Value,
    outcome: Outcome,
    answer: DataReply<'_>,
    names: &InternedNames,
) -> DataEffect {
    let key = reads.key.find(arguments, reply).map(text);
    let is_missing = match outcome.error() {
        Some(ErrorKind::Tool(_)) => answer.has_any(&reads.missing),
        // No other error is an answer of the server that could be about a record.
        Some(kind @ (ErrorKind::Http(_) | ErrorKind::JsonRpc(_))) => kind.is_named(&reads.missing),
        _ => false,
    };
    let outcome = if is_missing { Outcome::Ok } else { outcome };
    let found = reads.value.find(arguments, reply).filter(|_| !has_no_record(reads, arguments, reply));
    let effect = match key.filter(|_| outcome == Outcome::Ok) {
        Some(key) => Effect::Read { key, value: found.map(|value| state(value, names)) },
        None => Effect::None,
    };
    DataEffect { outcome, effect, key_is_number: false }
}

/// A whole list on one page. Of records with a value only those with a mark of this run are kept, because the store of a target may have others.
fn list(lists: &ListPlace, arguments: &Value, reply: &Value, outcome: Outcome, names: &InternedNames) -> DataEffect {
    if outcome != Outcome::Ok {
        return DataEffect { outcome, effect: Effect::None, key_is_number: false };
    }
    let Some(items) = lists.items.find(arguments, reply).and_then(Value::as_array) else {
        let outcome = malformed(&format!("a reply without a list at `{}`", lists.items));
        return DataEffect { outcome, effect: Effect::None, key_is_number: false };
    };
    let hit = |item: &Value| {
        let key = text(item.pointer(&lists.key)?);
        let Some(at) = &lists.value else { return Some((key, RecordState::default())) };
        let value = state(item.pointer(at)?, names);
        value.canary.as_ref().is_some_and(|canary| names.has(&canary.tenant)).then_some((key, value))
    };
    let effect = Effect::Scan { hits: items.iter().filter_map(hit).collect(), query: Some(Box::default()) };
    DataEffect { outcome, effect, key_is_number: false }
}

fn state(value: &Value, names: &InternedNames) -> RecordState {
    match value {
        Value::String(text) => state_of(text, names),
        other => RecordState::of_content(xxh3_64(other.to_string().as_bytes()), None),
    }
}

fn text(key: &Value) -> Arc<str> {
    key.as_str().map_or_else(|| Arc::from(key.to_string()), Arc::from)
}

#[cfg(test)]
mod tests {
    use super::{DataEffect, DataReply, SentEffect, of};
    use crate::drive::canary::InternedNames;
    use crate::plan::operation::OperationData;
    use harness_history::op::Visibility;
    use harness_history::{Effect, ErrorKind, Outcome};
    use serde_json::{Value, json};

    fn put(more: &Value) -> OperationData {
        let mut data = json!({ "name": "put", "place": "p", "tool": "put", "arguments": { "key": "{{key}}", "text": "{{content}}" },
            "writes": { "key": "/arguments/key", "value": "/arguments/text" } });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(data).unwrap()
    }

    fn get() -> OperationData {
        serde_json::from_value(
            json!({ "name": "get", "place": "p", "tool": "get", "arguments": { "key": "{{known_key}}" },
            "reads": { "key": "/arguments/key", "value": "/reply/items/0/text", "missing": ["not found"] } }),
        )
        .unwrap()
    }

    fn done(data: &OperationData, existing: bool, outcome: &Outcome, reply: DataReply<'_>) -> DataEffect {
        let sent =
            SentEffect::Data { arguments: Box::new(json!({ "key": "k", "text": "a canary:o/u/w/1/" })), existing };
        of(data, &sent, outcome, reply, &InternedNames::default())
    }

    fn structured(text: &str) -> DataReply<'_> {
        DataReply { structured: Some(text), content: None }
    }

    #[test]
    fn a_write_has_its_key_once_it_is_acknowledged() {
        let lost = Outcome::Unknown(ErrorKind::Timeout);
        for (outcome, expected) in [(Outcome::Ok, Some("k")), (lost, None)] {
            let Effect::Write { key, value, existing: false } =
                done(&put(&json!({})), false, &outcome, structured("{}")).effect
            else {
                panic!()
            };
            assert_eq!((key.as_deref(), value.visibility), (expected, Some(Visibility::Workspace)));
            assert_eq!(value.canary.unwrap().number, 1);
        }
        let changed = done(&put(&json!({})), true, &Outcome::Ok, structured("{}")).effect;
        assert!(matches!(changed, Effect::Update { expected: None, .. }), "{changed:?}");
    }

    #[test]
    fn a_key_that_the_server_chooses_comes_from_the_reply() {
        let data = put(&json!({ "writes": { "key": "/reply/id", "value": "/arguments/text" } }));
        let chosen = done(&data, false, &Outcome::Ok, structured(r#"{"id":17}"#));
        assert!(chosen.key_is_number);
        assert!(matches!(chosen.effect, Effect::Write { key: Some(key), .. } if &*key == "17"));
        let without = done(&data, false, &Outcome::Ok, structured("{}"));
        assert!(matches!(without.outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{:?}", without.outcome);
        assert!(matches!(without.effect, Effect::Write { key: None, .. }), "it may have written");
    }

    #[test]
    fn no_error_of_an_unknown_server_is_certain_unless_the_profile_says_so() {
        let refused = Outcome::Failed(ErrorKind::Tool("exists".into()));
        let unsent = Outcome::Failed(ErrorKind::Connect);
        let certain = put(&json!({ "certain_failures": ["exists", "http_503"] }));
        let outcome =
            |data: &OperationData, outcome: &Outcome| done(data, false, outcome, DataReply::default()).outcome;
        assert_eq!(outcome(&put(&json!({})), &refused), Outcome::Unknown(ErrorKind::Tool("exists".into())));
        assert_eq!(outcome(&put(&json!({})), &unsent), unsent, "nothing was sent");
        assert_eq!(outcome(&certain, &refused), refused);
        assert_eq!(outcome(&certain, &Outcome::Unknown(ErrorKind::Http(503))), Outcome::Failed(ErrorKind::Http(503)));
    }

    #[test]
    fn a_read_finds_its_value_or_says_that_there_is_none() {
        let written = done(&put(&json!({})), false, &Outcome::Ok, structured("{}")).effect;
        let Effect::Write { value: written, .. } = written else { panic!() };
        let texts = [r#"{"items":[{"text":"a canary:o/u/w/1/"}]}"#, r#"{"items":[]}"#];
        for (text, expected) in texts.into_iter().zip([written.digest, None]) {
            // The same value in the structured content, and as JSON in the text.
            let content = json!([{ "type": "text", "text": text }]).to_string();
            for reply in [structured(text), DataReply { structured: None, content: Some(&content) }] {
                let Effect::Read { key, value } = done(&get(), true, &Outcome::Ok, reply).effect else { panic!() };
                assert_eq!((&*key, value.and_then(|value| value.digest)), ("k", expected), "{text}");
            }
        }
        let error = Outcome::Unknown(ErrorKind::Tool("none".into()));
        let said = |text: &str| json!([{ "type": "text", "text": text }]).to_string();
        let (missing, broken) = (said("Error: key not found"), said("disk is full"));
        let missing = done(&get(), true, &error, DataReply { structured: None, content: Some(&missing) });
        assert!(matches!((&missing.outcome, &missing.effect), (Outcome::Ok, Effect::Read { value: None, .. })));
        let broken = done(&get(), true, &error, DataReply { structured: None, content: Some(&broken) });
        assert_eq!((broken.outcome, broken.effect), (error, Effect::None));
    }

    #[test]
    fn a_good_reply_can_say_that_there_is_no_such_record() {
        let mut data = get();
        let no_record = json!([{ "at": "/reply/items/0/text", "value": "" }, { "at": "/reply/items/0/text", "value": "no {{known_key}}" }]);
        data.reads.as_mut().unwrap().no_record = serde_json::from_value(no_record).unwrap();
        data.expect = serde_json::from_value(json!([{ "at": "/reply/items/0/id" }])).unwrap();
        for text in ["", "no k"] {
            let reply = json!({ "items": [{ "text": text }] }).to_string();
            let DataEffect { outcome, effect, .. } = done(&data, true, &Outcome::Ok, structured(&reply));
            assert!(
                matches!((&outcome, &effect), (Outcome::Ok, Effect::Read { value: None, .. })),
                "{text}: {effect:?}"
            );
        }
        // Another text is the value of a record, and then the reply must have what is expected.
        let other = json!({ "items": [{ "text": "no other", "id": 1 }] }).to_string();
        let effect = done(&data, true, &Outcome::Ok, structured(&other)).effect;
        assert!(matches!(effect, Effect::Read { value: Some(_), .. }), "{effect:?}");
        let without = json!({ "items": [{ "text": "no other" }] }).to_string();
        let outcome = done(&data, true, &Outcome::Ok, structured(&without)).outcome;
        assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{outcome:?}");
    }

    #[test]
    fn an_error_of_a_named_kind_says_that_there_is_no_such_record() {
        let mut data = get();
        data.reads.as_mut().unwrap().missing = ["http_404", "json_rpc_-32603", "timeout"].map(str::to_owned).to_vec();
        for (kind, is_missing) in [
            (ErrorKind::Http(404), true),
            (ErrorKind::JsonRpc(-32_603), true),
            (ErrorKind::Http(403), false),
            (ErrorKind::JsonRpc(-32_602), false),
            (ErrorKind::Timeout, false),
        ] {
            let DataEffect { outcome, effect, .. } =
                done(&data, true, &Outcome::Unknown(kind.clone()), DataReply::default());
            let found_none = outcome == Outcome::Ok && matches!(effect, Effect::Read { value: None, .. });
            assert_eq!(found_none, is_missing, "{kind:?}");
        }
    }

    #[test]
    fn a_reply_without_what_is_expected_is_malformed() {
        let data = put(&json!({ "expect": [{ "at": "/reply/ok", "value": true }, { "at": "/reply/id" }] }));
        for (reply, is_good) in [
            (r#"{"ok":true,"id":1}"#, true),
            (r#"{"ok":false,"id":1}"#, false),
            (r#"{"ok":true}"#, false),
            ("[]", false),
        ] {
            let outcome = done(&data, false, &Outcome::Ok, structured(reply)).outcome;
            assert_eq!(outcome == Outcome::Ok, is_good, "{reply}: {outcome:?}");
        }
    }

    #[test]
    fn a_list_has_the_records_of_this_run() {
        let lists = json!({ "items": "/reply/items", "key": "/id", "value": "/text" });
        let data = json!({ "name": "list", "place": "p", "tool": "list", "arguments": {}, "lists": lists });
        let data: OperationData = serde_json::from_value(data).unwrap();
        let reply = r#"{"items":[{"id":"k","text":"a canary:o/u/w/1/"},{"id":"old","text":"a canary:old/u/w/1/"},{"id":"other","text":"b"}]}"#;
        let sent = SentEffect::Data { arguments: Box::new(json!({})), existing: false };
        let names = InternedNames::from_iter(["o".into()]);
        let Effect::Scan { hits, query: Some(query) } =
            of(&data, &sent, &Outcome::Ok, structured(reply), &names).effect
        else {
            panic!()
        };
        assert_eq!((hits.len(), &*hits[0].0, query.more), (1, "k", false));
        let without = of(&data, &sent, &Outcome::Ok, structured("{}"), &names);
        assert!(matches!(without.outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{:?}", without.outcome);
    }

    #[test]
    fn a_text_that_is_no_json_is_the_value_itself() {
        let data: OperationData = serde_json::from_value(json!({ "name": "get", "place": "p", "tool": "get",
            "arguments": { "key": "{{known_key}}" }, "reads": { "key": "/arguments/key", "value": "/reply" } }))
        .unwrap();
        let content = json!([{ "type": "text", "text": "a canary:o/u/w/1/" }]).to_string();
        let reply = DataReply { structured: None, content: Some(&content) };
        let Effect::Read { value: Some(value), .. } = done(&data, true, &Outcome::Ok, reply).effect else { panic!() };
        assert_eq!(value.canary.unwrap().number, 1);
    }
}
