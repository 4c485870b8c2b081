//! Turns the export of another memory server into pages that `import_memories` takes. Reads a text, and neither a database nor a network. The mapping is
//! documented in `docs/mcp/OPERATIONS.md`.

mod graph;
mod mem0;

use crate::tools::validate;
use clap::ValueEnum;
use mcp_contracts::limits::{MAX_EXPORT_BYTES, MAX_IMPORT};
use mcp_contracts::memory::{ImportPage, ImportedMemory, Visibility};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Maximum number of problems that an error lists.
const LISTED_PROBLEMS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The file of the reference MCP memory server: a knowledge graph in JSON Lines.
    Graph,
    /// Memories of mem0 as JSON: a list, an object with `results` or `memories`, or JSON Lines.
    Mem0,
}

/// Settings of all memories of a conversion.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub format: Format,
    pub visibility: Visibility,
    /// Adds `keepIds` to the pages.
    pub keep_ids: bool,
}

/// A memory of the export, or what is wrong with it, and the line on which it begins.
type Draft = (usize, Result<ImportedMemory, String>);

/// Returns the pages for `import_memories`, one JSON object per line.
///
/// # Errors
/// Returns every line that cannot be converted. Nothing is converted then.
pub fn file(path: &Path, options: Options) -> Result<String, String> {
    let name = path.display();
    let failed = |error: std::io::Error| format!("failed to read `{name}`: {error}");
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(format!("`{name}` has {bytes} bytes, {MAX_FILE_BYTES} are allowed\nhint: split the file"));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    pages(&text, options).map_err(|problems| {
        let mut text = format!("`{name}` was not converted");
        for (line, why) in problems.iter().take(LISTED_PROBLEMS) {
            let _ = write!(text, "\nline {line}: {why}");
        }
        if let Some(more @ 1..) = problems.len().checked_sub(LISTED_PROBLEMS) {
            let _ = write!(text, "\nand {more} more");
        }
        text
    })
}

/// Fails with the lines that cannot be converted, and why.
fn pages(text: &str, options: Options) -> Result<String, Vec<(usize, String)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let drafts = match options.format {
        Format::Graph => graph::drafts(text),
        Format::Mem0 => mem0::drafts(text),
    };
    let (mut memories, mut problems) = (Vec::new(), Vec::new());
    for (line, draft) in drafts {
        let checked = draft.and_then(|memory| {
            let memory = ImportedMemory { visibility: options.visibility, ..memory };
            // The same limits as in the service, so that an import does not end half way.
            let valid = validate::imported_memory(memory.clone(), true);
            valid.map(|_| memory).map_err(|error| error.message)
        });
        match checked {
            Ok(memory) => memories.push(memory),
            Err(why) => problems.push((line, why)),
        }
    }
    if memories.is_empty() && problems.is_empty() {
        problems.push((1, "the file has no memories".to_owned()));
    }
    if problems.is_empty() { Ok(in_pages(memories, options.keep_ids)) } else { Err(problems) }
}

fn in_pages(memories: Vec<ImportedMemory>, keep_ids: bool) -> String {
    let (mut text, mut page, mut bytes) = (String::new(), Vec::new(), 0);
    let mut end_page = |memories: Vec<ImportedMemory>| {
        let page = ImportPage { memories, keep_ids, next_cursor: None };
        text.push_str(&json(&page));
        text.push('\n');
    };
    for memory in memories {
        let size = json(&memory).len();
        if page.len() == MAX_IMPORT || (!page.is_empty() && bytes + size > MAX_EXPORT_BYTES) {
            end_page(std::mem::take(&mut page));
            bytes = 0;
        }
        bytes += size;
        page.push(memory);
    }
    end_page(page);
    text
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts, lists and maps with texts as keys are JSON")
}

fn memory(content: String) -> ImportedMemory {
    ImportedMemory {
        content,
        tags: Vec::new(),
        kind: None,
        metadata: Map::new(),
        visibility: Visibility::default(),
        intent: None,
        idempotency_key: None,
        created_at: None,
        id: None,
        version: None,
        updated_at: None,
    }
}

/// Returns those of the texts that can be tags. The others are only in the metadata.
fn tags(texts: impl Iterator<Item = String>) -> Vec<String> {
    let fits = |text: &String| validate::own_tags(vec![text.clone()]).is_ok();
    texts.filter(fits).take(mcp_contracts::limits::MAX_TAGS).collect()
}

/// Returns the lines that are not empty, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim().is_empty())
}

/// Returns the message without the place in the parsed text, which is only a part of the file.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Adds the fields that are not null as one object of the metadata.
fn keep(metadata: &mut Map<String, Value>, name: &str, mut fields: Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    metadata.insert(name.to_owned(), Value::Object(fields));
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
