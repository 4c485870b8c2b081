//! The shape of a root-cause report as data. How it is found or printed is not known here.

use crate::agent::{Evidence, Figure, Related};
use schemars::JsonSchema;
use serde::Serialize;

/// A root-cause report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootCauseReport {
    /// What was asked for.
    pub title: String,
    /// The incident in a few sentences.
    pub summary: String,
    /// What the report rests on.
    pub basis: Basis,
    /// Who and what was hit.
    pub impact: Impact,
    /// What happened, in order.
    pub timeline: Timeline,
    /// What set it off.
    pub trigger: Trigger,
    /// What made it possible or worse, strongest first.
    pub factors: Vec<Factor>,
    /// Five questions, each about the answer before it.
    pub whys: Vec<Why>,
    /// How fast it was noticed and ended.
    pub response: Response,
    /// What helped.
    pub went_well: Vec<String>,
    /// What to change.
    pub actions: Vec<CorrectiveAction>,
    /// Past incidents that look alike.
    pub related: Vec<Related>,
    /// What the text does not tell.
    pub open_questions: Vec<String>,
}

/// What the report rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// Lines of the text that were read.
    pub lines_read: usize,
    /// Lines and statements past the bounds.
    pub lines_left_out: usize,
    /// The part of the system that the text names most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How times were read.
    pub times: String,
    /// What memory contributed.
    pub memory: String,
}

/// Who and what was hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// When it began, as shown in the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// True where `started` is the first alert: the text knows no symptom before it, so that the impact began then at the latest.
    pub started_at_latest: bool,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How long it lasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<i64>,
    /// Where the duration comes from.
    pub duration_basis: String,
    /// Statements about who was hit.
    pub scope: Vec<Evidence>,
    /// Numbers that the text names.
    pub numbers: Vec<Figure>,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// Entries, earliest first.
    pub entries: Vec<TimelineEntry>,
    /// Entries that were left out because others say more.
    pub left_out: usize,
    /// Telling statements without a time.
    pub unplaced: Vec<Evidence>,
}

/// One entry of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The time.
    pub at: String,
    /// Minutes from the beginning of the impact, negative before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
    /// What kind of event it is.
    pub mark: Mark,
    /// Line of the text, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// How often lines of this form occur.
    pub occurrences: usize,
    /// Minutes before it of which the text tells nothing, where that is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_minutes: Option<i64>,
}

/// What kind of event a statement tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Something was changed.
    Change,
    /// Something failed.
    Symptom,
    /// Somebody or something noticed.
    Detected,
    /// Somebody acted or looked.
    Response,
    /// Something was tried and did not help.
    Attempt,
    /// Something was done about it.
    Mitigated,
    /// It ended.
    Resolved,
    /// Anything else.
    Note,
}

impl Mark {
    /// The word in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Symptom => "symptom",
            Self::Detected => "detected",
            Self::Response => "response",
            Self::Attempt => "attempt without effect",
            Self::Mitigated => "mitigation",
            Self::Resolved => "resolved",
            Self::Note => "note",
        }
    }
}

/// What set it off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// In one sentence.
    pub statement: String,
    /// How sure it is.
    pub basis: TriggerBasis,
    /// The statement behind it.
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
    /// The first event of the text is a failure of something that others run; a suspicion.
    Outside,
    /// The text does not tell.
    Unknown,
}

/// What made the incident possible or worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Factor {
    /// Its kind.
    pub category: Category,
    /// How sure it is.
    pub confidence: Confidence,
    /// What it means here.
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
    /// Something that others run.
    Dependency,
    /// A setting, certificate or permission.
    Configuration,
    /// Data that code did not expect.
    Data,
    /// The way of working.
    Process,
    /// It was noticed late, or not by us.
    Detection,
}

impl Category {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Change,
        Self::Capacity,
        Self::Dependency,
        Self::Configuration,
        Self::Data,
        Self::Process,
        Self::Detection,
    ];

    /// The word in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Change => "Change",
            Self::Capacity => "Capacity",
            Self::Dependency => "Dependency",
            Self::Configuration => "Configuration",
            Self::Data => "Data",
            Self::Process => "Process",
            Self::Detection => "Detection",
        }
    }
}

/// How sure a factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// One statement hints at it.
    Possible,
    /// Several statements point to it.
    Likely,
    /// The text names it as a cause.
    Stated,
}

impl Confidence {
    /// The word in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Stated => "stated in the text",
        }
    }
}

/// One of the five whys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The question.
    pub question: String,
    /// The answer, where the text has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The statements behind the answer.
    pub evidence: Vec<Evidence>,
    /// What to find out, where the text has no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub find_out: Option<String>,
}

/// How fast it was noticed and ended, from the beginning of the impact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Until somebody noticed.
    pub detect: Interval,
    /// Until somebody acted on it.
    pub act: Interval,
    /// Until something helped.
    pub mitigate: Interval,
    /// Until it was over.
    pub resolve: Interval,
    /// Who noticed: `alert`, `customer`, `person`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_by: Option<String>,
}

/// A time span and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Whole minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
    /// The lines it comes from, or what is missing.
    pub basis: String,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorrectiveAction {
    /// What to do.
    pub what: String,
    /// Why: the factor or the line.
    pub why: String,
    /// Role that owns it.
    pub owner: String,
    /// How urgent it is.
    pub priority: Priority,
    /// When it must be done (ISO 8601 date).
    pub due: String,
    /// How to see that it works.
    pub verification: String,
}

/// How urgent an action is; it decides the due date.
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
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }

    /// Days until it is due.
    pub const fn days(self) -> i64 {
        match self {
            Self::P1 => 7,
            Self::P2 => 30,
            Self::P3 => 90,
        }
    }
}
