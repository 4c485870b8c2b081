//! A draft: an artefact whose prose a model may reword. Facts, figures, dates, order and structure are no prose.

use super::AgentInput;
use super::general::Brief;
use super::rca::RootCauseReport;
use super::retro::RetrospectivePlan;
use super::source::{clean, cut};
use mcp_contracts::orchestrator::Artefact;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest prose of one field, in characters.
pub const MAX_PROSE_CHARS: usize = 1_200;
/// Longest guidance for the model, in characters.
const MAX_GUIDANCE_CHARS: usize = 4_000;

/// An artefact whose prose may be reworded.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    report: Report,
    guidance: Option<String>,
    by_model: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    Rca(Box<RootCauseReport>),
    Retro(Box<RetrospectivePlan>),
    General(Box<Brief>),
}

/// A field that the draft does not have, or that a model may not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is not a prose field of the draft")]
pub struct UnknownField {
    /// Name of the field.
    pub field: String,
}

impl Draft {
    pub(crate) fn new(report: Report, input: &AgentInput<'_>) -> Self {
        let guidance = input.pattern.map(|pattern| pattern.chars().take(MAX_GUIDANCE_CHARS).collect());
        Self { report, guidance, by_model: false }
    }

    /// The injected pattern, which guides the wording.
    pub fn guidance(&self) -> Option<&str> {
        self.guidance.as_deref()
    }

    /// Names and texts of the prose fields, in the order of the artefact.
    pub fn prose(&self) -> Vec<(String, String)> {
        let mut report = self.report.clone();
        report.fields().into_iter().map(|(name, text)| (name, text.clone())).collect()
    }

    /// The draft with some of its prose reworded; each text becomes one line of bounded length, and a blank one changes nothing.
    ///
    /// # Errors
    /// Fails if a name is not that of a prose field.
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

    pub fn data(&self) -> Value {
        let data = match &self.report {
            Report::Rca(report) => serde_json::to_value(report),
            Report::Retro(plan) => serde_json::to_value(plan),
            Report::General(brief) => serde_json::to_value(brief),
        };
        data.expect("reports have string keys and no failing serializer")
    }

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
    fn prose(&mut self) -> Vec<(String, &mut String)> {
        let mut fields = vec![("summary".to_owned(), &mut self.summary)];
        // Only answered questions: a model must not answer one that the text leaves open.
        let answers = self.whys.iter_mut().enumerate().filter_map(|(index, why)| Some((index, why.answer.as_mut()?)));
        fields.extend(answers.map(|(index, answer)| (format!("why_{}", index + 1), answer)));
        fields.extend(numbered("action", self.actions.iter_mut().map(|action| &mut action.what)));
        fields
    }
}

impl RetrospectivePlan {
    fn prose(&mut self) -> Vec<(String, &mut String)> {
        let mut fields = vec![("summary".to_owned(), &mut self.summary)];
        fields.extend(numbered("action", self.actions.iter_mut().map(|action| &mut action.what)));
        fields
    }
}

impl Brief {
    fn prose(&mut self) -> Vec<(String, &mut String)> {
        let mut fields = vec![("summary".to_owned(), &mut self.summary)];
        fields.extend(numbered("step", self.steps.iter_mut()));
        fields
    }
}

fn numbered<'a>(
    name: &str,
    texts: impl Iterator<Item = &'a mut String>,
) -> impl Iterator<Item = (String, &'a mut String)> {
    texts.enumerate().map(move |(index, text)| (format!("{name}_{}", index + 1), text))
}
