//! The general agent: any task in, a brief out that somebody can start from. It plans and does nothing.

use super::markdown::{Page, inline, quote};
use super::source::{MAX_STATEMENT_CHARS, Source, capitalised, clean, cut, sentences, without_bullet};
use super::words::topic;
use super::{
    AgentInput, Evidence, MAX_REMEMBERED_BYTES, NewMemory, Related,
    lexicon::{Cues, expression},
    related,
};
use mcp_contracts::memory::Visibility;
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::LazyLock;

/// Most items of each list.
const MAX_ITEMS: usize = 8;
/// Most memories that are named.
const MAX_CONTEXT: usize = 5;

static REQUIREMENT: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(r"must|has to|have to|needs? to|required|acceptance|done when|only if|shall\b|muss|müssen|debe|doit")
});
static STEP: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(r"(?:first|then|next|finally|after that|step \d)\b|zuerst|danach|dann\b|primero|luego|d['’]abord|ensuite")
});
static CONSTRAINT: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"without|must not|cannot|can['’]t|don['’]t|do not|never|deadline|until|by (?:monday|tuesday|wednesday|thursday|friday)|budget|only\b|at most|no more than|nothing (?:may|must)|may not|darf nicht|sin\b|sans\b",
    )
});

/// What joins one step to the next.
static JOINT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^(?:first|zuerst|primero|d['’]abord),?\s+|[,;]?\s*(?:and )?\b(?:then|after that|finally|danach|dann|luego|ensuite)\b,?\s+",
    )
});
/// Words that bring a risk, the risk, and what to do about it.
static RISKS: LazyLock<[(Cues, &str, &str); 7]> = LazyLock::new(|| {
    [
        (
            Cues::new("migrat|schema|alter table|column|backfill"),
            "Data or schema changes cannot be undone by undoing the code",
            "rehearse on a copy, keep old and new readable side by side, back up first",
        ),
        (
            Cues::new("delete|drop\\b|remove|purge|truncate|lösch|borrar|supprim"),
            "Something may be deleted that is still used",
            "list who uses it, count before and after, keep a way back",
        ),
        (
            Cues::new("auth|login|token|password|secret|permission|jwt|oauth"),
            "Access may open or close for the wrong people",
            "test the refusals as well as the success; have security review it",
        ),
        (
            Cues::new("payment|invoice|billing|price|refund|money|zahlung|pago|paiement"),
            "Money may be moved twice or not at all",
            "idempotency keys, reconciliation, a small amount first",
        ),
        (
            Cues::new("deploy|release|production|rollout|prod\\b"),
            "Users meet it before we know whether it works",
            "small share first, a measured way back, somebody who watches",
        ),
        (
            Cues::new("api|interface|contract|webhook|event schema|breaking"),
            "Callers may rely on what changes",
            "list the callers, add before removing, announce a date",
        ),
        (
            Cues::new("concurren|race|lock|retry|queue|async|parallel"),
            "It may work alone and fail together",
            "test with many at once and with repeated delivery",
        ),
    ]
});

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
    /// Paths that it is about.
    pub files: Vec<String>,
    /// What the text says must hold.
    pub requirements: Vec<Evidence>,
    /// What it must not touch or exceed.
    pub constraints: Vec<Evidence>,
    /// What memory holds about it.
    pub context: Vec<Related>,
    /// What memory contributed.
    pub memory: String,
    /// The injected pattern, line by line.
    pub pattern: Vec<String>,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// What can go wrong, and what to do about it.
    pub risks: Vec<Risk>,
    /// How to see that it is done.
    pub done_when: Vec<String>,
    /// What the text asks or leaves open.
    pub open_questions: Vec<String>,
}

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    /// What.
    pub risk: String,
    /// What to do about it.
    pub answer: String,
    /// The word that brought it up.
    pub because: String,
}

/// Writes the brief.
pub(crate) fn brief(input: &AgentInput<'_>) -> Brief {
    let source = Source::read(input.text);
    let statements: Vec<Evidence> = source
        .lines
        .iter()
        .flat_map(|line| {
            sentences(without_bullet(&line.text))
                .into_iter()
                .map(|text| Evidence { line: line.line, text: cut(text, MAX_STATEMENT_CHARS) })
        })
        .collect();
    let pick = |cues: &Cues| {
        statements
            .iter()
            .filter(|statement| cues.occur(&statement.text) && !statement.text.ends_with('?'))
            .take(MAX_ITEMS)
            .cloned()
            .collect::<Vec<_>>()
    };
    let constraints: Vec<Evidence> =
        pick(&CONSTRAINT).into_iter().filter(|statement| !STEP.occur(&statement.text)).collect();
    let requirements: Vec<Evidence> =
        pick(&REQUIREMENT).into_iter().filter(|statement| !constraints.contains(statement)).collect();
    let context = context(input);
    let goal = cut(&clean(input.intent), MAX_STATEMENT_CHARS);
    let pattern: Vec<String> = input
        .pattern
        .unwrap_or_default()
        .lines()
        .map(clean)
        .filter(|line| !line.is_empty())
        .take(40)
        .map(|line| cut(&line, MAX_STATEMENT_CHARS))
        .collect();
    let risks = risks(input, &statements);
    Brief {
        summary: summary(&goal, statements.first(), requirements.len(), constraints.len(), context.len()),
        role: clean(input.role),
        files: input.files.iter().take(20).map(|file| cut(&clean(file), MAX_STATEMENT_CHARS)).collect(),
        memory: memory(input, context.len()),
        steps: steps(&statements, &pattern, input, &risks),
        done_when: done_when(&requirements),
        open_questions: open_questions(&statements, &requirements),
        goal,
        requirements,
        constraints,
        context,
        pattern,
        risks,
    }
}

fn summary(goal: &str, first: Option<&Evidence>, requirements: usize, constraints: usize, context: usize) -> String {
    let about = first.map_or_else(
        || "the text gives no details".to_owned(),
        |first| format!("it begins with “{}”", cut(&first.text, 140)),
    );
    format!(
        "Goal: {}. The text was read: {}. It states {} and {}; memory holds {}.",
        goal.trim_end_matches('.'),
        about.trim_end_matches('.').replace(".”", "”"),
        counted(requirements, "requirement"),
        counted(constraints, "constraint"),
        counted(context, "related note"),
    )
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

fn context(input: &AgentInput<'_>) -> Vec<Related> {
    related::find(&format!("{} {}", input.intent, input.text), input.memories, 2, MAX_CONTEXT)
}

fn memory(input: &AgentInput<'_>, found: usize) -> String {
    match (input.static_context, found) {
        (true, _) => "Memory did not answer: earlier decisions were not looked up".to_owned(),
        (false, 0) => "Nothing related in memory".to_owned(),
        (false, found) => format!("{} in memory", counted(found, "related note")),
    }
}

/// Steps that the text states, else those of the pattern, else the ones that any change needs.
fn steps(statements: &[Evidence], pattern: &[String], input: &AgentInput<'_>, risks: &[Risk]) -> Vec<String> {
    let told = statements.iter().filter(|statement| STEP.occur(&statement.text));
    let parts = told.flat_map(|statement| JOINT.split(statement.text.trim_end_matches('.')));
    let stated: Vec<String> =
        parts.map(|part| capitalised(part.trim())).filter(|step| step.contains(' ')).take(MAX_ITEMS).collect();
    if stated.len() >= 2 {
        return stated;
    }
    let of_pattern: Vec<String> = pattern
        .iter()
        .filter(|line| without_bullet(line) != line.as_str() && !line.starts_with('#'))
        .map(|line| capitalised(without_bullet(line)))
        .take(MAX_ITEMS)
        .collect();
    if of_pattern.len() >= 2 {
        return of_pattern;
    }
    let place = match input.files {
        [] => "the parts that it touches".to_owned(),
        [one] => clean(one),
        [first, rest @ ..] => format!("{} and {} more", clean(first), rest.len()),
    };
    let mut steps = vec![
        "Write down in one sentence what will be different afterwards, and who will notice".to_owned(),
        format!("Read {place}, and list who depends on it"),
        "Write the test that fails today and will pass when it is done".to_owned(),
        "Make the smallest change that passes it".to_owned(),
    ];
    steps.extend(risks.first().map(|risk| format!("Before going on: {}", risk.answer)));
    steps.push(
        "Run all tests, show the result to somebody who knows the part, and write down what was decided".to_owned(),
    );
    steps
}

fn risks(input: &AgentInput<'_>, statements: &[Evidence]) -> Vec<Risk> {
    let mut places: Vec<(String, &str)> = vec![("the goal".to_owned(), input.intent)];
    places.extend(input.files.iter().map(|file| (format!("the path {}", cut(&clean(file), 80)), file.as_str())));
    places.extend(statements.iter().map(|statement| (format!("line {}", statement.line), statement.text.as_str())));
    let found = RISKS.iter().filter_map(|(cues, risk, answer)| {
        let (place, _) = places.iter().find(|(_, text)| cues.hold(text))?;
        Some(Risk { risk: (*risk).to_owned(), answer: (*answer).to_owned(), because: place.clone() })
    });
    found.take(MAX_ITEMS).collect()
}

fn done_when(requirements: &[Evidence]) -> Vec<String> {
    let mut done: Vec<String> = requirements
        .iter()
        .map(|requirement| format!("A test or a look shows: “{}” (line {})", requirement.text, requirement.line))
        .collect();
    if done.is_empty() {
        done.push("A test that failed before passes, and no other test fails".to_owned());
    }
    done.push("Somebody who did not do it has seen it work".to_owned());
    done
}

fn open_questions(statements: &[Evidence], requirements: &[Evidence]) -> Vec<String> {
    let mut open: Vec<String> = statements
        .iter()
        .filter(|statement| statement.text.ends_with('?'))
        .take(MAX_ITEMS)
        .map(|statement| format!("“{}” (line {})", statement.text, statement.line))
        .collect();
    if requirements.is_empty() {
        open.push("What must hold for this to be done? The text states no requirement".to_owned());
    }
    open
}

impl Brief {
    /// The brief for people. Sections and their order are the same whatever the text says.
    pub(crate) fn markdown(&self) -> String {
        let mut page = Page::new("Brief", &self.goal);
        page.section("Summary");
        page.paragraph(&inline(&self.summary));
        page.item(&format!("For: {}", inline(&self.role)));
        for file in &self.files {
            page.item(&format!("Path: {}", inline(file)));
        }
        list(&mut page, "Requirements", self.requirements.iter().map(quote), "The text states none.");
        list(&mut page, "Constraints", self.constraints.iter().map(quote), "The text states none.");
        page.section("Context from memory");
        page.paragraph(&format!("{}.", self.memory));
        for related in &self.context {
            page.item(&format!(
                "{} ({}): {}",
                inline(&related.excerpt),
                inline(&related.created_at),
                inline(&related.why)
            ));
        }
        list(&mut page, "Pattern", self.pattern.iter().map(|line| inline(without_bullet(line))), "None was injected.");
        page.section("Steps");
        for (index, step) in self.steps.iter().enumerate() {
            page.line(&format!("{}. {}", index + 1, inline(step)));
        }
        let risks =
            self.risks.iter().map(|risk| format!("{}: {} (from {})", risk.risk, risk.answer, inline(&risk.because)));
        list(&mut page, "Risks", risks, "No word of the text points to one that is known here.");
        list(&mut page, "Done when", self.done_when.iter().map(|done| inline(done)), "");
        list(&mut page, "Open questions", self.open_questions.iter().map(|question| inline(question)), "None.");
        page.finish()
    }
}

fn list(page: &mut Page, name: &str, items: impl Iterator<Item = String>, empty: &str) {
    page.section(name);
    let mut items = items.peekable();
    if items.peek().is_none() {
        page.paragraph(empty);
    }
    for item in items {
        page.item(&item);
    }
}

/// What to remember: the goal and what was planned.
pub(crate) fn remember(brief: &Brief, input: &AgentInput<'_>) -> Vec<NewMemory> {
    let mut content = format!("Task: {}\n{}\n", brief.goal, brief.summary);
    for step in &brief.steps {
        content.push_str(&format!("Step: {step}\n"));
    }
    content.push_str(&format!("Execution: {}\n", input.execution_id));
    content.truncate(content.floor_char_boundary(MAX_REMEMBERED_BYTES));
    vec![NewMemory {
        content,
        tags: vec!["brief".to_owned()],
        kind: "brief",
        intent: topic(input.intent),
        visibility: Visibility::Private,
    }]
}
