//! What the team may decide to do: one item for each of the heaviest themes, with an owner, a date and a measure. An item that is
//! still open from last time goes on instead of getting a twin.

use super::plan::{ActionStatus, CarriedAction, ProposedAction, TeamContext, Theme};
use crate::agent::lexicon::expression;
use crate::agent::source::{capitalised, cut};
use crate::agent::{figures, words};
use jiff::ToSpan;
use jiff::civil::Date;
use regex::Regex;
use std::sync::LazyLock;

/// Most items: more are not done.
const MAX_ACTIONS: usize = 3;
/// Share of words that makes an earlier item the same.
const SAME: f64 = 0.6;

/// The words by which somebody introduces an idea.
static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^(?:(?:maybe|perhaps|vielleicht) )?(?:(?:we|i) (?:could|should|want to|would like to|propose to)|could we|let['’]s|how about|what if we|try(?: to)?|wir sollten|podríamos|on pourrait)\s+",
    )
});

/// Proposes them.
pub(super) fn propose(
    themes: &[Theme],
    carried: &[CarriedAction],
    context: &TeamContext,
    today: Date,
) -> Vec<ProposedAction> {
    let due = today.saturating_add(i64::from(context.sprint_days).days());
    let wanting = themes.iter().filter(|theme| theme.badly + theme.ideas > 0);
    let mut actions: Vec<ProposedAction> =
        wanting.take(MAX_ACTIONS).map(|theme| for_theme(theme, carried, due)).collect();
    if actions.is_empty() {
        actions.push(ProposedAction {
            what: "Choose the one practice that helped most in this sprint, and write down in two sentences how we keep it".to_owned(),
            theme: themes.first().map_or_else(|| "Working together".to_owned(), |theme| theme.title.clone()),
            owner: "Facilitator".to_owned(),
            due: due.to_string(),
            measure: "At the next retrospective at least half of the team can name it and has used it".to_owned(),
            carries: None,
        });
    }
    actions
}

fn for_theme(theme: &Theme, carried: &[CarriedAction], due: Date) -> ProposedAction {
    let (mut what, owner, mut measure) = match theme.subject.map(super::subjects::Subject::knowledge) {
        Some(knowledge) => (knowledge.action.to_owned(), knowledge.owner, knowledge.measure.to_owned()),
        None => (
            format!("Find the first step on {} that is in our own hands, and try it for one sprint", theme.title),
            "Whoever named it, with a second person",
            "At the next retrospective the team says keep, change or stop, by a show of hands".to_owned(),
        ),
    };
    if let Some(idea) = &theme.idea {
        let idea = INTRODUCTION.replace(&idea.text, "");
        what = format!("Try for one sprint: {}", capitalised(cut(&idea, 160).trim_end_matches(['.', '!', '?'])));
    }
    let baseline = theme.quotes.iter().find_map(|quote| figures::find([quote], 1).into_iter().next());
    if let Some(figure) = baseline {
        measure = format!("{measure}; today the notes say {} (line {})", figure.value, figure.line);
    }
    let wanted = words::significant(&what);
    let same = |action: &&CarriedAction| {
        action.status == ActionStatus::Open && words::overlap(&words::significant(&action.what), &wanted) >= SAME
    };
    let going_on = carried.iter().find(same);
    if let Some(action) = going_on {
        what = format!("Go on with last time's item, and remove what stopped it: {}", action.what);
    }
    ProposedAction {
        what,
        theme: theme.title.clone(),
        owner: going_on.and_then(|action| action.owner.clone()).unwrap_or_else(|| owner.to_owned()),
        due: due.to_string(),
        measure,
        carries: going_on.and_then(|action| action.id.clone()),
    }
}
