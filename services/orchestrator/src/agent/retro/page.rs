//! A retrospective plan as Markdown. The sections and their order do not depend on the notes.

use super::plan::{ActionStatus, CarriedAction, ProposedAction, RetrospectivePlan, Slot, Theme};
use crate::agent::markdown::{Page, inline, numbers, quote};
use crate::agent::source::capitalised;
use crate::agent::{counted, name};

impl RetrospectivePlan {
    pub(crate) fn markdown(&self) -> String {
        let mut page = Page::new("Retrospective", &self.title);
        page.section("At a glance");
        page.paragraph(&inline(&self.summary));
        self.team(&mut page);
        page.section("Agenda");
        let slot = |slot: &Slot| {
            let from = format!("{:02}:{:02}", slot.start_minute / 60, slot.start_minute % 60);
            vec![from, format!("{} min", slot.minutes), inline(&slot.title), inline(&slot.how)]
        };
        page.table(&["From", "Time", "What", "How"], self.agenda.iter().map(slot));
        page.section("Last time's action items");
        if self.carried.is_empty() {
            page.paragraph(&format!("{}.", capitalised(&self.basis.memory)));
        } else {
            page.table(&["Item", "Owner", "Due", "Status", "Ask"], self.carried.iter().map(row));
        }
        self.themes(&mut page);
        page.section("Proposed action items");
        page.paragraph("Proposals to decide on; take one to three, in the team's own words.");
        self.actions.iter().enumerate().for_each(|(index, one)| action(&mut page, index + 1, one));
        let none = "The notes show nothing special.";
        page.list("For the facilitator", self.hints.iter().map(|hint| inline(hint)), none);
        page.section("About this plan");
        let basis = &self.basis;
        let notes = counted(basis.notes, "note");
        page.item(&format!("{} lines read, {} not read; {notes}", basis.lines_read, basis.lines_left_out));
        page.item(&capitalised(&basis.memory));
        page.item("Quotes are the team's own words with their line; themes are found by rules and are proposals");
        page.finish()
    }

    fn team(&self, page: &mut Page) {
        let context = &self.context;
        let size = context.team_size.map_or("size not in the notes".to_owned(), |size| format!("{size} people"));
        let setting =
            context.setting.as_deref().map_or("setting not in the notes".to_owned(), |one| one.replace('_', " "));
        page.item(&format!("Team: {size}, {}, sprint of {} days", inline(&setting), context.sprint_days));
        if let Some(mood) = &context.mood {
            page.item(&format!("Mood: {}", quote(mood)));
        }
        if !context.situations.is_empty() {
            let named: Vec<String> = context.situations.iter().map(name).collect();
            page.item(&format!("Situation: {}", named.join(", ")));
        }
        if let Some(numbers) = numbers(&context.metrics) {
            page.item(&format!("Numbers in the notes: {numbers}"));
        }
    }

    fn themes(&self, page: &mut Page) {
        page.section("Themes and questions");
        self.themes.iter().enumerate().for_each(|(index, one)| theme(page, index + 1, one));
        if self.themes.is_empty() {
            page.paragraph(
                "The notes name none yet. Ask: what would you like to see again in the next sprint, and what not?",
            );
        }
        if !self.parked.is_empty() {
            let parked: Vec<String> = self.parked.iter().map(|title| inline(title)).collect();
            page.line(&format!("\nParked, because the time box is too short for them: {}.", parked.join("; ")));
        }
    }
}

fn theme(page: &mut Page, number: usize, theme: &Theme) {
    let counts = [(theme.badly, "went badly"), (theme.ideas, "ideas"), (theme.well, "went well")];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    let counts: Vec<String> = counts.collect();
    page.line(&format!("\n### {number}. {} ({})\n", inline(&theme.title), counts.join(", ")));
    theme.quotes.iter().for_each(|evidence| page.item(&quote(evidence)));
    if theme.more > 0 {
        page.item(&format!("and {} more", theme.more));
    }
    page.line("\nAsk:\n");
    theme.questions.iter().for_each(|question| page.item(&inline(question)));
}

fn row(action: &CarriedAction) -> Vec<String> {
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), inline);
    let line = action.said.as_ref().map_or_else(String::new, |said| format!(", line {}", said.line));
    let effect = action.measure.as_deref().map(|measure| format!("Do we see it? {}", inline(measure)));
    let (status, ask) = match (action.status, action.overdue) {
        (ActionStatus::Done, _) => ("reported done", effect.unwrap_or_else(|| "Did it have an effect?".to_owned())),
        (ActionStatus::Open, true) => ("open, overdue", "Still worth it? What stood in the way?".to_owned()),
        (ActionStatus::Open, false) => ("open", "How far is it, and what does it need?".to_owned()),
    };
    vec![inline(&action.what), or_none(&action.owner), or_none(&action.due), format!("{status}{line}"), ask]
}

fn action(page: &mut Page, number: usize, action: &ProposedAction) {
    page.line(&format!("{number}. **{}**", inline(&action.what)));
    page.line(&format!("   - Theme: {}", inline(&action.theme)));
    page.line(&format!("   - Owner: {}; due {}", inline(&action.owner), action.due));
    page.line(&format!("   - Measure: {}", inline(&action.measure)));
}
