//! Measures the detectors on the labelled texts: recall, precision and false alarms. A test holds the required values.

use super::any;
use super::corpus::{Sample, samples};
use mcp_contracts::guardrails::Detection;
use serde::Serialize;
use std::fmt::Write;

/// Texts that a figure covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleSet {
    /// Every text.
    All,
    /// The ones that the detectors were never tuned on.
    HeldOut,
}

/// Figures of one detection over one part of the texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// What was looked for.
    pub detection: Detection,
    /// The texts.
    pub part: SampleSet,
    /// Number of texts that contain the detection.
    pub positives: usize,
    /// Number of texts that do not contain it.
    pub negatives: usize,
    /// Number of these that were written to look like it.
    pub hard_negatives: usize,
    /// Texts that have it and in which it was not found, by id.
    pub missed: Vec<String>,
    /// Texts that do not have it and in which it was found, by id.
    pub false_alarms: Vec<String>,
    /// Number of false alarms on hard negatives.
    pub hard_false_alarms: usize,
}

impl Figures {
    /// Share of the positives that were found.
    pub fn recall(&self) -> f64 {
        share(self.positives - self.missed.len(), self.positives)
    }

    /// Share of the reported texts that are positives.
    pub fn precision(&self) -> f64 {
        let found = self.positives - self.missed.len();
        share(found, found + self.false_alarms.len())
    }

    /// Share of the negatives with a false alarm.
    pub fn false_positive_rate(&self) -> f64 {
        share(self.false_alarms.len(), self.negatives)
    }

    /// Share of the hard negatives with a false alarm.
    pub fn hard_false_positive_rate(&self) -> f64 {
        share(self.hard_false_alarms, self.hard_negatives)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Figures of every detection, over all texts and over those held out.
///
/// # Errors
/// Says which line of the texts cannot be read.
pub fn figures() -> Result<Vec<Figures>, String> {
    let samples = samples()?;
    let mut figures = Vec::new();
    for part in [SampleSet::All, SampleSet::HeldOut] {
        let chosen: Vec<&Sample> = samples.iter().filter(|sample| part == SampleSet::All || sample.held_out).collect();
        figures.extend(Detection::ALL.map(|detection| of(&chosen, detection, part)));
    }
    Ok(figures)
}

fn of(samples: &[&Sample], detection: Detection, part: SampleSet) -> Figures {
    let (positives, negatives): (Vec<&Sample>, Vec<&Sample>) =
        samples.iter().partition(|sample| sample.labels.contains(&detection));
    let hard = |sample: &&&Sample| sample.topic == detection;
    let missed = positives.iter().filter(|sample| !any(&sample.text, detection));
    let alarms: Vec<&&Sample> = negatives.iter().filter(|sample| any(&sample.text, detection)).collect();
    Figures {
        detection,
        part,
        positives: positives.len(),
        negatives: negatives.len(),
        hard_negatives: negatives.iter().filter(hard).count(),
        missed: missed.map(|sample| sample.id.clone()).collect(),
        false_alarms: alarms.iter().map(|sample| sample.id.clone()).collect(),
        hard_false_alarms: alarms.iter().filter(|sample| sample.topic == detection).count(),
    }
}

/// The figures as a table or as JSON.
///
/// # Errors
/// As [`figures`].
pub fn report(json: bool) -> Result<String, String> {
    let figures = figures()?;
    if json {
        let rows: Vec<serde_json::Value> = figures.iter().map(row).collect();
        return serde_json::to_string_pretty(&rows).map(|text| text + "\n").map_err(|error| error.to_string());
    }
    Ok(table(&figures))
}

fn row(figures: &Figures) -> serde_json::Value {
    let mut row = serde_json::json!(figures);
    row["recall"] = figures.recall().into();
    row["precision"] = figures.precision().into();
    row["falsePositiveRate"] = figures.false_positive_rate().into();
    row["hardFalsePositiveRate"] = figures.hard_false_positive_rate().into();
    row
}

fn table(figures: &[Figures]) -> String {
    let mut text = format!(
        "{:<18}{:<10}{:>10}{:>10}{:>9}{:>11}{:>8}{:>9}\n",
        "detection", "texts", "with", "without", "recall", "precision", "false", "of hard"
    );
    for of in figures {
        let part = if of.part == SampleSet::All { "all" } else { "held out" };
        let _ = writeln!(
            text,
            "{:<18}{:<10}{:>10}{:>10}{:>9.3}{:>11.3}{:>8.3}{:>9.3}",
            of.detection.name(),
            part,
            of.positives,
            of.negatives,
            of.recall(),
            of.precision(),
            of.false_positive_rate(),
            of.hard_false_positive_rate(),
        );
    }
    for (name, date) in super::tables() {
        let _ = writeln!(text, "table {name}: facts of {date}");
    }
    for of in figures.iter().filter(|of| of.part == SampleSet::All) {
        for (what, ids) in [("missed", &of.missed), ("false alarm", &of.false_alarms)] {
            for id in ids {
                let _ = writeln!(text, "{what}: {} in {id}", of.detection.name());
            }
        }
    }
    text
}
