//! The general agent: turns any task into a brief. It plans the task and does not carry it out.

use super::lexicon::{Cues, LEXICON};
use super::source::{MAX_STATEMENT_CHARS, Source, capitalised, clean, cut, sentences, without_bullet};
use super::words::topic;
use super::{AgentInput, Evidence, MemoryDraft, Related, counted, related, remembered};
use mcp_contracts::memory::Visibility;
use schemars::JsonSchema;
use serde::Serialize;

/// Most items of each list.
const MAX_ITEMS: usize = 8;
const MAX_RELATED: usize = 5;
/// Distinguishing words that a related memory shares with the task.
const LEAST_SHARED_WORDS: usize = 2;
const MAX_FILES: usize = 20;
const MAX_PATTERN_LINES: usize = 40;
/// Longest quote of the text in the summary, in characters.
const MAX_QUOTE_CHARS: usize = 140;

/// A brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// The goal.
    pub goal: String,
    /// The task in a few sentences.
    pub summary: String,
    /// Role of the reader.
    pub role: String,
    /// Paths of the task.
    pub files: Vec<String>,
    /// What must hold, as the text states it.
    pub requirements: Vec<Evidence>,
    /// What must not happen or be exceeded, as the text states it.
    pub constraints: Vec<Evidence>,
    /// Related memories.
    pub context: Vec<Related>,
    /// What memory contributed.
    pub memory: String,
    /// The injected pattern, line by line.
    pub pattern: Vec<String>,
    /// What to do, in order, as the text or the pattern states it.
    pub steps: Vec<String>,
    /// Questions that the text asks or leaves open.
    pub open_questions: Vec<String>,
}

pub(crate) fn brief(input: &AgentInput<'_>) -> Brief {
    let rules = &LEXICON.brief;
    let source = Source::read(input.text);
    let mut statements: Vec<Evidence> = Vec::new();
    for line in &source.lines {
        let texts = sentences(without_bullet(&line.text)).into_iter().map(|text| cut(text, MAX_STATEMENT_CHARS));
        statements.extend(texts.map(|text| Evidence { line: line.line, text }));
    }
    let constraints = with_cue(&statements, |text| rules.constraint.occur(text) && !rules.step.occur(text));
    let requirements = with_cue(&statements, |text| rules.requirement.occur(text) && !rules.constraint.occur(text));
    let subject = format!("{} {}", input.intent, input.text);
    let context = related::related(&subject, input.memories, LEAST_SHARED_WORDS, MAX_RELATED);
    let short = |text: &str| cut(&clean(text), MAX_STATEMENT_CHARS);
    let pattern = input.pattern.unwrap_or_default().lines().map(short).filter(|line| !line.is_empty());
    let pattern: Vec<String> = pattern.take(MAX_PATTERN_LINES).collect();
    let goal = short(input.intent);
    let memory = match (input.static_context, context.len()) {
        (true, _) => "Memory did not answer: earlier decisions were not looked up".to_owned(),
        (false, 0) => "Nothing related in memory".to_owned(),
        (false, count) => format!("{} in memory", counted(count, "related note")),
    };
    Brief {
        summary: summary(&goal, statements.first(), requirements.len(), constraints.len(), context.len()),
        role: clean(input.role),
        files: input.files.iter().take(MAX_FILES).map(|file| short(file)).collect(),
        memory,
        steps: steps(&statements, &pattern),
        open_questions: open_questions(&statements, requirements.is_empty()),
        goal,
        requirements,
        constraints,
        context,
        pattern,
    }
}

fn with_cue(statements: &[Evidence], has_cue: impl Fn(&str) -> bool) -> Vec<Evidence> {
    let chosen = statements.iter().filter(|statement| !statement.text.ends_with('?') && has_cue(&statement.text));
    chosen.take(MAX_ITEMS).cloned().collect()
}

fn summary(goal: &str, first: Option<&Evidence>, requirements: usize, constraints: usize, related: usize) -> String {
    let begins =
        |first: &Evidence| format!("The text begins with “{}”", cut(first.text.trim_end_matches('.'), MAX_QUOTE_CHARS));
    format!(
        "Goal: {}. {}. It states {} and {}; memory holds {}.",
        goal.trim_end_matches('.'),
        first.map_or_else(|| "The text gives no details".to_owned(), begins),
        counted(requirements, "requirement"),
        counted(constraints, "constraint"),
        counted(related, "related note"),
    )
}

/// Returns the steps of the text, else those of the pattern. One step alone is no order, so it is omitted.
fn steps(statements: &[Evidence], pattern: &[String]) -> Vec<String> {
    let cues = &LEXICON.brief.step;
    let of_text = statements.iter().filter(|statement| cues.occur(&statement.text));
    let of_text = of_text.flat_map(|statement| split_at_cues(&statement.text, cues)).take(MAX_ITEMS);
    let listed = pattern.iter().filter(|line| without_bullet(line) != line.as_str() && !line.starts_with('#'));
    let of_pattern = listed.map(|line| capitalised(without_bullet(line))).take(MAX_ITEMS);
    let found = [of_text.collect::<Vec<_>>(), of_pattern.collect()];
    found.into_iter().find(|steps| steps.len() >= 2).unwrap_or_default()
}

fn split_at_cues(text: &str, cues: &Cues) -> Vec<String> {
    let mut parts = Vec::new();
    let mut start = 0;
    for cue in cues.find_all(text) {
        parts.push(&text[start..cue.start]);
        start = cue.end;
    }
    parts.push(&text[start..]);
    let trimmed = parts.into_iter().map(|part| part.trim_matches([' ', ',', ';', '.', ':']));
    trimmed.filter(|part| part.contains(' ')).map(capitalised).collect()
}

fn open_questions(statements: &[Evidence], no_requirement: bool) -> Vec<String> {
    let asked = statements.iter().filter(|statement| statement.text.ends_with('?')).take(MAX_ITEMS);
    let mut open: Vec<String> = asked.map(|asked| format!("“{}” (line {})", asked.text, asked.line)).collect();
    if no_requirement {
        open.push("What must hold for this to be done? The text states no requirement".to_owned());
    }
    open
}

pub(crate) fn remember(brief: &Brief, input: &AgentInput<'_>) -> Vec<MemoryDraft> {
    let mut content = format!("Task: {}\n{}\n", brief.goal, brief.summary);
    for step in &brief.steps {
        content.push_str(&format!("Step: {step}\n"));
    }
    let content = remembered(content, input);
    let (kind, intent, visibility) = ("brief", topic(input.intent), Visibility::Private);
    vec![MemoryDraft { content, tags: vec!["brief".to_owned()], kind, intent, visibility }]
}
