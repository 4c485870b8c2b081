//! From a file's tree to patterns: what each field may hold. What patterns say of each other is checked elsewhere.

use super::fields::{Fields, Text};
use super::model::{CatalogFile, Entry};
use crate::template::{Template, is_name};
use mcp_contracts::Plan;
use mcp_contracts::patterns::{Level, PatternVariable};
use mcp_kit::yaml::{self, Flaw, Node};
use std::collections::BTreeSet;

const MAX_ID_BYTES: usize = 64;
const MAX_TITLE_CHARS: usize = 80;
const MAX_SUMMARY_CHARS: usize = 240;
const MAX_TAGS: usize = 12;
const MAX_ROLES: usize = 8;
const MAX_RELATED: usize = 8;
const MAX_VARIABLES: usize = 16;
/// Largest text of a pattern, in bytes.
const MAX_BODY_BYTES: usize = 16 << 10;

const LEVELS: [(&str, Level); 3] = [
    (Level::Beginner.name(), Level::Beginner),
    (Level::Intermediate.name(), Level::Intermediate),
    (Level::Advanced.name(), Level::Advanced),
];
const PLANS: [(&str, Plan); 4] = [
    (Plan::Free.name(), Plan::Free),
    (Plan::Pro.name(), Plan::Pro),
    (Plan::Team.name(), Plan::Team),
    (Plan::Enterprise.name(), Plan::Enterprise),
];

/// A file and where its patterns stand, for those who compare them.
pub(crate) struct ReadFile {
    pub(crate) file: CatalogFile,
    /// For each pattern: the line of its id, and the lines of its related ids.
    pub(crate) places: Vec<Place>,
    pub(crate) flaws: Vec<Flaw>,
}

pub(crate) struct Place {
    pub(crate) id: usize,
    pub(crate) related: Vec<usize>,
}

/// Reads a file; what could be read is there beside what could not.
pub(crate) fn file(text: &str) -> ReadFile {
    let mut flaws = Vec::new();
    let mut read = ReadFile {
        file: CatalogFile { category: String::new(), patterns: Vec::new() },
        places: Vec::new(),
        flaws: Vec::new(),
    };
    match yaml::parse(text) {
        Err(flaw) => flaws.push(flaw),
        Ok(root) => {
            let mut fields = Fields::of(root, "the file", &["category", "patterns"], &mut flaws);
            let category = fields.text("category");
            let patterns = fields.items("patterns", true);
            word(&category, "a category", &mut flaws);
            for node in patterns {
                let (entry, place) = pattern(node, &mut flaws);
                read.file.patterns.push(entry);
                read.places.push(place);
            }
            read.file.category = category.text;
        }
    }
    read.flaws = flaws;
    read
}

fn pattern(node: Node, flaws: &mut Vec<Flaw>) -> (Entry, Place) {
    const KEYS: [&str; 10] =
        ["id", "title", "summary", "tags", "roles", "level", "plan", "related", "variables", "body"];
    let line = node.line;
    let mut fields = Fields::of(node, "a pattern", &KEYS, flaws);
    let (id, title, summary, body) =
        (fields.text("id"), fields.text("title"), fields.text("summary"), fields.text("body"));
    let (tags, roles, related) =
        (fields.words("tags", true), fields.words("roles", true), fields.words("related", false));
    let (level, plan) = (fields.one_of("level", &LEVELS), fields.one_of("plan", &PLANS));
    let variables = fields.items("variables", false);
    word(&id, "an id", flaws);
    within(&title, "a title", MAX_TITLE_CHARS, flaws);
    within(&summary, "a summary", MAX_SUMMARY_CHARS, flaws);
    for (list, what, most) in
        [(&tags, "tag", MAX_TAGS), (&roles, "role", MAX_ROLES), (&related, "related id", MAX_RELATED)]
    {
        words(list, line, what, most, flaws);
    }
    if variables.len() > MAX_VARIABLES {
        flaws.push(Flaw::at(line, format!("{} variables; at most {MAX_VARIABLES}", variables.len())));
    }
    let variables: Vec<(usize, PatternVariable)> =
        variables.into_iter().map(|node| (node.line, variable(node, flaws))).collect();
    places(&body, &variables, flaws);
    let texts = |list: &[Text]| list.iter().map(|text| text.text.clone()).collect();
    let place = Place { id: id.line.max(line), related: related.iter().map(|text| text.line).collect() };
    let entry = Entry {
        id: id.text,
        title: title.text,
        summary: summary.text,
        tags: texts(&tags),
        roles: texts(&roles),
        level: level.unwrap_or(Level::Beginner),
        plan: plan.unwrap_or_default(),
        related: texts(&related),
        variables: variables.into_iter().map(|(_, variable)| variable).collect(),
        body: body.text,
    };
    (entry, place)
}

fn variable(node: Node, flaws: &mut Vec<Flaw>) -> PatternVariable {
    let mut fields = Fields::of(node, "a variable", &["name", "description", "default"], flaws);
    let (name, description, default) =
        (fields.text("name"), fields.text("description"), fields.optional_text("default"));
    if !name.text.is_empty() && !is_name(&name.text) {
        let what = format!("`{}` names no variable; a name is lower-case letters, digits and `_`", name.text);
        flaws.push(Flaw::at(name.line, what));
    }
    PatternVariable { name: name.text, description: description.text, default: default.map(|text| text.text) }
}

/// The places of a text are its variables, all of them and nothing else.
fn places(body: &Text, variables: &[(usize, PatternVariable)], flaws: &mut Vec<Flaw>) {
    if body.text.len() > MAX_BODY_BYTES {
        flaws.push(Flaw::at(body.line, format!("a body of {} bytes; at most {MAX_BODY_BYTES}", body.text.len())));
    }
    let (template, malformed) = Template::parse(&body.text);
    flaws.extend(malformed.into_iter().map(|flaw| Flaw::at(body.line + flaw.line, flaw.what)));
    let mut declared = BTreeSet::new();
    for (line, variable) in variables {
        if !declared.insert(variable.name.as_str()) {
            flaws.push(Flaw::at(*line, format!("the variable `{}` is declared twice", variable.name)));
        }
    }
    let used = template.names();
    for name in used.difference(&declared) {
        let line = body.text.lines().position(|line| line.contains(&format!("{{{{{name}}}}}"))).unwrap_or_default();
        let near = super::problem::did_you_mean(name, declared.iter().copied());
        flaws.push(Flaw::at(body.line + line, format!("`{{{{{name}}}}}` is not among the variables{near}")));
    }
    for (line, variable) in variables {
        if !variable.name.is_empty() && !used.contains(variable.name.as_str()) {
            flaws.push(Flaw::at(*line, format!("the variable `{}` does not stand in the body", variable.name)));
        }
    }
}

/// A word of lower-case letters and digits, joined by `-`.
fn word(text: &Text, what: &str, flaws: &mut Vec<Flaw>) {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = text.text.len() <= MAX_ID_BYTES && text.text.split('-').all(part);
    if !text.text.is_empty() && !fits {
        let wanted = format!("lower-case letters and digits joined by `-`, at most {MAX_ID_BYTES}");
        flaws.push(Flaw::at(
            text.line,
            format!("`{}` is no {}; use {wanted}", text.text, what.trim_start_matches("an ").trim_start_matches("a ")),
        ));
    }
}

fn words(list: &[Text], line: usize, what: &str, most: usize, flaws: &mut Vec<Flaw>) {
    if list.len() > most {
        flaws.push(Flaw::at(line, format!("{} {what}s; at most {most}", list.len())));
    }
    let mut seen = BTreeSet::new();
    for text in list {
        word(text, what, flaws);
        if !seen.insert(&text.text) {
            flaws.push(Flaw::at(text.line, format!("the {what} `{}` is there twice", text.text)));
        }
    }
}

/// One line of at most so many characters.
fn within(text: &Text, what: &str, most: usize, flaws: &mut Vec<Flaw>) {
    let chars = text.text.chars().count();
    if chars > most || text.text.contains('\n') {
        flaws.push(Flaw::at(text.line, format!("{what} of {chars} characters; it is one line of at most {most}")));
    }
}
