//! The agenda: slots by weight, in whole minutes that add up to the box.

use super::plan::{CarriedAction, Format, Slot, TeamContext, Theme};
use crate::agent::source::cut;

/// Fewest minutes of a slot.
const LEAST_MINUTES: u32 = 1;
/// People from which on small groups talk first.
const LARGE_TEAM: u32 = 9;
/// Themes that get a slot of their own.
const MAX_DISCUSSED: usize = 3;

/// Writes it.
pub(super) fn agenda(context: &TeamContext, format: &Format, carried: &[CarriedAction], themes: &[Theme]) -> Vec<Slot> {
    let large = context.team_size.is_some_and(|size| size >= LARGE_TEAM);
    let groups = if large { " In groups of three or four first, then one minute from each group." } else { "" };
    let mut parts: Vec<(u32, String, String)> = vec![(8, "Opening".to_owned(), opening(context))];
    if !carried.is_empty() {
        let weight = 8 + 2 * u32::try_from(carried.len()).unwrap_or(10).min(6);
        let how = format!(
            "Go through the {} item(s) below: done, going on, or let go. One sentence each; what takes longer becomes a theme.",
            carried.len()
        );
        parts.push((weight, "Last time's action items".to_owned(), how));
    }
    let seeded =
        if themes.is_empty() { "" } else { " The notes of this plan are on the board already; add what is missing." };
    parts.push((
        14,
        format!("Collect: {}", format.columns.join(", ")),
        format!("Everyone writes alone and in silence, one thought per card.{seeded}"),
    ));
    parts.push((
        8,
        "Group and choose".to_owned(),
        "Read out, join what belongs together, three votes each. The themes below are a proposal; the votes decide."
            .to_owned(),
    ));
    for (index, theme) in themes.iter().take(MAX_DISCUSSED).enumerate() {
        let weight = [20, 14, 10][index];
        parts.push((
            weight,
            format!("Discuss: {}", cut(&theme.title, 60)),
            format!("Begin with the first question of the theme; causes before solutions.{groups}"),
        ));
    }
    if themes.is_empty() {
        parts.push((
            34,
            "Discuss: the two themes with most votes".to_owned(),
            format!("What happened, what it led to, what is in our hands.{groups}"),
        ));
    }
    parts.push((
        14,
        "Decide".to_owned(),
        "At most three actions, each with one name, a date and a measure. Whoever takes it says it aloud.".to_owned(),
    ));
    parts.push((
        6,
        "Close".to_owned(),
        "Each person: one word, and one thing to keep. Rate the retrospective from 1 to 5.".to_owned(),
    ));
    share(context.box_minutes, parts)
}

fn opening(context: &TeamContext) -> String {
    let safety = "Read the prime directive: everyone did the best they could with what they knew.";
    match context.setting.as_deref() {
        Some("remote") => format!(
            "{safety} Each person answers one question in the chat or aloud, so that every microphone has been used once."
        ),
        Some("hybrid") => {
            format!("{safety} Everyone joins from their own screen, also those in the room; one question around.")
        }
        _ => format!("{safety} One question around: how do you arrive here, in one word?"),
    }
}

/// Shares the box by weight; what rounding leaves goes to the largest remainders, the earliest among equals.
fn share(minutes: u32, parts: Vec<(u32, String, String)>) -> Vec<Slot> {
    let total: u32 = parts.iter().map(|(weight, _, _)| weight).sum();
    let mut shares: Vec<u32> =
        parts.iter().map(|(weight, _, _)| (minutes * weight / total).max(LEAST_MINUTES)).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(minutes * parts[index].0 % total), index));
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
                assert!(slots.iter().all(|slot| slot.minutes >= LEAST_MINUTES));
                assert!(slots.windows(2).all(|pair| pair[0].start_minute + pair[0].minutes == pair[1].start_minute));
            }
        }
    }
}
