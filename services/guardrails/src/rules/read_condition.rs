//! Reads a condition from YAML and compiles it in the same pass, so that an invalid pattern is reported with its line.

use super::check::{Check, RuleParts};
use super::model::{Condition, Size};
use super::pattern::{MatchExtent, MatchField, Pattern, exception};
use crate::linear;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use mcp_contracts::guardrails::{ActionKind, Detection};
use mcp_kit::data::yaml::Node;
use mcp_kit::data::{Fields, ValueReader};
use regex_automata::util::syntax;
use std::sync::Arc;

pub(super) const FIELDS: [&str; 19] = [
    "keywords",
    "regex",
    "except",
    "block",
    "removed",
    "intent",
    "files",
    "exceptFiles",
    "without",
    "branches",
    "actions",
    "size",
    "detects",
    "production",
    "backup",
    "labelled",
    "any",
    "all",
    "not",
];
pub(super) const SIZE_FIELDS: [&str; 3] = ["textBytesOver", "filesOver", "fileBytesOver"];
/// Maximum depth of nested conditions.
const MAX_DEPTH: usize = 8;
/// Maximum number of keywords, patterns or globs in one list.
const MAX_ITEMS: usize = 64;
/// Harmless paths. A glob that matches all of them is refused, because it would match every file.
const HARMLESS: [&str; 3] = ["readme", "src/main.rs", "a/deep/folder/of/notes.txt"];

type MakeCheck = fn(GlobSet) -> Check;

pub(super) fn condition(
    reader: &mut ValueReader<'_>,
    parts: &mut RuleParts,
    node: &Node,
    depth: usize,
) -> (Condition, Check) {
    // Stands for a condition with a problem: an empty `any` never holds, and rules with a problem are not used.
    let empty = (Condition::default(), Check::Any(Vec::new()));
    let Some(fields) = reader.fields(node, "a condition", &FIELDS) else { return empty };
    if fields.is_empty() {
        reader.problem(node.line, "an empty condition would match everything; add a field");
        return empty;
    }
    if depth > MAX_DEPTH {
        reader.problem(node.line, format!("conditions are nested deeper than {MAX_DEPTH} levels"));
        return empty;
    }
    let (mut condition, mut checks) = (Condition::default(), Vec::new());
    // Cheap checks come first, because most rules fail there.
    facts(reader, &fields, &mut condition, &mut checks);
    names(reader, parts, &fields, &mut condition, &mut checks);
    patterns(reader, parts, &fields, &mut condition, &mut checks);
    for (key, into) in [("any", &mut condition.any), ("all", &mut condition.all)] {
        let Some(node) = fields.get(key) else { continue };
        let items = reader.list(node, &format!("`{key}`"));
        let (inner, tests): (Vec<_>, Vec<_>) =
            items.iter().map(|item| self::condition(reader, parts, item, depth + 1)).unzip();
        *into = inner;
        checks.push(if key == "any" { Check::Any(tests) } else { Check::All(tests) });
    }
    if let Some(node) = fields.get("not") {
        let (inner, test) = self::condition(reader, parts, node, depth + 1);
        condition.not = Some(Box::new(inner));
        checks.push(Check::Not(Box::new(test)));
    }
    (condition, Check::All(checks))
}

fn patterns(
    reader: &mut ValueReader<'_>,
    parts: &mut RuleParts,
    fields: &Fields<'_>,
    condition: &mut Condition,
    checks: &mut Vec<Check>,
) {
    let words: Vec<String> = bounded(reader, fields, "keywords").into_iter().map(|(_, word)| word).collect();
    if words.iter().any(|word| word.trim().is_empty()) {
        reader.problem(fields.line("keywords"), "an empty keyword would match everything");
    } else if !words.is_empty() {
        let both = [MatchField::Text, MatchField::Intent].map(|place| match Pattern::keywords(&words, place) {
            Ok(pattern) => parts.pattern(pattern),
            Err(why) => {
                reader.problem(fields.line("keywords"), why);
                Check::Any(Vec::new())
            }
        });
        checks.push(Check::Any(both.into()));
    }
    condition.keywords = words;
    let except: Vec<(usize, String)> = bounded(reader, fields, "except");
    let mut exceptions = Vec::new();
    for (line, pattern) in &except {
        match exception(pattern) {
            Ok(regex) => exceptions.push(regex),
            Err(why) => reader.problem(*line, why),
        }
    }
    let exceptions: Arc<[_]> = exceptions.into();
    let kinds = [
        ("regex", MatchField::Text, MatchExtent::Line),
        ("block", MatchField::Text, MatchExtent::Whole),
        ("removed", MatchField::Removed, MatchExtent::Line),
        ("intent", MatchField::Intent, MatchExtent::Line),
    ];
    for (key, place, reach) in kinds {
        let items = bounded(reader, fields, key);
        let mut any = Vec::new();
        for (line, pattern) in &items {
            match Pattern::new(pattern, place, reach) {
                Ok(mut pattern) => {
                    if key == "regex" {
                        pattern.except = Arc::clone(&exceptions);
                    }
                    any.push(parts.pattern(pattern));
                }
                Err(why) => reader.problem(*line, why),
            }
        }
        let texts: Vec<String> = items.into_iter().map(|(_, text)| text).collect();
        if !texts.is_empty() {
            checks.push(Check::Any(any));
        }
        *match key {
            "regex" => &mut condition.regex,
            "block" => &mut condition.block,
            "removed" => &mut condition.removed,
            _ => &mut condition.intent,
        } = texts;
    }
    if !except.is_empty() && condition.regex.is_empty() {
        reader.problem(fields.line("except"), "`except` needs `regex`, whose lines it ignores");
    }
    condition.except = except.into_iter().map(|(_, text)| text).collect();
}

fn names(
    reader: &mut ValueReader<'_>,
    parts: &mut RuleParts,
    fields: &Fields<'_>,
    condition: &mut Condition,
    checks: &mut Vec<Check>,
) {
    let files = bounded(reader, fields, "files");
    let globs: Vec<Glob> = files.iter().filter_map(|(line, text)| glob(reader, *line, text)).collect();
    if !globs.is_empty() {
        checks.push(Check::Any(globs.into_iter().map(|glob| parts.glob(glob)).collect()));
    }
    condition.files = files.into_iter().map(|(_, text)| text).collect();
    let sets = [
        ("branches", Check::Branch as MakeCheck, &mut condition.branches),
        ("without", Check::Without, &mut condition.without),
        ("exceptFiles", Check::Beside, &mut condition.except_files),
    ];
    for (key, check, into) in sets {
        let items = bounded(reader, fields, key);
        let mut set = GlobSetBuilder::new();
        for (line, text) in &items {
            if let Some(glob) = glob(reader, *line, text) {
                set.add(glob);
            }
        }
        match set.build() {
            Ok(set) if !items.is_empty() => checks.push(check(set)),
            Ok(_) => {}
            Err(error) => reader.problem(fields.line(key), format!("`{key}` cannot be compiled: {error}")),
        }
        *into = items.into_iter().map(|(_, text)| text).collect();
    }
}

fn facts(reader: &mut ValueReader<'_>, fields: &Fields<'_>, condition: &mut Condition, checks: &mut Vec<Check>) {
    condition.actions = reader.words(fields, "actions", &ActionKind::ALL, ActionKind::name);
    if !condition.actions.is_empty() {
        checks.push(Check::Action(condition.actions.clone()));
    }
    condition.detects = reader.words(fields, "detects", &Detection::ALL, Detection::name);
    if !condition.detects.is_empty() {
        checks.push(Check::Detects(condition.detects.clone()));
    }
    if let Some(node) = fields.get("size")
        && let Some(sizes) = reader.fields(node, "`size`", &SIZE_FIELDS)
    {
        let size = Size {
            text_bytes_over: reader.number(&sizes, SIZE_FIELDS[0]),
            files_over: reader.number(&sizes, SIZE_FIELDS[1]),
            file_bytes_over: reader.number(&sizes, SIZE_FIELDS[2]),
        };
        if size == Size::default() {
            reader.problem(node.line, "`size` has no valid limit");
        }
        condition.size = Some(size);
        checks.push(Check::Size(size));
    }
    condition.production = reader.flag(fields, "production");
    checks.extend(condition.production.map(Check::Production));
    condition.backup = reader.flag(fields, "backup");
    checks.extend(condition.backup.map(Check::Backup));
    condition.labelled = reader.flag(fields, "labelled");
    checks.extend(condition.labelled.map(Check::Labelled));
}

fn bounded(reader: &mut ValueReader<'_>, fields: &Fields<'_>, key: &str) -> Vec<(usize, String)> {
    let texts = reader.texts(fields, key);
    if texts.len() > MAX_ITEMS {
        reader.problem(fields.line(key), format!("`{key}` has {} items; at most {MAX_ITEMS} are allowed", texts.len()));
    }
    texts
}

fn glob(reader: &mut ValueReader<'_>, line: usize, text: &str) -> Option<Glob> {
    // Upper and lower case are equal, so that `.ENV` does not escape a rule for `.env`; `*` stays within a folder, as the schema says.
    match GlobBuilder::new(text).literal_separator(true).case_insensitive(true).build() {
        Ok(glob) => {
            let names = linear::bytes(glob.regex(), syntax::Config::new());
            if names.is_ok_and(|names| HARMLESS.iter().all(|path| names.is_match(path))) {
                reader.problem(line, format!("`{text}` matches every file; make it more specific"));
                return None;
            }
            Some(glob)
        }
        Err(error) => {
            reader.problem(line, format!("`{text}` is not a glob: {}", error.kind()));
            None
        }
    }
}
