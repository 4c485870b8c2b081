//! Hints for whoever facilitates, each because of something the notes show.

use super::plan::{ActionStatus, CarriedAction, Situation, TeamContext, Theme};

/// Most hints: more are not read.
const MAX_HINTS: usize = 7;
/// People from which on a round of everybody takes too long.
const LARGE_TEAM: u32 = 9;
/// People below which votes say little.
const SMALL_TEAM: u32 = 4;

/// Gives them, the weightiest first.
pub(super) fn hints(context: &TeamContext, carried: &[CarriedAction], themes: &[Theme]) -> Vec<String> {
    let mut hints: Vec<String> =
        context.situations.iter().map(|situation| for_situation(*situation).to_owned()).collect();
    let overdue = carried.iter().filter(|action| action.overdue).count();
    if overdue > 0 {
        hints.push(format!("{overdue} earlier item(s) are past their date: ask what stood in the way, not who; letting an item go is a good result too."));
    }
    if carried.iter().any(|action| action.status == ActionStatus::Done) {
        hints.push(
            "Something from last time is done: say so first, and ask whether it had the effect it was meant to have."
                .to_owned(),
        );
    }
    match context.team_size {
        Some(size) if size >= LARGE_TEAM => hints
            .push(format!("{size} people: talk in groups of three or four first, or half of them will only listen.")),
        Some(size) if size < SMALL_TEAM => {
            hints.push(format!("{size} people: skip the votes and talk; write along so that nothing is lost."))
        }
        Some(_) | None => {}
    }
    match context.setting.as_deref() {
        Some("remote") => hints.push("Remote: a shared board that is open before the start, a short break after 45 minutes, and silence is allowed to last ten seconds.".to_owned()),
        Some("hybrid") => hints.push("Hybrid: the remote people speak first in each round, and the board is digital for everyone.".to_owned()),
        _ => {}
    }
    if themes.is_empty() {
        hints.push("The notes are thin: take five minutes more for collecting, and bring the board, the calendar and the release list as memory aids.".to_owned());
    }
    if themes.len() == 1 {
        hints.push("The notes have a single theme: ask once for the opposite view before going deeper.".to_owned());
    }
    hints.truncate(MAX_HINTS);
    hints
}

const fn for_situation(situation: Situation) -> &'static str {
    match situation {
        Situation::Tension => {
            "There is tension: agree on ground rules first, speak about situations and effects, and talk to those concerned before the meeting; do not settle a personal conflict in the round."
        }
        Situation::Fatigue => {
            "People are tired: fewer topics, no extra homework, and take something off the list rather than adding to it."
        }
        Situation::Incident => {
            "There was an incident: keep its analysis in the root-cause report; here, ask what it was like and what helped."
        }
        Situation::Shipped => {
            "Something was finished: take three minutes to name it and to thank each other before looking at what is missing."
        }
        Situation::NewTeam => {
            "Somebody is new: explain the form in a minute, and ask the newest what surprised them; they see what others no longer do."
        }
        Situation::Quiet => {
            "Few speak: write before talking, go round in turns with the right to pass, and let the most senior person speak last."
        }
        Situation::AllPraise => {
            "The notes are all praise: ask what could have gone wrong, and which luck they had, so that it does not stay luck."
        }
    }
}
