//! The form of the conversation, chosen by the situation: the first rule that holds, with its reason.

use super::plan::{ActionStatus, CarriedAction, Format, Situation, TeamContext};

/// Open items of earlier retrospectives from which on following through comes before anything new.
const MANY_OPEN: usize = 3;
/// Minutes below which only a plain form fits.
const SHORT_BOX: u32 = 45;
/// Themes from which on the team should choose.
const MANY_THEMES: usize = 5;
/// Days from which on memory needs help.
const LONG_SPRINT: u32 = 28;

/// Chooses it.
pub(super) fn choose(context: &TeamContext, carried: &[CarriedAction], themes: usize) -> Format {
    let is = |situation| context.situations.contains(&situation);
    let open = carried.iter().filter(|action| action.status == ActionStatus::Open).count();
    let (name, columns, reason): (&str, &[&str], String) = if is(Situation::Tension) {
        (
            "Mad, Sad, Glad",
            &["Mad", "Sad", "Glad"],
            "the notes show tension, and feelings need a place before solutions do".to_owned(),
        )
    } else if open >= MANY_OPEN {
        (
            "Follow-through",
            &["Done and worth it", "Still worth doing", "Let go"],
            format!("{open} action items are still open, and adding more would not help"),
        )
    } else if is(Situation::Incident) || context.sprint_days >= LONG_SPRINT {
        let reason = if is(Situation::Incident) {
            "there was an incident, and a shared order of events comes before opinions"
        } else {
            "the sprint was long, and a shared order of events brings back its first weeks"
        };
        ("Timeline", &["What happened", "How it felt", "What we learned"], reason.to_owned())
    } else if is(Situation::Fatigue) {
        (
            "Energy levels",
            &["Gave energy", "Took energy", "Wish for next sprint"],
            "the notes show tired people, and what costs energy is the thing to find".to_owned(),
        )
    } else if context.box_minutes < SHORT_BOX {
        (
            "Start, Stop, Continue",
            &["Start", "Stop", "Continue"],
            format!("{} minutes leave time for a plain form only", context.box_minutes),
        )
    } else if is(Situation::NewTeam) {
        (
            "Start, Stop, Continue",
            &["Start", "Stop", "Continue"],
            "the team or some of it is new, and this form needs no explanation".to_owned(),
        )
    } else if themes > MANY_THEMES.min(super::themes::most(context.box_minutes)) - 1 && themes >= MANY_THEMES {
        (
            "Lean Coffee",
            &["To discuss", "Discussing", "Discussed"],
            format!("the notes have {themes} themes or more, and the team should choose among them"),
        )
    } else if is(Situation::Shipped) {
        (
            "Four Ls",
            &["Liked", "Learned", "Lacked", "Longed for"],
            "something was finished, and what was learned from it should stay".to_owned(),
        )
    } else {
        (
            "Sailboat",
            &["Wind", "Anchor", "Rocks", "Island"],
            "no special situation shows, and this form looks back and ahead".to_owned(),
        )
    };
    Format { name: name.to_owned(), columns: columns.iter().map(|column| (*column).to_owned()).collect(), reason }
}
