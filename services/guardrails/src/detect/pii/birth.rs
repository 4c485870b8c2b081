//! Dates of birth: a day that exists, in one of the usual forms, behind a label.

use super::Personal;
use super::checksum::is_day;
use super::number::Number;
use crate::detect::near::{before, window};
use mcp_contracts::guardrails::Severity::Medium;

const LABELS: [&str; 30] = [
    "date of birth",
    "dob",
    "d.o.b",
    "birth date",
    "birthdate",
    "birth_date",
    "birthday",
    "date_of_birth",
    "dateofbirth",
    "born",
    "born on",
    "geburtsdatum",
    "geboren am",
    "geboren",
    "geb",
    "fecha de nacimiento",
    "nacido el",
    "nacida el",
    "date de naissance",
    "né le",
    "née le",
    "data di nascita",
    "nato il",
    "nata il",
    "data de nascimento",
    "geboortedatum",
    "дата рождения",
    "データ生年月日",
    "出生日期",
    "生年月日",
];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    let (start, end) = day(number)?;
    let near = before(number.text, start, 40).to_lowercase();
    let joined =
        near.contains("birth") && !near.contains("birthtime") || near.contains("生年月日") || near.contains("出生日期");
    let other = ["released", "founded", "company"].iter().any(|word| near.contains(word));
    (!other && (joined || crate::detect::near::labelled(number.text, start, &LABELS)))
        .then(|| number.matched("date_of_birth", Medium, start..end))
}

/// The day that the number begins, or that a month's name before it begins.
fn day(number: &Number<'_>) -> Option<(usize, usize)> {
    if number.run == 4 || number.run <= 2 {
        let (_, end) = number.digits(b"-/.");
        let parts: Vec<u32> =
            number.text[number.start..end].split(['-', '/', '.']).filter_map(|part| part.parse().ok()).collect();
        let is_a_day = match parts.as_slice() {
            [year, month, day] if *year > 1000 => is_birth(*year, *month, *day),
            [a, b, year] => {
                let year = if *year < 100 { 1900 + year } else { *year };
                is_birth(year, *b, *a) || is_birth(year, *a, *b)
            }
            _ => false,
        };
        if is_a_day {
            return Some((number.start, end));
        }
    }
    named(number)
}

/// `12 March 1985`, `12. März 1985`, `March 12, 1985`.
fn named(number: &Number<'_>) -> Option<(usize, usize)> {
    if number.run > 2 {
        return None;
    }
    let day: u32 = number.text[number.start..number.end()].parse().ok()?;
    let ahead = window(number.text, number.end(), 32);
    let year_at = ahead.find(|letter: char| letter.is_ascii_digit())?;
    let year: u32 = ahead.get(year_at..year_at + 4)?.parse().ok()?;
    let between = ahead[..year_at].to_lowercase();
    let end = number.end() + year_at + 4;
    let ahead_month = MONTHS.iter().position(|month| between.contains(month)).or_else(|| foreign_month(&between));
    let back = before(number.text, number.start, 12).to_lowercase();
    let back_month = MONTHS
        .iter()
        .position(|month| back.contains(month))
        .filter(|_| between.trim_matches([',', ' ']).chars().count() <= 2);
    let month = ahead_month.or(back_month)?;
    let start = if ahead_month.is_none() {
        number.start - back.trim_start().rsplit(' ').find(|word| !word.is_empty()).map_or(0, |word| word.len() + 1)
    } else {
        number.start
    };
    let start = (start..=number.start).find(|at| number.text.is_char_boundary(*at)).unwrap_or(number.start);
    (between.len() < 20 && is_birth(year, month as u32 + 1, day)).then_some((start, end))
}

fn foreign_month(between: &str) -> Option<usize> {
    const NAMES: [(&str, usize); 22] = [
        ("märz", 2),
        ("mai", 4),
        ("okt", 9),
        ("dez", 11),
        ("enero", 0),
        ("abril", 3),
        ("agosto", 7),
        ("dic", 11),
        ("janv", 0),
        ("févr", 1),
        ("mars", 2),
        ("avr", 3),
        ("juin", 5),
        ("juil", 6),
        ("août", 7),
        ("déc", 11),
        ("gennaio", 0),
        ("maggio", 4),
        ("giugno", 5),
        ("luglio", 6),
        ("ottobre", 9),
        ("fev", 1),
    ];
    NAMES.iter().find(|(name, _)| between.contains(name)).map(|(_, month)| *month)
}

fn is_birth(year: u32, month: u32, day: u32) -> bool {
    (1900..=2025).contains(&year) && is_day(year, month, day)
}
