//! A root-cause report as data; its JSON Schema is published.

use crate::agent::lexicon::{FactorRule, LEXICON};
use crate::agent::{Evidence, Figure, Related, name};
use schemars::JsonSchema;
use serde::Serialize;

/// A root-cause report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootCauseReport {
    /// The intent of the request.
    pub title: String,
    /// The incident in a few sentences.
    pub summary: String,
    /// What the report is based on.
    pub basis: Basis,
    /// Who and what was affected.
    pub impact: Impact,
    /// What happened, in the order of time.
    pub timeline: Timeline,
    /// What triggered the incident.
    pub trigger: Trigger,
    /// What made the incident possible or worse, strongest evidence first.
    pub factors: Vec<Factor>,
    /// The five whys.
    pub whys: Vec<Why>,
    /// How fast the incident was noticed and ended.
    pub response: Response,
    /// What helped.
    pub went_well: Vec<String>,
    /// What to change.
    pub actions: Vec<CorrectiveAction>,
    /// Similar incidents of the past.
    pub related: Vec<Related>,
    /// Questions that the text leaves open.
    pub open_questions: Vec<String>,
}

/// What the report is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// Lines of the text that were read.
    pub lines_read: usize,
    /// Lines and statements past the bounds.
    pub lines_left_out: usize,
    /// The part of the system that the text names most often; omitted if it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Zone of the times.
    pub times: String,
    /// What memory contributed.
    pub memory: String,
}

/// Who and what was affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// When the impact began; omitted if the text does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// True if `started` is the first alert, because the text names no symptom before it: the impact began then or earlier.
    pub started_at_latest: bool,
    /// When the impact ended; omitted if the text does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Duration of the impact in minutes; omitted if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<i64>,
    /// The lines from which the duration follows, or what is missing.
    pub duration_basis: String,
    /// Statements about who was affected.
    pub scope: Vec<Evidence>,
    /// Numbers that the text names.
    pub numbers: Vec<Figure>,
}

/// What happened, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// Entries, earliest first.
    pub entries: Vec<TimelineEntry>,
    /// Number of less important entries that were omitted.
    pub left_out: usize,
    /// Events without a time.
    pub unplaced: Vec<Evidence>,
}

/// One entry of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The time.
    pub at: String,
    /// Minutes since the beginning of the impact; negative before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
    /// Kind of event.
    pub mark: Mark,
    /// Line of the text, from 1.
    pub line: usize,
    /// The statement.
    pub text: String,
    /// Number of lines that differ from this one in numbers only, plus one.
    pub occurrences: usize,
    /// Length of a long gap before this entry, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_minutes: Option<i64>,
}

/// Kind of event that a statement reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Something was changed.
    Change,
    /// Something failed.
    Symptom,
    /// A person or a monitor noticed the incident.
    Detected,
    /// A person acted or investigated.
    Response,
    /// An action that did not help.
    Attempt,
    /// An action that reduced the impact.
    Mitigated,
    /// The impact ended.
    Resolved,
    /// Anything else.
    Note,
}

/// What triggered the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// The trigger in one sentence.
    pub statement: String,
    /// How the trigger is known.
    pub basis: TriggerBasis,
    /// The statements behind it.
    pub evidence: Vec<Evidence>,
}

/// How the trigger is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerBasis {
    /// The text says so.
    Stated,
    /// The last change before the first symptom; a suspicion.
    LastChange,
    /// The first event of the text is a failure of an external provider; a suspicion.
    Outside,
    /// The text does not say.
    Unknown,
}

/// What made the incident possible or worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Factor {
    /// Kind of factor.
    pub category: Category,
    /// How well the text supports it.
    pub confidence: Confidence,
    /// What the factor means.
    pub reading: String,
    /// The statements behind it.
    pub evidence: Vec<Evidence>,
}

/// Kind of contributing factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A release, migration or other change.
    Change,
    /// Load met a limit.
    Capacity,
    /// An external service or another team's service failed.
    Dependency,
    /// A setting, certificate or permission.
    Configuration,
    /// Data that the code did not expect.
    Data,
    /// The way of working.
    Process,
    /// The incident was noticed late, or by customers first.
    Detection,
}

impl Category {
    pub const ALL: [Self; 7] = [
        Self::Change,
        Self::Capacity,
        Self::Dependency,
        Self::Configuration,
        Self::Data,
        Self::Process,
        Self::Detection,
    ];

    pub(super) fn rule(self) -> &'static FactorRule {
        &LEXICON.incident.factor[&name(&self)]
    }
}

/// How well the text supports a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// One statement suggests it.
    Possible,
    /// Several statements suggest it.
    Likely,
    /// The text names it as a cause.
    Stated,
}

/// One of the five whys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The question.
    pub question: String,
    /// The answer; omitted if the text has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The statements behind the answer.
    pub evidence: Vec<Evidence>,
    /// What to find out; omitted if the question has an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub find_out: Option<String>,
}

/// How fast the incident was noticed and ended, from the beginning of the impact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Until it was noticed.
    pub detect: Interval,
    /// Until the first action.
    pub act: Interval,
    /// Until the last action that helped.
    pub mitigate: Interval,
    /// Until the impact ended.
    pub resolve: Interval,
    /// Who noticed it: `alert`, `customer` or `person`; omitted if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_by: Option<String>,
}

/// A duration and the lines from which it follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Whole minutes; omitted if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
    /// The lines from which it follows, or what is missing.
    pub basis: String,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorrectiveAction {
    /// What to do.
    pub what: String,
    /// The factor or the line that calls for it.
    pub why: String,
    /// Name or role of the owner.
    pub owner: String,
    /// Urgency.
    pub priority: Priority,
    /// Due date (ISO 8601).
    pub due: String,
    /// How to verify that it works.
    pub verification: String,
}

/// Urgency of an action; it decides the due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Priority {
    /// Within a week.
    P1,
    /// Within a month.
    P2,
    /// Within a quarter.
    P3,
}

impl Priority {
    pub(super) const fn days(self) -> i64 {
        match self {
            Self::P1 => 7,
            Self::P2 => 30,
            Self::P3 => 90,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::lexicon::WhyRule;

    #[test]
    fn every_category_has_a_rule_and_every_answer_a_category() {
        assert_eq!(Category::ALL.map(Category::rule).len(), LEXICON.incident.factor.len());
        let categories = Category::ALL.map(|category| name(&category));
        let answered_by = |rule: &WhyRule| rule.answered_by.as_ref().is_none_or(|name| categories.contains(name));
        assert!(LEXICON.incident.why.iter().all(answered_by));
    }
}
