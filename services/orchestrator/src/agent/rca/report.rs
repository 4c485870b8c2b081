//! A root-cause report as data; its JSON Schema is published.

use crate::agent::{Evidence, Related};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// What made the incident possible or worse.
    pub factors: Vec<Factor>,
    /// The five whys.
    pub whys: Vec<Why>,
    /// Statements that praise something, with their line.
    pub went_well: Vec<Evidence>,
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
    /// Zone of the times.
    pub times: String,
    /// What memory contributed.
    pub memory: String,
}

/// Who and what was affected, from when to when.
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
    /// Minutes from the beginning until someone noticed; omitted if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noticed_after_minutes: Option<i64>,
    /// Who noticed it: `alert`, `customer` or `person`; omitted if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noticed_by: Option<String>,
    /// Statements about who was affected.
    pub scope: Vec<Evidence>,
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
}

/// Kind of event that a statement reports. The order is that of importance: a timeline that is too long omits the last kinds first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The impact ended.
    Resolved,
    /// An action that reduced the impact.
    Mitigated,
    /// An action that did not help.
    Attempt,
    /// A person or a monitor noticed the incident.
    Detected,
    /// Something was changed.
    Change,
    /// A person acted or investigated.
    Response,
    /// Something failed.
    Symptom,
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
    /// The text does not say.
    Unknown,
}

/// What made the incident possible or worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Factor {
    /// `change`, `capacity`, `dependency`, `configuration`, `data`, `process` or `detection`.
    pub category: String,
    /// What the factor means.
    pub reading: String,
    /// The statements behind it.
    pub evidence: Vec<Evidence>,
}

/// One of the five whys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The question.
    pub question: String,
    /// The answer of the text; omitted if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The statement behind the answer.
    pub evidence: Vec<Evidence>,
    /// What to find out; omitted if the question has an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub find_out: Option<String>,
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
    /// Due date (ISO 8601).
    pub due: String,
    /// How to verify that it works.
    pub verification: String,
}
