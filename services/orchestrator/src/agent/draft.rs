//! A draft: an artefact whose prose a model may reword. Facts, figures, dates, order and structure are no prose.

use super::AgentInput;
use super::markdown::render;
use super::source::{clean, cut};
use mcp_contracts::orchestrator::Artefact;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest prose of one field, in characters.
pub const MAX_PROSE_CHARS: usize = 1_200;
/// Longest guidance for the model, in characters.
const MAX_GUIDANCE_CHARS: usize = 4_000;
/// Lists whose items have prose: the name of the field, the list, and the key in an item. An open why has no answer, so a model
/// cannot answer what the text leaves open.
const PROSE: [(&str, &str, &str); 3] =
    [("why", "whys", "/answer"), ("action", "actions", "/what"), ("step", "steps", "")];

/// An artefact whose prose may be reworded.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Name of the template.
    kind: &'static str,
    data: Value,
    guidance: Option<String>,
    by_model: bool,
}

/// A field that the draft does not have, or that a model may not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is not a prose field of the draft")]
pub struct UnknownField {
    pub field: String,
}

impl Draft {
    pub(crate) fn new(kind: &'static str, report: &impl Serialize, input: &AgentInput<'_>) -> Self {
        let data = serde_json::to_value(report).expect("reports have string keys and no failing serializer");
        let guidance = input.pattern.map(|pattern| pattern.chars().take(MAX_GUIDANCE_CHARS).collect());
        Self { kind, data, guidance, by_model: false }
    }

    /// Returns the injected pattern, which guides the wording.
    pub fn guidance(&self) -> Option<&str> {
        self.guidance.as_deref()
    }

    /// Names and texts of the prose fields, in the order of the artefact.
    pub fn prose(&self) -> Vec<(String, String)> {
        let text = |pointer: &String| self.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        self.pointers().into_iter().filter_map(|(name, pointer)| Some((name, text(&pointer)?))).collect()
    }

    /// Names and JSON pointers of the prose fields.
    fn pointers(&self) -> Vec<(String, String)> {
        let mut pointers = vec![("summary".to_owned(), "/summary".to_owned())];
        for (name, list, key) in PROSE {
            let count = self.data[list].as_array().map_or(0, Vec::len);
            let of_item = |index| (format!("{name}_{}", index + 1), format!("/{list}/{index}{key}"));
            let has_text = |(_, pointer): &(String, String)| self.data.pointer(pointer).is_some_and(Value::is_string);
            pointers.extend((0..count).map(of_item).filter(has_text));
        }
        pointers
    }

    /// Returns the draft with some of its prose reworded. Each text becomes one line of limited length; a blank text changes nothing. Fails if a
    /// name is not that of a prose field.
    pub fn completed(&self, wording: &BTreeMap<String, String>) -> Result<Self, UnknownField> {
        let pointers: BTreeMap<String, String> = self.pointers().into_iter().collect();
        let mut draft = Self { by_model: true, ..self.clone() };
        for (name, text) in wording {
            let pointer = pointers.get(name).ok_or_else(|| UnknownField { field: cut(&clean(name), 60) })?;
            let text = cut(&clean(text), MAX_PROSE_CHARS);
            if text.chars().any(char::is_alphanumeric)
                && let Some(field) = draft.data.pointer_mut(pointer)
            {
                *field = Value::String(text);
            }
        }
        Ok(draft)
    }

    pub fn data(&self) -> &Value {
        &self.data
    }

    pub fn artefact(&self) -> Artefact {
        let written_by = if self.by_model { "model" } else { "template" };
        let markdown = render(self.kind, &self.data);
        Artefact { kind: self.kind.to_owned(), written_by: written_by.to_owned(), markdown, data: self.data.clone() }
    }
}
