//! The agenda: the slots of the lexicon, which share the time box by weight.

use super::plan::{CarriedAction, Slot, Theme};
use crate::agent::lexicon::LEXICON;
use crate::agent::source::cut;
use std::cmp::Reverse;

/// Themes with a slot of their own.
const MAX_DISCUSSED: usize = 3;
const MAX_TITLE_CHARS: usize = 60;

pub(super) fn agenda(minutes: u32, carried: &[CarriedAction], themes: &[Theme]) -> Vec<Slot> {
    let mut parts: Vec<(u32, String, String)> = Vec::new();
    for rule in &LEXICON.retrospective.slot {
        let count = match rule.when.as_str() {
            "carried" => usize::from(!carried.is_empty()),
            "for theme" => themes.len().min(MAX_DISCUSSED),
            "no theme" => usize::from(themes.is_empty()),
            _ => 1,
        };
        for place in 0..count {
            let theme = themes.get(place).map_or("", |theme| &theme.title);
            parts.push((rule.weight, rule.title.replace("{theme}", &cut(theme, MAX_TITLE_CHARS)), rule.how.clone()));
        }
    }
    share(minutes, parts)
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
