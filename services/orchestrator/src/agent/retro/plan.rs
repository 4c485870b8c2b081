//! The shape of a retrospective plan as data. How it is found or printed is not known here.

use crate::agent::{Evidence, Figure};
use schemars::JsonSchema;
use serde::Serialize;

/// The plan of a retrospective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetrospectivePlan {
    /// What was asked for.
    pub title: String,
    /// The plan in a few sentences.
    pub summary: String,
    /// What it rests on.
    pub basis: Basis,
    /// The team as the notes show it.
    pub context: TeamContext,
    /// The form of the conversation.
    pub format: Format,
    /// Action items of earlier retrospectives.
    pub carried: Vec<CarriedAction>,
    /// The minutes; they add up to the box.
    pub agenda: Vec<Slot>,
    /// What the notes are about, heaviest first.
    pub themes: Vec<Theme>,
    /// Themes for which there is no time.
    pub parked: Vec<String>,
    /// What the team may decide to do.
    pub actions: Vec<ProposedAction>,
    /// What helps whoever facilitates.
    pub hints: Vec<String>,
}

/// What a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RetrospectiveBasis")]
pub struct Basis {
    /// Lines of the text that were read.
    pub lines_read: usize,
    /// Lines past the bound.
    pub lines_left_out: usize,
    /// Statements that were understood as notes.
    pub notes: usize,
    /// What memory contributed.
    pub memory: String,
}

/// The team as the notes show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamContext {
    /// People, where the notes say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_size: Option<u32>,
    /// Days of a sprint; 14 where the notes do not say.
    pub sprint_days: u32,
    /// `remote`, `hybrid` or `on_site`, where the notes say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Minutes of the retrospective.
    pub box_minutes: u32,
    /// Mood as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mood: Option<Evidence>,
    /// What the notes show about the situation.
    pub situations: Vec<Situation>,
    /// Numbers that the notes name.
    pub metrics: Vec<Figure>,
}

/// Something that changes how one facilitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// People are at odds.
    Tension,
    /// People are tired.
    Fatigue,
    /// There was an incident.
    Incident,
    /// Something was finished.
    Shipped,
    /// The team is new, or its members are.
    NewTeam,
    /// Few speak.
    Quiet,
    /// The notes are all praise.
    AllPraise,
}

/// The form of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Format {
    /// Its name.
    pub name: String,
    /// Its columns or stations.
    pub columns: Vec<String>,
    /// Why this one.
    pub reason: String,
}

/// An action item of an earlier retrospective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriedAction {
    /// Id of the memory; absent where the notes alone tell of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What was to be done.
    pub what: String,
    /// Who owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// How to see that it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// Whether it is done, by memory and by the notes.
    pub status: ActionStatus,
    /// Whether its date has passed while it is open.
    pub overdue: bool,
    /// What the notes say about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Evidence>,
}

/// Whether an action item is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionStatus {
    /// Not yet, as far as memory and the notes tell.
    Open,
    /// Somebody said so.
    Done,
}

/// Some minutes of the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Minute at which it begins, from 0.
    pub start_minute: u32,
    /// How long it is.
    pub minutes: u32,
    /// What it is.
    pub title: String,
    /// How to do it.
    pub how: String,
}

/// What several notes are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Theme {
    /// Its name.
    pub title: String,
    /// Notes that say it went well.
    pub well: usize,
    /// Notes that say it did not.
    pub badly: usize,
    /// Notes that propose something.
    pub ideas: usize,
    /// Notes, as written.
    pub quotes: Vec<Evidence>,
    /// Notes that are not quoted.
    pub more: usize,
    /// Open questions about it.
    pub questions: Vec<String>,
    #[serde(skip)]
    pub(super) subject: Option<super::subjects::Subject>,
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
    /// Role that owns it.
    pub owner: String,
    /// When it is due (ISO 8601 date).
    pub due: String,
    /// How to see that it worked.
    pub measure: String,
    /// Id of the earlier action item that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries: Option<String>,
}
