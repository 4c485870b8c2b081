//! The five whys. An answer is a cause that the text states, or a factor with evidence; where evidence ends, the remaining whys
//! say what to find out.

use super::facts::{Fact, Facts};
use super::report::{Category, Confidence, Factor, Mark, Trigger, TriggerBasis, Why};
use super::response::Milestones;
use crate::agent::Evidence;
use crate::agent::lexicon::expression;
use crate::agent::source::cut;
use crate::agent::words::{overlap, significant};
use regex::Regex;
use std::sync::LazyLock;

/// How many there are.
const WHYS: usize = 5;
/// Share of words that joins an effect to the cause before it.
const JOINED: f64 = 0.34;
/// Longest text inside a question, in characters.
const MAX_QUESTION_CHARS: usize = 120;

static FORWARD: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)[,;:–-]?\s*\b(?:because of|because|due to|caused by|triggered by|as a result of|weil|wegen|ausgelöst durch|debido a|porque|parce que|à cause de)\b\s*",
    )
});
static BACKWARD: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)[,;]?\s*\b(?:which (?:caused|meant|made|led to)|led to|resulted in|caused|so that|führte zu|provocó|a provoqué)\b\s*",
    )
});
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^.{0,40}?\b(?:root cause|turned out|the reason|ursache|la causa|cause)\b\s*(?:was|is|war|ist|era|:|–|-|that|to be|dass)*[\s:]*",
    )
});

/// A cause that the text states.
struct Link {
    effect: Option<String>,
    cause: String,
    evidence: Evidence,
}

/// Asks five times.
pub(super) fn whys(facts: &Facts, milestones: &Milestones<'_>, trigger: &Trigger, factors: &[Factor]) -> Vec<Why> {
    let mut links: Vec<Link> =
        facts.told(|fact| fact.mark != Mark::Response || fact.moment.is_none()).filter_map(link).collect();
    let mut current = symptom(facts, milestones);
    let mut whys: Vec<Why> = Vec::new();
    while whys.len() < WHYS {
        let question = format!("Why did this happen: “{}”?", cut(&current, MAX_QUESTION_CHARS));
        let Some(link) = next(&mut links, &current, whys.is_empty()) else {
            // a stated effect that nothing leads to is still the best question that the text answers
            let effect = links.iter().find_map(|link| link.effect.clone()).filter(|_| whys.is_empty());
            let Some(effect) = effect.filter(|effect| *effect != current) else { break };
            current = effect;
            continue;
        };
        current.clone_from(&link.cause);
        whys.push(Why { question, answer: Some(link.cause), evidence: vec![link.evidence], find_out: None });
    }
    if whys.is_empty() {
        let question = format!("Why did this happen: “{}”?", cut(&current, MAX_QUESTION_CHARS));
        whys.extend(suspected(trigger, factors).map(|(answer, evidence)| Why {
            question,
            answer: Some(answer),
            evidence: vec![evidence],
            find_out: None,
        }));
    }
    let answers = |factor: &&Factor| match factor.category {
        Category::Process => true,
        // lateness that was only computed is no answer to why it was late
        Category::Detection => factor.confidence > Confidence::Possible,
        Category::Change | Category::Capacity | Category::Dependency | Category::Configuration | Category::Data => {
            false
        }
    };
    for factor in factors.iter().filter(answers) {
        let evidence = factor.evidence.iter().find(|evidence| !whys.iter().any(|why| why.evidence.contains(evidence)));
        if let Some(evidence) = evidence.filter(|_| whys.len() < WHYS) {
            let question = match factor.category {
                Category::Detection => "Why was it not noticed earlier, and by us?",
                _ => "Why did nothing stop it before it reached users?",
            };
            whys.push(Why {
                question: question.to_owned(),
                answer: Some(evidence.text.clone()),
                evidence: vec![evidence.clone()],
                find_out: None,
            });
        }
    }
    let asked = whys.len();
    let main = factors
        .iter()
        .find(|factor| !matches!(factor.category, Category::Process | Category::Detection))
        .or(factors.first());
    let mut unanswered = open(main.map(|factor| factor.category), facts.subject());
    if asked == 0 {
        unanswered[0].question = format!("Why did this happen: “{}”?", cut(&current, MAX_QUESTION_CHARS));
    }
    unanswered.retain(|why| !whys.iter().any(|answered| answered.question == why.question));
    let skipped = asked.saturating_sub(1).min(unanswered.len() - (WHYS - asked).min(unanswered.len()));
    whys.extend(unanswered.into_iter().skip(skipped).take(WHYS - asked));
    whys
}

/// An answer that is no more than a suspicion, and says so.
fn suspected(trigger: &Trigger, factors: &[Factor]) -> Option<(String, Evidence)> {
    match (trigger.basis, trigger.evidence.first()) {
        (TriggerBasis::LastChange, Some(change)) => {
            Some((format!("Suspected, since it came last before: {}", change.text), change.clone()))
        }
        (TriggerBasis::Stated, Some(cause)) => Some((cause.text.clone(), cause.clone())),
        (TriggerBasis::Outside | TriggerBasis::Unknown, _) | (_, None) => {
            let factor =
                factors.iter().find(|factor| !matches!(factor.category, Category::Process | Category::Detection))?;
            let evidence = factor.evidence.first()?;
            Some((format!("Suspected, the text does not say so: {}", evidence.text), evidence.clone()))
        }
    }
}

fn symptom(facts: &Facts, milestones: &Milestones<'_>) -> String {
    let timed = milestones.started.or(milestones.detected);
    let any = || facts.told(|fact| matches!(fact.mark, Mark::Symptom | Mark::Detected)).next().or(facts.all.first());
    timed.or_else(any).map_or_else(|| "the incident".to_owned(), |fact| fact.text.clone())
}

fn link(fact: &Fact) -> Option<Link> {
    let text = fact.text.trim_end_matches('.');
    let (effect, cause) = if let Some(found) = FORWARD.find(text) {
        (&text[..found.start()], &text[found.end()..])
    } else if let Some(found) = NAMED.find(text) {
        ("", &text[found.end()..])
    } else {
        let found = BACKWARD.find(text)?;
        (&text[found.end()..], &text[..found.start()])
    };
    let cause = NAMED.replace(cause, "");
    let names_root = effect.is_empty() || NAMED.is_match(text);
    let effect = (!names_root).then(|| effect.to_owned());
    let told = cause.split_whitespace().count() >= 2;
    told.then(|| Link { effect, cause: cause.trim().to_owned(), evidence: fact.evidence() })
}

/// Takes the link whose effect is what is asked about; for the first question a named root cause will do as well.
fn next(links: &mut Vec<Link>, current: &str, first: bool) -> Option<Link> {
    let asked = significant(current);
    let scores = links.iter().enumerate().filter_map(|(index, link)| {
        let score = match &link.effect {
            Some(effect) => overlap(&significant(effect), &asked),
            None if first => JOINED,
            None => 0.0,
        };
        (score >= JOINED).then_some((index, score))
    });
    let best = scores.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(index, _)| index);
    best.map(|index| links.remove(index))
}

/// Whys without an answer: the mechanism, the check that should have caught it, the warning, the habit, the system.
fn open(category: Option<Category>, subject: &str) -> Vec<Why> {
    let mechanism = match category {
        Some(Category::Change) => format!(
            "which part of the change had this effect on {subject}: compare it with the version before, and repeat it in a test environment"
        ),
        Some(Category::Capacity) => {
            format!("what used up the limit of {subject}: its usage over the two weeks before, and what grew")
        }
        Some(Category::Dependency) => format!(
            "what the provider says happened, and what {subject} did with each failed call (timeouts, retries, queueing)"
        ),
        Some(Category::Configuration) => "who set the value, when and what for: the history of the setting".to_owned(),
        Some(Category::Data) => {
            "where the data came from, and since when it has been there: the first row or message of this form"
                .to_owned()
        }
        Some(Category::Process | Category::Detection) | None => {
            format!("what failed first inside {subject}: logs and metrics of the ten minutes before the first symptom")
        }
    };
    let barrier = match category {
        Some(Category::Change) => {
            "which test, review or canary step could have shown it before production, and what it looked at instead"
        }
        Some(Category::Capacity) => "which load test or forecast covers this limit, and when it was last run",
        Some(Category::Dependency) => {
            "whether a failure of this dependency was ever tried on purpose, and what should have happened instead"
        }
        Some(Category::Configuration) => {
            "what checks this setting before it is live, and whether environments may differ in it"
        }
        Some(Category::Data) => "which constraint or validation should have refused it at the border",
        Some(Category::Process | Category::Detection) | None => {
            "which safeguard was expected to stop this, and why it did not"
        }
    };
    [
        ("Why did the direct cause have this effect?", mechanism),
        ("Why did nothing stop it before it reached users?", barrier.to_owned()),
        ("Why did the first warning not lead to action?", "which signals moved before the impact, and who would have been told at which threshold".to_owned()),
        ("Why was the system open to this kind of failure?", "where else the same weakness is: other services with the same default, library, limit or procedure".to_owned()),
        ("Why had it not been found before?", "whether it happened before in a smaller form: past incidents, near misses, tickets that were closed without a fix".to_owned()),
    ]
    .into_iter()
    .map(|(question, find_out)| Why { question: question.to_owned(), answer: None, evidence: Vec::new(), find_out: Some(find_out) })
    .collect()
}
