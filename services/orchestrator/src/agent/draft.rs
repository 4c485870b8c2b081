//! A draft: an artefact whose prose may still be worded better. Which fields are prose is decided here by the artefacts
//! themselves; facts, figures, dates, order and structure are never among them.

use super::AgentInput;
use super::general::Brief;
use super::rca::RootCauseReport;
use super::retro::RetrospectivePlan;
use super::source::{clean, cut};
use mcp_contracts::orchestrator::Artefact;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest text of one field, in characters.
pub const MAX_PROSE_CHARS: usize = 1_200;
/// Longest guidance that is passed on, in characters.
const MAX_GUIDANCE_CHARS: usize = 4_000;

/// An artefact whose prose is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    report: Report,
    guidance: Option<String>,
    by_model: bool,
}

/// What an agent wrote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    Rca(Box<RootCauseReport>),
    Retro(Box<RetrospectivePlan>),
    General(Box<Brief>),
}

impl From<RootCauseReport> for Report {
    fn from(report: RootCauseReport) -> Self {
        Self::Rca(Box::new(report))
    }
}

impl From<RetrospectivePlan> for Report {
    fn from(plan: RetrospectivePlan) -> Self {
        Self::Retro(Box::new(plan))
    }
}

impl From<Brief> for Report {
    fn from(brief: Brief) -> Self {
        Self::General(Box::new(brief))
    }
}

/// A field that no draft of this kind has, or that a model may not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is no prose field of the draft")]
pub struct UnknownField {
    /// Its name.
    pub field: String,
}

impl Draft {
    pub(crate) fn new(report: impl Into<Report>, input: &AgentInput<'_>) -> Self {
        let guidance = input.pattern.map(|pattern| pattern.chars().take(MAX_GUIDANCE_CHARS).collect());
        Self { report: report.into(), guidance, by_model: false }
    }

    /// The pattern that guides the wording, where one was injected.
    pub fn guidance(&self) -> Option<&str> {
        self.guidance.as_deref()
    }

    /// Names and present texts of the prose fields, in the order of the artefact.
    pub fn prose(&self) -> Vec<(String, String)> {
        let mut report = self.report.clone();
        report.fields().into_iter().map(|(name, text)| (name, text.clone())).collect()
    }

    /// The draft with some of its prose in other words; each becomes one line of bounded length, blank ones are passed over.
    ///
    /// # Errors
    /// Names a field that is none; nothing is taken then.
    pub fn completed(&self, wording: &BTreeMap<String, String>) -> Result<Self, UnknownField> {
        let mut draft = self.clone();
        let mut fields: BTreeMap<String, &mut String> = draft.report.fields().into_iter().collect();
        for (name, text) in wording {
            let field = fields.get_mut(name).ok_or_else(|| UnknownField { field: cut(&clean(name), 60) })?;
            let text = cut(&clean(text), MAX_PROSE_CHARS);
            if text.chars().any(char::is_alphanumeric) {
                **field = text;
            }
        }
        draft.by_model = true;
        Ok(draft)
    }

    /// The artefact as data.
    pub fn data(&self) -> Value {
        let data = match &self.report {
            Report::Rca(report) => serde_json::to_value(report),
            Report::Retro(plan) => serde_json::to_value(plan),
            Report::General(brief) => serde_json::to_value(brief),
        };
        data.expect("reports have string keys and no failing serializer")
    }

    /// The artefact.
    pub fn artefact(&self) -> Artefact {
        let (kind, markdown) = match &self.report {
            Report::Rca(report) => ("root_cause_report", report.markdown()),
            Report::Retro(plan) => ("retrospective_plan", plan.markdown()),
            Report::General(brief) => ("brief", brief.markdown()),
        };
        let written_by = if self.by_model { "model" } else { "template" };
        Artefact { kind: kind.to_owned(), written_by: written_by.to_owned(), markdown, data: self.data() }
    }
}

impl Report {
    fn fields(&mut self) -> Vec<(String, &mut String)> {
        match self {
            Self::Rca(report) => report.prose(),
            Self::Retro(plan) => plan.prose(),
            Self::General(brief) => brief.prose(),
        }
    }
}

impl RootCauseReport {
    /// The summary, the answered whys (an open one stays open) and the wording of the actions.
    fn prose(&mut self) -> Vec<(String, &mut String)> {
        let mut fields = vec![("summary".to_owned(), &mut self.summary)];
        for (index, why) in self.whys.iter_mut().enumerate() {
            fields.extend(why.answer.as_mut().map(|answer| (format!("why_{}", index + 1), answer)));
        }
        fields.extend(
            self.actions
                .iter_mut()
                .enumerate()
                .map(|(index, action)| (format!("action_{}", index + 1), &mut action.what)),
        );
        fields
    }
}

impl RetrospectivePlan {
    /// The summary and the wording of the proposed actions.
    fn prose(&mut self) -> Vec<(String, &mut String)> {
        let mut fields = vec![("summary".to_owned(), &mut self.summary)];
        fields.extend(
            self.actions
                .iter_mut()
                .enumerate()
                .map(|(index, action)| (format!("action_{}", index + 1), &mut action.what)),
        );
        fields
    }
}

impl Brief {
    /// The summary and the wording of the steps.
    fn prose(&mut self) -> Vec<(String, &mut String)> {
        let mut fields = vec![("summary".to_owned(), &mut self.summary)];
        fields.extend(self.steps.iter_mut().enumerate().map(|(index, step)| (format!("step_{}", index + 1), step)));
        fields
    }
}
