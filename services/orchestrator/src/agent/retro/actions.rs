//! Proposed action items: one for each of the most important themes, with an owner, a date and a measure. An item that is still
//! open continues instead of being proposed twice.

use super::plan::{ActionStatus, CarriedAction, ProposedAction, TeamContext, Theme};
use crate::agent::lexicon::LEXICON;
use crate::agent::source::{capitalised, cut};
use crate::agent::words;
use jiff::ToSpan;
use jiff::civil::Date;

/// A team that decides more items completes fewer.
const MAX_ACTIONS: usize = 3;
/// An earlier item that shares this part of its words is the same.
const SAME: f64 = 0.6;
const MAX_IDEA_CHARS: usize = 160;

pub(super) fn propose(
    themes: &[Theme],
    carried: &[CarriedAction],
    context: &TeamContext,
    today: Date,
) -> Vec<ProposedAction> {
    let due = today.saturating_add(i64::from(context.sprint_days).days()).to_string();
    let open = themes.iter().filter(|theme| theme.badly + theme.ideas > 0).take(MAX_ACTIONS);
    let mut actions: Vec<ProposedAction> = open.map(|theme| for_theme(theme, carried, &due)).collect();
    if actions.is_empty() {
        let theme = themes.first().map_or("Working together", |theme| &theme.title);
        actions.push(ProposedAction {
            what: "Choose the one practice that helped most in this sprint, and write down in two sentences how we keep it".to_owned(),
            theme: theme.to_owned(),
            owner: "Facilitator".to_owned(),
            due,
            measure: "At the next retrospective at least half of the team can name it and has used it".to_owned(),
            carries: None,
        });
    }
    actions
}

fn for_theme(theme: &Theme, carried: &[CarriedAction], due: &str) -> ProposedAction {
    let (mut what, owner, measure) = match theme.subject.map(|place| &LEXICON.retrospective.subject[place]) {
        Some(subject) => (subject.action.clone(), subject.owner.as_str(), subject.measure.as_str()),
        None => (
            format!("Find the first step on {} that is in our own hands, and try it for one sprint", theme.title),
            "The person who named it, with a second one",
            "At the next retrospective the team says keep, change or stop, by a show of hands",
        ),
    };
    if let Some(idea) = &theme.idea {
        let introduction = LEXICON.retrospective.introduction.find(&idea.text).filter(|cue| cue.start == 0);
        let idea = idea.text[introduction.map_or(0, |cue| cue.end)..].trim_start();
        what =
            format!("Try for one sprint: {}", capitalised(cut(idea, MAX_IDEA_CHARS).trim_end_matches(['.', '!', '?'])));
    }
    let words = words::significant(&what);
    let is_same = |action: &&CarriedAction| {
        action.status == ActionStatus::Open && words::overlap(&words::significant(&action.what), &words) >= SAME
    };
    let earlier = carried.iter().find(is_same);
    if let Some(action) = earlier {
        what = format!("Continue last time's item, and remove what stopped it: {}", action.what);
    }
    ProposedAction {
        what,
        theme: theme.title.clone(),
        owner: earlier.and_then(|action| action.owner.clone()).unwrap_or_else(|| owner.to_owned()),
        due: due.to_owned(),
        measure: measure.to_owned(),
        carries: earlier.and_then(|action| action.id.clone()),
    }
}
