//! Chooses format, agenda and hints from tables of the lexicon. A row of a table applies if its condition holds.

use super::plan::{ActionStatus, CarriedAction, Format, Situation, Slot, TeamContext, Theme};
use super::themes;
use crate::agent::lexicon::LEXICON;
use crate::agent::source::cut;
use std::cmp::Reverse;

/// Open items from which on following through comes before anything new.
const MANY_OPEN: usize = 3;
const LONG_SPRINT_DAYS: u32 = 28;
const SHORT_BOX_MINUTES: u32 = 45;
const MANY_THEMES: usize = 5;
/// In a team of this size a round of everyone takes too long.
const LARGE_TEAM: u32 = 9;
/// In a smaller team votes say little.
const SMALL_TEAM: u32 = 4;
/// Themes with a slot of their own.
const MAX_DISCUSSED: usize = 3;
const MAX_HINTS: usize = 7;

/// The conditions of the tables and the values of their placeholders.
pub(super) struct Facilitation<'a> {
    conditions: Vec<(&'static str, bool)>,
    values: Vec<(&'static str, String)>,
    themes: &'a [Theme],
    box_minutes: u32,
}

impl<'a> Facilitation<'a> {
    pub(super) fn new(context: &TeamContext, carried: &[CarriedAction], themes: &'a [Theme]) -> Self {
        let count = |wanted: fn(&CarriedAction) -> bool| carried.iter().filter(|action| wanted(action)).count();
        let open = count(|action| action.status == ActionStatus::Open);
        let (overdue, done) = (count(|action| action.overdue), count(|action| action.status == ActionStatus::Done));
        let people = context.team_size;
        let setting = context.setting.as_deref();
        // With less time the most important themes are chosen already.
        let many_themes = themes.len() >= MANY_THEMES && themes::most(context.box_minutes) >= MANY_THEMES;
        let is = |situation| context.situations.contains(&situation);
        let conditions = vec![
            ("always", true),
            ("many open", open >= MANY_OPEN),
            ("long sprint", context.sprint_days >= LONG_SPRINT_DAYS),
            ("short box", context.box_minutes < SHORT_BOX_MINUTES),
            ("many themes", many_themes),
            ("overdue", overdue > 0),
            ("reported done", done > 0),
            ("carried", !carried.is_empty()),
            ("large team", people.is_some_and(|people| people >= LARGE_TEAM)),
            ("small team", people.is_some_and(|people| people < SMALL_TEAM)),
            ("remote", setting == Some("remote")),
            ("hybrid", setting == Some("hybrid")),
            ("together", !matches!(setting, Some("remote" | "hybrid"))),
            ("themes", !themes.is_empty()),
            ("no theme", themes.is_empty()),
            ("one theme", themes.len() == 1),
            ("tension", is(Situation::Tension)),
            ("fatigue", is(Situation::Fatigue)),
            ("incident", is(Situation::Incident)),
            ("shipped", is(Situation::Shipped)),
            ("new team", is(Situation::NewTeam)),
            ("quiet", is(Situation::Quiet)),
            ("all praise", is(Situation::AllPraise)),
        ];
        let values = vec![
            ("{open}", open.to_string()),
            ("{overdue}", overdue.to_string()),
            ("{carried}", carried.len().to_string()),
            ("{themes}", themes.len().to_string()),
            ("{box}", context.box_minutes.to_string()),
            ("{people}", people.unwrap_or_default().to_string()),
        ];
        Self { conditions, values, themes, box_minutes: context.box_minutes }
    }

    fn holds(&self, condition: &str) -> bool {
        let known = self.conditions.iter().find(|(name, _)| *name == condition);
        known.expect("a test evaluates every condition of the lexicon").1
    }

    fn fill(&self, template: &str) -> String {
        self.values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Returns the first format whose condition holds.
    pub(super) fn format(&self) -> Format {
        let formats = LEXICON.retrospective.format.iter().filter(|rule| self.holds(&rule.when));
        let rule = formats.reduce(|first, _| first).expect("the last format of the lexicon always holds");
        Format { name: rule.name.clone(), columns: rule.columns.clone(), reason: self.fill(&rule.reason) }
    }

    pub(super) fn hints(&self) -> Vec<String> {
        let hints = LEXICON.retrospective.hint.iter().filter(|rule| self.holds(&rule.when));
        let mut hints: Vec<String> = hints.map(|rule| self.fill(&rule.text)).collect();
        hints.truncate(MAX_HINTS);
        hints
    }

    pub(super) fn agenda(&self, format: &Format) -> Vec<Slot> {
        let columns = format.columns.join(", ");
        let mut parts: Vec<(u32, String, String)> = Vec::new();
        for rule in &LEXICON.retrospective.slot {
            if rule.when == "for theme" {
                for theme in self.themes.iter().take(MAX_DISCUSSED) {
                    let title = rule.title.replace("{theme}", &cut(&theme.title, 60));
                    parts.push((rule.weight, title, rule.how.clone()));
                }
            } else if self.holds(&rule.when) {
                parts.push((rule.weight, rule.title.replace("{columns}", &columns), self.fill(&rule.how)));
            }
        }
        share(self.box_minutes, parts)
    }
}

/// Shares the box by weight, at least one minute each. The largest remainders get what rounding leaves, the earliest among equals.
fn share(minutes: u32, parts: Vec<(u32, String, String)>) -> Vec<Slot> {
    let total: u32 = parts.iter().map(|(weight, _, _)| weight).sum();
    let mut shares: Vec<u32> = parts.iter().map(|(weight, _, _)| (minutes * weight / total).max(1)).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| (Reverse(minutes * parts[index].0 % total), index));
    for &index in order.iter().cycle().take(minutes.saturating_sub(shares.iter().sum()) as usize) {
        shares[index] += 1;
    }
    while shares.iter().sum::<u32>() > minutes {
        let Some(longest) = shares.iter_mut().max() else { break };
        *longest -= 1;
    }
    let mut start_minute = 0;
    let mut slots = Vec::with_capacity(parts.len());
    for ((_, title, how), minutes) in parts.into_iter().zip(shares) {
        slots.push(Slot { start_minute, minutes, title, how });
        start_minute += minutes;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minutes_add_up_to_every_box_and_no_slot_is_empty() {
        for minutes in 15..=240 {
            for count in 4..=9 {
                let parts = (0..count).map(|index| (6 + index * 3, format!("s{index}"), String::new())).collect();
                let slots = share(minutes, parts);
                assert_eq!(slots.iter().map(|slot| slot.minutes).sum::<u32>(), minutes);
                assert!(slots.iter().all(|slot| slot.minutes >= 1));
                assert!(slots.windows(2).all(|pair| pair[0].start_minute + pair[0].minutes == pair[1].start_minute));
            }
        }
    }
}
