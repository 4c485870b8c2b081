//! A retrospective plan as data; its JSON Schema is published.

use crate::agent::Evidence;
use schemars::JsonSchema;
use serde::Serialize;

/// The plan of a retrospective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetrospectivePlan {
    /// The intent of the request.
    pub title: String,
    /// The plan in a few sentences.
    pub summary: String,
    /// What the plan is based on.
    pub basis: Basis,
    /// The length of the sprint and of the meeting.
    pub context: Context,
    /// Action items of earlier retrospectives.
    pub carried: Vec<CarriedAction>,
    /// The slots of the meeting; their minutes add up to the time box.
    pub agenda: Vec<Slot>,
    /// What the notes are about, most important first.
    pub themes: Vec<Theme>,
    /// Themes for which there is no time.
    pub parked: Vec<String>,
    /// What the team may decide to do.
    pub actions: Vec<ProposedAction>,
}

/// What a plan is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RetrospectiveBasis")]
pub struct Basis {
    /// Lines of the text that were read.
    pub lines_read: usize,
    /// Lines beyond the limit, which were not read.
    pub lines_left_out: usize,
    /// Number of statements that are notes of the team.
    pub notes: usize,
    /// What memory contributed.
    pub memory: String,
}

/// The length of the sprint and of the meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Days of a sprint; 14 if the notes do not say.
    pub sprint_days: u32,
    /// Minutes of the retrospective; 60 if the notes do not say.
    pub box_minutes: u32,
}

/// An action item of an earlier retrospective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriedAction {
    /// Id of the memory; omitted if only the notes mention the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What to do.
    pub what: String,
    /// Name or role of the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// State of the item by memory and by the notes.
    pub status: ActionStatus,
    /// True if the item is open and its due date has passed.
    pub overdue: bool,
    /// What the notes say about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Evidence>,
}

/// State of an action item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionStatus {
    /// Not reported as done.
    Open,
    /// Reported as done.
    Done,
}

/// A slot of the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Minute of the meeting at which it begins, from 0.
    pub start_minute: u32,
    /// Duration in minutes.
    pub minutes: u32,
    /// Title.
    pub title: String,
    /// How to do it.
    pub how: String,
}

/// A subject of one or several notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Theme {
    /// Its name.
    pub title: String,
    /// Number of notes that say it went well.
    pub well: usize,
    /// Number of notes that say it did not.
    pub badly: usize,
    /// Number of notes that propose something.
    pub ideas: usize,
    /// The first notes, as written.
    pub quotes: Vec<Evidence>,
    /// Open questions about it.
    pub questions: Vec<String>,
    /// Index of its subject in the lexicon.
    #[serde(skip)]
    pub(super) subject: Option<usize>,
    #[serde(skip)]
    pub(super) idea: Option<Evidence>,
}

/// What the team may decide to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposedAction {
    /// What to do.
    pub what: String,
    /// Its theme.
    pub theme: String,
    /// Name or role of the owner.
    pub owner: String,
    /// Due date (ISO 8601).
    pub due: String,
    /// How to see that it worked.
    pub measure: String,
    /// Id of the earlier action item that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries: Option<String>,
}
