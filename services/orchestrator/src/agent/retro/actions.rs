//! Proposed action items: one for each of the most important themes, with an owner, a date and a measure. An item that is still
//! open continues instead of being proposed twice.

use super::plan::{ActionStatus, CarriedAction, Context, ProposedAction, Theme};
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
/// For an idea about no known subject.
const OWNER: &str = "The person who named it, with a second one";
const MEASURE: &str = "At the next retrospective the team says keep, change or stop, by a show of hands";

pub(super) fn propose(
    themes: &[Theme],
    carried: &[CarriedAction],
    context: &Context,
    today: Date,
) -> Vec<ProposedAction> {
    let due = today.saturating_add(i64::from(context.sprint_days).days()).to_string();
    let open = themes.iter().filter(|theme| theme.badly + theme.ideas > 0);
    open.filter_map(|theme| for_theme(theme, carried, &due)).take(MAX_ACTIONS).collect()
}

/// Returns the idea of the team, else the action of the subject. A complaint about no known subject has neither.
fn for_theme(theme: &Theme, carried: &[CarriedAction], due: &str) -> Option<ProposedAction> {
    let subject = theme.subject.map(|place| &LEXICON.retrospective.subject[place]);
    let idea = theme.idea.as_ref().map(|idea| {
        let introduction = LEXICON.retrospective.introduction.find(&idea.text).filter(|cue| cue.start == 0);
        let idea = idea.text[introduction.map_or(0, |cue| cue.end)..].trim_start();
        format!("Try for one sprint: {}", capitalised(cut(idea, MAX_IDEA_CHARS).trim_end_matches(['.', '!', '?'])))
    });
    let mut what = idea.or_else(|| subject.map(|subject| subject.action.clone()))?;
    let (owner, measure) = subject.map_or((OWNER, MEASURE), |subject| (&subject.owner, &subject.measure));
    let words = words::significant(&what);
    let is_same = |action: &&CarriedAction| {
        action.status == ActionStatus::Open && words::overlap(&words::significant(&action.what), &words) >= SAME
    };
    let earlier = carried.iter().find(is_same);
    if let Some(action) = earlier {
        what = format!("Continue last time's item, and remove what stopped it: {}", action.what);
    }
    Some(ProposedAction {
        what,
        theme: theme.title.clone(),
        owner: earlier.and_then(|action| action.owner.clone()).unwrap_or_else(|| owner.to_owned()),
        due: due.to_owned(),
        measure: measure.to_owned(),
        carries: earlier.and_then(|action| action.id.clone()),
    })
}
