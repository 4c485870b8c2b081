//! Converts an export of mem0. Each memory of mem0 becomes one memory; its categories become tags.

use super::{Draft, keep, lines, memory, tags, why};
use mcp_contracts::memory::ImportedMemory;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Field of the metadata that keeps the fields of mem0 for which a memory has no place.
const FIELD: &str = "mem0";

/// An object with a list of memories.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, alias = "memories")]
    results: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Exported {
    id: Option<String>,
    memory: String,
    created_at: Option<String>,
    categories: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

pub(super) fn drafts(text: &str) -> Vec<Draft> {
    let records = match records(text) {
        Ok(records) => records,
        Err((line, why)) => return vec![(line, Err(why))],
    };
    records.into_iter().map(|(line, record)| (line, of(record))).collect()
}

/// Returns the objects of the file, each with the line on which it begins. Fails if the file is not JSON.
fn records<'a>(text: &'a str) -> Result<Vec<(usize, &'a str)>, (usize, String)> {
    // The end of a text that ends with a line end is on the line after its last one.
    let last = text.lines().count().max(1);
    let not_json = |error: serde_json::Error| (error.line().clamp(1, last), why(&error));
    let listed = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(text).map_err(not_json)?
    } else {
        let mut lines = lines(text);
        let is_lines = lines.next().is_none_or(|(_, line)| serde_json::from_str::<&RawValue>(line).is_ok());
        match serde_json::from_str::<Document<'_>>(text) {
            Ok(document) => document.results,
            // If the first line is a complete JSON value, the file is JSON Lines: each line is one record.
            Err(_) if is_lines => return Ok(super::lines(text).collect()),
            Err(error) => return Err(not_json(error)),
        }
    };
    let (mut line, mut counted) = (1, 0);
    let with_line = |raw: &'a RawValue| {
        let begin = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[counted..begin].matches('\n').count();
        counted = begin;
        (line, raw.get())
    };
    Ok(listed.into_iter().map(with_line).collect())
}

fn of(record: &str) -> Result<ImportedMemory, String> {
    let exported: Exported = serde_json::from_str(record).map_err(|error| why(&error))?;
    let mut memory = memory(exported.memory);
    memory.created_at = exported.created_at.as_deref().map(time);
    memory.id = exported.id.clone().filter(|id| Uuid::try_parse(id).is_ok());
    memory.metadata = exported.metadata.unwrap_or_default();
    if memory.metadata.contains_key(FIELD) {
        return Err(format!("its metadata has a field `{FIELD}`, which the conversion needs"));
    }
    let mut fields = exported.others;
    // `input` has the messages from which mem0 made the memory, and `score` the rank in a search. Both are dropped.
    fields.retain(|name, _| !["input", "score"].contains(&name.as_str()));
    fields.insert("id".to_owned(), json!(exported.id));
    fields.insert("categories".to_owned(), json!(exported.categories));
    memory.tags = tags(exported.categories.unwrap_or_default().into_iter());
    keep(&mut memory.metadata, FIELD, fields);
    Ok(memory)
}

/// Returns a time without an offset as UTC. A text that is no time stays as it is; the validation of the memory reports it.
fn time(text: &str) -> String {
    let is_complete = text.parse::<jiff::Timestamp>().is_ok();
    match text.parse::<jiff::civil::DateTime>() {
        Ok(time) if !is_complete => format!("{time}Z"),
        _ => text.to_owned(),
    }
}
