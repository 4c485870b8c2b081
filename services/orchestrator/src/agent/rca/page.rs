//! A root-cause report as Markdown. The sections and their order do not depend on the text.

use super::prose::duration_text;
use super::report::{CorrectiveAction, Interval, RootCauseReport, TimelineEntry, TriggerBasis, Why};
use crate::agent::markdown::{Page, inline, numbers, quote, related};
use crate::agent::name;
use crate::agent::source::capitalised;

impl RootCauseReport {
    pub(crate) fn markdown(&self) -> String {
        let mut page = Page::new("Root-cause report", &self.title);
        page.section("Summary");
        page.paragraph(&inline(&self.summary));
        self.impact(&mut page);
        self.timeline(&mut page);
        page.section("Trigger");
        let trigger = self.trigger.evidence.first().map(quote);
        page.paragraph(&match (self.trigger.basis, trigger) {
            (TriggerBasis::Stated, Some(fact)) => format!("Stated: {fact}"),
            (TriggerBasis::LastChange, Some(fact)) => {
                format!("Suspected, not proven. The last change before the first symptom: {fact}")
            }
            (TriggerBasis::Outside, Some(fact)) => {
                format!("Suspected, not proven. The first event is a failure of a provider: {fact}")
            }
            (TriggerBasis::Unknown, _) | (_, None) => format!("{}.", inline(&self.trigger.statement)),
        });
        self.causes(&mut page);
        page.list("What went well", self.went_well.iter().map(|well| inline(well)), "The text does not say.");
        self.response(&mut page);
        page.section("Corrective actions");
        self.actions.iter().enumerate().for_each(|(index, one)| action(&mut page, index + 1, one));
        let none = format!("{}.", capitalised(&self.basis.memory));
        page.list("Related past incidents", self.related.iter().map(related), &none);
        page.list("Open questions", self.open_questions.iter().map(|question| inline(question)), "None.");
        page.section("About this report");
        page.item(&format!("{} lines read, {} not read", self.basis.lines_read, self.basis.lines_left_out));
        page.item(&inline(&self.basis.memory));
        page.item("Quotes are the text's own words with their line; factors are found by rules and not judged");
        page.finish()
    }

    fn impact(&self, page: &mut Page) {
        page.section("Impact");
        let lasted = self.impact.duration_minutes.map_or_else(|| "unknown".to_owned(), duration_text);
        page.item(&format!("Duration: {lasted} ({})", inline(&self.impact.duration_basis)));
        for evidence in &self.impact.scope {
            page.item(&format!("Scope: {}", quote(evidence)));
        }
        if self.impact.scope.is_empty() {
            page.item("Scope: the text does not say who was affected");
        }
        if let Some(numbers) = numbers(&self.impact.numbers) {
            page.item(&format!("Numbers in the text: {numbers}"));
        }
    }

    fn timeline(&self, page: &mut Page) {
        page.section("Timeline");
        let timeline = &self.timeline;
        if timeline.entries.is_empty() {
            page.paragraph("The text names no time.");
        } else {
            let first = if self.impact.started_at_latest { "alert" } else { "symptom" };
            page.paragraph(&format!("{}; minutes count from the first {first}.", capitalised(&self.basis.times)));
            page.table(&["Time", "Min", "Event", "What", "Line"], timeline.entries.iter().flat_map(rows));
        }
        if timeline.left_out > 0 {
            page.line(&format!("\n{} less important entries are omitted.", timeline.left_out));
        }
        if !timeline.unplaced.is_empty() {
            page.line("\nWithout a time in the text:\n");
            timeline.unplaced.iter().for_each(|evidence| page.item(&quote(evidence)));
        }
    }

    fn causes(&self, page: &mut Page) {
        page.section("Contributing factors");
        for factor in &self.factors {
            let (title, confidence) = (capitalised(&name(&factor.category)), name(&factor.confidence));
            page.item(&format!("**{title}** ({confidence}): {}.", inline(&factor.reading)));
            factor.evidence.iter().for_each(|evidence| page.line(&format!("  - {}", quote(evidence))));
        }
        if self.factors.is_empty() {
            page.paragraph("The text has no evidence for one.");
        }
        page.section("Five whys");
        self.whys.iter().enumerate().for_each(|(index, one)| why(page, index + 1, one));
    }

    fn response(&self, page: &mut Page) {
        page.section("Detection and response");
        let row = |name: &str, interval: &Interval| {
            let spent = interval.minutes.map_or_else(|| "unknown".to_owned(), duration_text);
            vec![name.to_owned(), spent, inline(&interval.basis)]
        };
        let by = self.response.detected_by.as_deref().map_or_else(|| "unknown".to_owned(), inline);
        let rows = [
            row("Time to detect", &self.response.detect),
            row("Time to act", &self.response.act),
            row("Time to mitigate", &self.response.mitigate),
            row("Time to resolve", &self.response.resolve),
            vec!["Noticed by".to_owned(), by, String::new()],
        ];
        page.table(&["Figure", "Value", "From"], rows);
    }
}

/// The row of an entry, after a row for the gap before it.
fn rows(entry: &TimelineEntry) -> Vec<Vec<String>> {
    let none = String::new;
    let gap = entry.silence_minutes.map(duration_text);
    let gap = gap.map(|gap| vec![none(), none(), none(), format!("… no record for {gap} …"), none()]);
    let after = entry.minutes.map_or_else(none, |after| format!("{after:+}"));
    let times = if entry.occurrences > 1 { format!(" (× {})", entry.occurrences) } else { none() };
    let text = inline(&entry.text) + &times;
    let row = vec![inline(&entry.at), after, name(&entry.mark), text, entry.line.to_string()];
    gap.into_iter().chain([row]).collect()
}

fn why(page: &mut Page, number: usize, why: &Why) {
    page.line(&format!("{number}. **{}**", inline(&why.question)));
    let lines: Vec<String> = why.evidence.iter().map(|evidence| evidence.line.to_string()).collect();
    match (&why.answer, &why.find_out) {
        (Some(answer), _) => page.line(&format!("   {} (line {})", inline(answer), lines.join(", "))),
        (None, find_out) => {
            let find_out = find_out.as_deref().map_or_else(String::new, inline);
            page.line(&format!("   *Not in the text.* Find out {find_out}."));
        }
    }
}

fn action(page: &mut Page, number: usize, action: &CorrectiveAction) {
    page.line(&format!("{number}. **{}** {}", name(&action.priority), inline(&action.what)));
    page.line(&format!("   - Owner: {}; due {}", inline(&action.owner), action.due));
    page.line(&format!("   - Why: {}", inline(&action.why)));
    page.line(&format!("   - Verified if: {}", inline(&action.verification)));
}
