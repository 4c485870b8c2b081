//! A retrospective plan as Markdown. The sections and their order are the same whatever the notes say.

use super::plan::{ActionStatus, CarriedAction, RetrospectivePlan, Situation};
use crate::agent::markdown::{Page, inline, quote};
use crate::agent::source::capitalised;

impl RetrospectivePlan {
    /// The plan for people.
    pub(crate) fn markdown(&self) -> String {
        let mut page = Page::new("Retrospective", &self.title);
        page.section("At a glance");
        page.paragraph(&inline(&self.summary));
        self.team(&mut page);
        page.section("Agenda");
        let rows = self.agenda.iter().map(|slot| {
            vec![
                format!("{:02}:{:02}", slot.start_minute / 60, slot.start_minute % 60),
                format!("{} min", slot.minutes),
                inline(&slot.title),
                inline(&slot.how),
            ]
        });
        page.table(&["From", "Time", "What", "How"], rows.collect::<Vec<_>>());
        self.opening_check(&mut page);
        self.themes(&mut page);
        self.decide(&mut page);
        page.section("For the facilitator");
        for hint in &self.hints {
            page.item(&inline(hint));
        }
        if self.hints.is_empty() {
            page.paragraph("Nothing special shows in the notes.");
        }
        page.section("About this plan");
        page.item(&format!(
            "{} lines read, {} left out; {} notes understood",
            self.basis.lines_read, self.basis.lines_left_out, self.basis.notes
        ));
        page.item(&capitalised(&self.basis.memory));
        page.item("Quotes are the team's own words with their line; themes are found by rules and are proposals");
        page.finish()
    }

    fn team(&self, page: &mut Page) {
        let context = &self.context;
        let size =
            context.team_size.map_or_else(|| "size not in the notes".to_owned(), |size| format!("{size} people"));
        let setting = context.setting.as_deref().map_or("setting not in the notes", |setting| match setting {
            "on_site" => "on site",
            other => other,
        });
        page.item(&format!("Team: {size}, {}, sprint of {} days", inline(setting), context.sprint_days));
        if let Some(mood) = &context.mood {
            page.item(&format!("Mood: {}", quote(mood)));
        }
        if !context.situations.is_empty() {
            let named: Vec<&str> = context.situations.iter().map(|situation| situation.title()).collect();
            page.item(&format!("What shows: {}", named.join(", ")));
        }
        if !context.metrics.is_empty() {
            let numbers =
                context.metrics.iter().map(|figure| format!("{} (line {})", inline(&figure.value), figure.line));
            page.item(&format!("Numbers in the notes: {}", numbers.collect::<Vec<_>>().join(" · ")));
        }
    }

    fn opening_check(&self, page: &mut Page) {
        page.section("Last time's action items");
        if self.carried.is_empty() {
            page.paragraph(&format!("{}.", capitalised(&self.basis.memory)));
            return;
        }
        page.table(&["Item", "Owner", "Due", "Status", "Ask"], self.carried.iter().map(row).collect::<Vec<_>>());
    }

    fn themes(&self, page: &mut Page) {
        page.section("Themes and questions");
        for (index, theme) in self.themes.iter().enumerate() {
            let counts = [(theme.badly, "went badly"), (theme.ideas, "ideas"), (theme.well, "went well")];
            let counts: Vec<String> =
                counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
            page.part(&format!("{}. {} ({})", index + 1, inline(&theme.title), counts.join(", ")));
            for evidence in &theme.quotes {
                page.item(&quote(evidence));
            }
            if theme.more > 0 {
                page.item(&format!("and {} more", theme.more));
            }
            page.line("\nAsk:\n");
            for question in &theme.questions {
                page.item(&inline(question));
            }
        }
        if self.themes.is_empty() {
            page.paragraph(
                "The notes name none yet. Ask: what would you like to see again in the next sprint, and what not?",
            );
        }
        if !self.parked.is_empty() {
            let named: Vec<String> = self.parked.iter().map(|title| inline(title)).collect();
            page.line(&format!("\nParked, because the box has no time for them: {}.", named.join("; ")));
        }
    }

    fn decide(&self, page: &mut Page) {
        page.section("Proposed action items");
        page.paragraph("Proposals to decide on; take one to three, in the team's own words.");
        for (index, action) in self.actions.iter().enumerate() {
            page.line(&format!("{}. **{}**", index + 1, inline(&action.what)));
            page.line(&format!("   - Theme: {}", inline(&action.theme)));
            page.line(&format!("   - Owner: {}; due {}", inline(&action.owner), action.due));
            page.line(&format!("   - Measure: {}", inline(&action.measure)));
        }
    }
}

impl Situation {
    const fn title(self) -> &'static str {
        match self {
            Self::Tension => "tension",
            Self::Fatigue => "tired people",
            Self::Incident => "an incident",
            Self::Shipped => "something finished",
            Self::NewTeam => "new people",
            Self::Quiet => "few speak",
            Self::AllPraise => "all praise",
        }
    }
}

fn row(action: &CarriedAction) -> Vec<String> {
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), inline);
    let said = action.said.as_ref().map_or_else(String::new, |said| format!(", line {}", said.line));
    let (status, ask) = match (action.status, action.overdue) {
        (ActionStatus::Done, _) => (
            format!("reported done{said}"),
            action.measure.as_deref().map_or_else(
                || "Did it have an effect?".to_owned(),
                |measure| format!("Do we see it? {}", inline(measure)),
            ),
        ),
        (ActionStatus::Open, true) => {
            (format!("open, overdue{said}"), "Still worth it? What stood in the way?".to_owned())
        }
        (ActionStatus::Open, false) => (format!("open{said}"), "How far is it, and what does it need?".to_owned()),
    };
    vec![inline(&action.what), or_none(&action.owner), or_none(&action.due), status, ask]
}
