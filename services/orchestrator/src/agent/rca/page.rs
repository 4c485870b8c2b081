//! A root-cause report as Markdown. The sections and their order are the same whatever the text says.

use super::prose::minutes;
use super::report::{Interval, RootCauseReport, TriggerBasis};
use crate::agent::markdown::{Page, inline, quote};
use crate::agent::source::capitalised;

impl RootCauseReport {
    /// The report for people.
    pub(crate) fn markdown(&self) -> String {
        let mut page = Page::new("Root-cause report", &self.title);
        page.section("Summary");
        page.paragraph(&inline(&self.summary));
        self.impact(&mut page);
        self.timeline(&mut page);
        page.section("Trigger");
        page.paragraph(&match (self.trigger.basis, self.trigger.evidence.first()) {
            (TriggerBasis::Stated, Some(_)) => {
                format!("Stated: {}", self.trigger.evidence.iter().map(quote).collect::<Vec<_>>().join(", with "))
            }
            (TriggerBasis::Outside, Some(evidence)) => {
                format!("Suspected, not proven. The first event lies outside: {}", quote(evidence))
            }
            (TriggerBasis::LastChange, Some(evidence)) => {
                format!("Suspected, not proven. The last change before the first symptom: {}", quote(evidence))
            }
            (TriggerBasis::Unknown, _) | (_, None) => format!("{}.", inline(&self.trigger.statement)),
        });
        self.causes(&mut page);
        self.learned(&mut page);
        self.follow_up(&mut page);
        page.finish()
    }

    fn impact(&self, page: &mut Page) {
        page.section("Impact");
        let lasted = self.impact.duration_minutes.map_or_else(|| "unknown".to_owned(), minutes);
        page.item(&format!("Duration: {lasted} ({})", inline(&self.impact.duration_basis)));
        for evidence in &self.impact.scope {
            page.item(&format!("Scope: {}", quote(evidence)));
        }
        if self.impact.scope.is_empty() {
            page.item("Scope: the text does not say who was hit");
        }
        if !self.impact.numbers.is_empty() {
            let numbers =
                self.impact.numbers.iter().map(|figure| format!("{} (line {})", inline(&figure.value), figure.line));
            page.item(&format!("Numbers in the text: {}", numbers.collect::<Vec<_>>().join(" · ")));
        }
    }

    fn timeline(&self, page: &mut Page) {
        page.section("Timeline");
        if self.timeline.entries.is_empty() {
            page.paragraph("The text names no time.");
        } else {
            let first = if self.impact.started_at_latest { "alert" } else { "symptom" };
            page.paragraph(&format!("{}; minutes count from the first {first}.", capitalised(&self.basis.times)));
            let mut rows = Vec::new();
            for entry in &self.timeline.entries {
                if let Some(silence) = entry.silence_minutes {
                    rows.push(vec![
                        String::new(),
                        String::new(),
                        String::new(),
                        format!("… no record for {} …", minutes(silence)),
                        String::new(),
                    ]);
                }
                let after = entry.minutes.map_or_else(String::new, |after| format!("{after:+}"));
                let times = if entry.occurrences > 1 { format!(" (× {})", entry.occurrences) } else { String::new() };
                rows.push(vec![
                    inline(&entry.at),
                    after,
                    entry.mark.title().to_owned(),
                    inline(&entry.text) + &times,
                    entry.line.to_string(),
                ]);
            }
            page.table(&["Time", "Min", "Event", "What", "Line"], rows);
        }
        if self.timeline.left_out > 0 {
            page.line(&format!("\n{} further entries say less and were left out.", self.timeline.left_out));
        }
        if !self.timeline.unplaced.is_empty() {
            page.line("\nWithout a time in the text:\n");
            for evidence in &self.timeline.unplaced {
                page.item(&quote(evidence));
            }
        }
    }

    fn causes(&self, page: &mut Page) {
        page.section("Contributing factors");
        for factor in &self.factors {
            page.item(&format!(
                "**{}** ({}): {}.",
                factor.category.title(),
                factor.confidence.title(),
                inline(&factor.reading)
            ));
            for evidence in &factor.evidence {
                page.line(&format!("  - {}", quote(evidence)));
            }
        }
        if self.factors.is_empty() {
            page.paragraph("The text has no evidence for one.");
        }
        page.section("Five whys");
        for (index, why) in self.whys.iter().enumerate() {
            page.line(&format!("{}. **{}**", index + 1, inline(&why.question)));
            let lines: Vec<String> = why.evidence.iter().map(|evidence| evidence.line.to_string()).collect();
            match (&why.answer, &why.find_out) {
                (Some(answer), _) => page.line(&format!("   {} (line {})", inline(answer), lines.join(", "))),
                (None, Some(find_out)) => page.line(&format!("   *Not in the text.* Find out {}.", inline(find_out))),
                (None, None) => page.line("   *Not in the text.*"),
            }
        }
    }

    fn learned(&self, page: &mut Page) {
        page.section("What went well");
        for well in &self.went_well {
            page.item(&inline(well));
        }
        if self.went_well.is_empty() {
            page.paragraph("The text tells of nothing; ask those who were there.");
        }
        page.section("Detection and response");
        let by = self.response.detected_by.as_deref().map_or_else(|| "unknown".to_owned(), inline);
        let row = |name: &str, interval: &Interval| {
            let spent = interval.minutes.map_or_else(|| "unknown".to_owned(), minutes);
            vec![name.to_owned(), spent, inline(&interval.basis)]
        };
        let rows = [
            row("Time to detect", &self.response.detect),
            row("Time to act", &self.response.act),
            row("Time to mitigate", &self.response.mitigate),
            row("Time to resolve", &self.response.resolve),
            vec!["Noticed by".to_owned(), by, String::new()],
        ];
        page.table(&["Figure", "Value", "From"], rows);
    }

    fn follow_up(&self, page: &mut Page) {
        page.section("Corrective actions");
        for (index, action) in self.actions.iter().enumerate() {
            page.line(&format!("{}. **{}** {}", index + 1, action.priority.name(), inline(&action.what)));
            page.line(&format!("   - Owner: {}; due {}", inline(&action.owner), action.due));
            page.line(&format!("   - Why: {}", inline(&action.why)));
            page.line(&format!("   - Works when: {}", inline(&action.verification)));
        }
        page.section("Related past incidents");
        for related in &self.related {
            page.item(&format!(
                "{} ({}, {}): {}",
                inline(&related.excerpt),
                inline(&related.created_at),
                inline(&related.id),
                inline(&related.why)
            ));
        }
        if self.related.is_empty() {
            page.paragraph(&format!("{}.", capitalised(&self.basis.memory)));
        }
        page.section("Open questions");
        for question in &self.open_questions {
            page.item(&inline(question));
        }
        if self.open_questions.is_empty() {
            page.paragraph("None.");
        }
        page.section("About this report");
        page.item(&format!("{} lines read, {} left out", self.basis.lines_read, self.basis.lines_left_out));
        page.item(&inline(&self.basis.memory));
        page.item("Quotes are the text's own words with their line; factors are found by rules, not judged");
    }
}
