//! Writes one JSON object per event to stdout.

use crate::stdout;
use harness_core::stack::view::{Event, View};
use serde_json::json;

pub(super) struct Json;

impl View for Json {
    fn show(&self, event: Event) {
        let value = match event {
            Event::Stage(stage) => json!({ "event": "stage", "stage": stage }),
            Event::PartReady { part, after } => {
                json!({ "event": "ready", "part": part, "after_us": after.as_micros() as u64 })
            }
            Event::Progress { phase, progress } => {
                json!({ "event": "progress", "phase": phase, "progress": progress })
            }
            Event::Expectation(seen) => json!({ "event": "expectation", "expectation": seen }),
            Event::Finding(finding) => json!({ "event": "finding", "finding": finding }),
            Event::Note(note) => json!({ "event": "note", "note": note }),
            Event::Verdict(verdict) => json!({ "event": "verdict", "verdict": verdict }),
        };
        stdout::write(&format!("{value}\n"));
    }
}
