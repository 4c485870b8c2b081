//! Reads a catalogue file: the fields of each pattern and their limits. Relations between patterns are checked in `catalog`.

use super::model::{CatalogFile, Entry};
use crate::template::{Template, is_name};
use mcp_contracts::Plan;
use mcp_contracts::patterns::{Level, PatternVariable};
use mcp_kit::data::yaml::{Node, Value};
use mcp_kit::data::{Fields, Problem, ValueReader, did_you_mean};
use std::collections::BTreeSet;

const MAX_ID_BYTES: usize = 64;
const MAX_TITLE_CHARS: usize = 80;
const MAX_SUMMARY_CHARS: usize = 240;
const MAX_TAGS: usize = 12;
const MAX_ROLES: usize = 8;
const MAX_RELATED: usize = 8;
const MAX_VARIABLES: usize = 16;
const MAX_BODY_BYTES: usize = 16 << 10;

const LEVELS: [Level; 3] = [Level::Beginner, Level::Intermediate, Level::Advanced];
const FIELDS: [&str; 10] = ["id", "title", "summary", "tags", "roles", "level", "plan", "related", "variables", "body"];

/// A file, with the lines that the checks between patterns report.
pub(super) struct ReadFile {
    pub(super) file: CatalogFile,
    /// One for each pattern, in the same order.
    pub(super) lines: Vec<EntryLines>,
}

pub(super) struct EntryLines {
    pub(super) id: usize,
    pub(super) related: Vec<usize>,
}

/// A text with its line; 0 if the text is missing.
#[derive(Default)]
struct Text {
    line: usize,
    text: String,
}

/// Reads a file. A pattern with problems is returned as far as it could be read, because the checks between patterns need its id.
pub(super) fn file(name: &str, text: &str, problems: &mut Vec<Problem>) -> ReadFile {
    let mut reader = ValueReader::new(name, problems);
    let mut read = ReadFile { file: CatalogFile { category: String::new(), patterns: Vec::new() }, lines: Vec::new() };
    let Some(root) = reader.parse(text) else { return read };
    let Some(fields) = reader.fields(&root, "a catalogue file", &["category", "patterns"]) else { return read };
    let category = required_text(&mut reader, &fields, "category");
    check_slug(&mut reader, &category, "`category`");
    read.file.category = category.text;
    for node in items(&mut reader, &fields, "patterns", true) {
        if let Some((entry, lines)) = pattern(&mut reader, node) {
            read.file.patterns.push(entry);
            read.lines.push(lines);
        }
        reader.item = None;
    }
    read
}

fn pattern(reader: &mut ValueReader<'_>, node: &Node) -> Option<(Entry, EntryLines)> {
    let fields = reader.fields(node, "a pattern", &FIELDS)?;
    let id = required_text(reader, &fields, "id");
    check_slug(reader, &id, "`id`");
    // The id is read first, so that all further problems name the pattern.
    reader.item = Some(id.text.clone()).filter(|id| !id.is_empty());
    let title = one_line(reader, &fields, "title", MAX_TITLE_CHARS);
    let summary = one_line(reader, &fields, "summary", MAX_SUMMARY_CHARS);
    let tags = slugs(reader, &fields, "tags", true, MAX_TAGS);
    let roles = slugs(reader, &fields, "roles", true, MAX_ROLES);
    let related = slugs(reader, &fields, "related", false, MAX_RELATED);
    let level = reader.required(&fields, "level");
    let level = level.and_then(|node| reader.word(node, "`level`", &LEVELS, Level::name));
    let plan = reader.required(&fields, "plan");
    let plan = plan.and_then(|node| reader.word(node, "`plan`", &Plan::ALL, Plan::name));
    let nodes = items(reader, &fields, "variables", false);
    if nodes.len() > MAX_VARIABLES {
        reader.problem(node.line, format!("{} variables; at most {MAX_VARIABLES} are allowed", nodes.len()));
    }
    let variables: Vec<(usize, PatternVariable)> =
        nodes.iter().filter_map(|node| Some((node.line, variable(reader, node)?))).collect();
    let body = required_text(reader, &fields, "body");
    check_body(reader, &body, &variables);
    let lines =
        // The line of a missing id is 0; the line of the pattern is reported instead.
        EntryLines { id: id.line.max(node.line), related: related.iter().map(|related| related.line).collect() };
    let texts = |list: Vec<Text>| list.into_iter().map(|text| text.text).collect();
    let entry = Entry {
        id: id.text,
        title,
        summary,
        tags: texts(tags),
        roles: texts(roles),
        // The default is never used: without a valid level there is a problem, so the catalogue is refused.
        level: level.unwrap_or(Level::Beginner),
        plan: plan.unwrap_or_default(),
        related: texts(related),
        variables: variables.into_iter().map(|(_, variable)| variable).collect(),
        body: body.text,
    };
    Some((entry, lines))
}

fn variable(reader: &mut ValueReader<'_>, node: &Node) -> Option<PatternVariable> {
    let fields = reader.fields(node, "a variable", &["name", "description", "default"])?;
    let name = required_text(reader, &fields, "name");
    if !name.text.is_empty() && !is_name(&name.text) {
        let message = format!("`{}` cannot name a variable; use lower-case letters, digits and `_`", name.text);
        reader.problem(name.line, message);
    }
    let description = required_text(reader, &fields, "description").text;
    let default = fields.get("default").and_then(|node| full_text(reader, node, "`default`")).map(|text| text.text);
    Some(PatternVariable { name: name.text, description, default })
}

/// Checks that the body uses every declared variable and no other.
fn check_body(reader: &mut ValueReader<'_>, body: &Text, variables: &[(usize, PatternVariable)]) {
    if body.text.len() > MAX_BODY_BYTES {
        let message = format!("`body` has {} bytes; at most {MAX_BODY_BYTES} are allowed", body.text.len());
        reader.problem(body.line, message);
    }
    let (template, malformed) = Template::parse(&body.text);
    for place in malformed {
        reader.problem(body.line + place.line, place.message);
    }
    let mut declared = BTreeSet::new();
    for (line, variable) in variables {
        if !declared.insert(variable.name.as_str()) {
            reader.problem(*line, format!("the variable `{}` is declared twice", variable.name));
        }
    }
    let used = template.names();
    for name in used.difference(&declared) {
        let line = body.text.lines().position(|line| line.contains(&format!("{{{{{name}}}}}"))).unwrap_or_default();
        let hint = did_you_mean(name, declared.iter().copied());
        reader.problem(body.line + line, format!("`{{{{{name}}}}}` is not a declared variable{hint}"));
    }
    for (line, variable) in variables {
        if !variable.name.is_empty() && !used.contains(variable.name.as_str()) {
            reader.problem(*line, format!("the body does not use the variable `{}`", variable.name));
        }
    }
}

fn required_text(reader: &mut ValueReader<'_>, fields: &Fields<'_>, key: &str) -> Text {
    let node = reader.required(fields, key);
    node.and_then(|node| full_text(reader, node, &format!("`{key}`"))).unwrap_or_default()
}

fn full_text(reader: &mut ValueReader<'_>, node: &Node, what: &str) -> Option<Text> {
    let text = reader.text(node, what)?;
    if text.trim().is_empty() {
        reader.problem(node.line, format!("{what} is empty"));
        return None;
    }
    Some(Text { line: node.line, text: text.to_owned() })
}

fn one_line(reader: &mut ValueReader<'_>, fields: &Fields<'_>, key: &str, most: usize) -> String {
    let text = required_text(reader, fields, key);
    let chars = text.text.chars().count();
    if chars > most || text.text.contains('\n') {
        reader.problem(text.line, format!("`{key}` has {chars} characters; it must be one line of at most {most}"));
    }
    text.text
}

/// Returns the items of a list. A list that is not required may be missing or empty.
fn items<'n>(reader: &mut ValueReader<'_>, fields: &Fields<'n>, key: &str, required: bool) -> &'n [Node] {
    let node = if required { reader.required(fields, key) } else { fields.get(key) };
    match node {
        Some(Node { value: Value::Empty, .. }) if !required => &[],
        Some(Node { value: Value::List(items), .. }) if items.is_empty() && !required => &[],
        Some(node) => reader.list(node, &format!("`{key}`")),
        None => &[],
    }
}

fn slugs(reader: &mut ValueReader<'_>, fields: &Fields<'_>, key: &str, required: bool, most: usize) -> Vec<Text> {
    let nodes = items(reader, fields, key, required);
    if nodes.len() > most {
        reader.problem(fields.line(key), format!("`{key}` has {} items; at most {most} are allowed", nodes.len()));
    }
    let what = format!("`{key}`");
    let texts: Vec<Text> = nodes.iter().filter_map(|node| full_text(reader, node, &what)).collect();
    let mut distinct = BTreeSet::new();
    for text in &texts {
        check_slug(reader, text, &what);
        if !distinct.insert(&text.text) {
            reader.problem(text.line, format!("`{}` appears twice in `{key}`", text.text));
        }
    }
    texts
}

fn check_slug(reader: &mut ValueReader<'_>, text: &Text, what: &str) {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = text.text.len() <= MAX_ID_BYTES && text.text.split('-').all(part);
    if !text.text.is_empty() && !fits {
        let expected = format!("lower-case letters and digits joined by `-`, at most {MAX_ID_BYTES} bytes");
        reader.problem(text.line, format!("{what} has `{}`; use {expected}", text.text));
    }
}
