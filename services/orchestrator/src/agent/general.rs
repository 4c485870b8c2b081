//! The general agent: turns any task into a brief. It plans the task and does not carry it out.

use super::lexicon::{Cues, LEXICON};
use super::source::{MAX_STATEMENT_CHARS, Source, capitalised, clean, cut, sentences, without_bullet};
use super::words::topic;
use super::{AgentInput, Evidence, NewMemory, Related, counted, related, remembered};
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
    /// What to do, in order.
    pub steps: Vec<String>,
    /// What can go wrong, and what to do about it.
    pub risks: Vec<Risk>,
    /// How to see that the task is done.
    pub done_when: Vec<String>,
    /// Questions that the text asks or leaves open.
    pub open_questions: Vec<String>,
}

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    /// The risk.
    pub risk: String,
    /// What to do about it.
    pub answer: String,
    /// Where the request mentions it.
    pub because: String,
}

pub(crate) fn brief(input: &AgentInput<'_>) -> Brief {
    let source = Source::read(input.text);
    let mut statements: Vec<Evidence> = Vec::new();
    for line in &source.lines {
        let texts = sentences(without_bullet(&line.text)).into_iter().map(|text| cut(text, MAX_STATEMENT_CHARS));
        statements.extend(texts.map(|text| Evidence { line: line.line, text }));
    }
    let constraints =
        with_cue(&statements, |text| LEXICON.brief.constraint.occur(text) && !LEXICON.brief.step.occur(text));
    let requirements = with_cue(&statements, |text| LEXICON.brief.requirement.occur(text));
    let requirements: Vec<Evidence> = requirements.into_iter().filter(|one| !constraints.contains(one)).collect();
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
        steps: steps(&statements, &pattern, input),
        risks: risks(input, &statements),
        done_when: done_when(&requirements),
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
    let quoted = first.map(|first| format!("“{}”", cut(first.text.trim_end_matches('.'), MAX_QUOTE_CHARS)));
    format!(
        "Goal: {}. {}. It states {} and {}; memory holds {}.",
        goal.trim_end_matches('.'),
        quoted
            .map_or_else(|| "The text gives no details".to_owned(), |quoted| format!("The text begins with {quoted}")),
        counted(requirements, "requirement"),
        counted(constraints, "constraint"),
        counted(related, "related note"),
    )
}

/// Returns the steps of the text, else those of the pattern, else the steps that every change needs.
fn steps(statements: &[Evidence], pattern: &[String], input: &AgentInput<'_>) -> Vec<String> {
    let rules = &LEXICON.brief;
    let of_text = statements.iter().filter(|statement| rules.step.occur(&statement.text));
    let of_text = of_text.flat_map(|statement| split_at_cues(&statement.text, &rules.step));
    let listed = pattern.iter().filter(|line| without_bullet(line) != line.as_str() && !line.starts_with('#'));
    let of_pattern = listed.map(|line| capitalised(without_bullet(line)));
    for steps in [of_text.take(MAX_ITEMS).collect::<Vec<_>>(), of_pattern.take(MAX_ITEMS).collect()] {
        if steps.len() >= 2 {
            return steps;
        }
    }
    let place = match input.files {
        [] => "the affected parts".to_owned(),
        [one] => clean(one),
        [first, rest @ ..] => format!("{} and {} more", clean(first), rest.len()),
    };
    rules.default_steps.iter().map(|step| step.replace("{place}", &place)).collect()
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

fn risks(input: &AgentInput<'_>, statements: &[Evidence]) -> Vec<Risk> {
    let mut places: Vec<(String, &str)> = vec![("the goal".to_owned(), input.intent)];
    places.extend(input.files.iter().map(|file| (format!("the path {}", cut(&clean(file), 80)), file.as_str())));
    places.extend(statements.iter().map(|statement| (format!("line {}", statement.line), statement.text.as_str())));
    let risks = LEXICON.brief.risk.iter().filter_map(|rule| {
        let (place, _) = places.iter().find(|(_, text)| rule.cues.hold(text))?;
        Some(Risk { risk: rule.risk.clone(), answer: rule.answer.clone(), because: place.clone() })
    });
    risks.take(MAX_ITEMS).collect()
}

fn done_when(requirements: &[Evidence]) -> Vec<String> {
    let shown = requirements.iter().map(|one| format!("A test or a look shows: “{}” (line {})", one.text, one.line));
    let mut done: Vec<String> = shown.collect();
    if done.is_empty() {
        done.push("A test that failed before passes, and no other test fails".to_owned());
    }
    done.push("A person who did not do the work has seen it work".to_owned());
    done
}

fn open_questions(statements: &[Evidence], no_requirement: bool) -> Vec<String> {
    let asked = statements.iter().filter(|statement| statement.text.ends_with('?')).take(MAX_ITEMS);
    let mut open: Vec<String> = asked.map(|asked| format!("“{}” (line {})", asked.text, asked.line)).collect();
    if no_requirement {
        open.push("What must hold for this to be done? The text states no requirement".to_owned());
    }
    open
}

pub(crate) fn remember(brief: &Brief, input: &AgentInput<'_>) -> Vec<NewMemory> {
    let mut content = format!("Task: {}\n{}\n", brief.goal, brief.summary);
    for step in &brief.steps {
        content.push_str(&format!("Step: {step}\n"));
    }
    let content = remembered(content, input);
    let (kind, intent, visibility) = ("brief", topic(input.intent), Visibility::Private);
    vec![NewMemory { content, tags: vec!["brief".to_owned()], kind, intent, visibility }]
}
