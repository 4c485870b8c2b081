//! Times of day in statements, in the forms people and programs write them, and the one order they are put in. What happened
//! at a time is not known here.

use super::lexicon::expression;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span};
use regex::{Captures, Regex};
use std::ops::Range;
use std::sync::LazyLock;

const MONTHS: &str = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mai|juni|juli|okt|dez";

static STAMP: LazyLock<Regex> = LazyLock::new(|| {
    let date = format!(
        r"(?P<iso>\d{{4}}[-/]\d{{2}}[-/]\d{{2}})|(?P<clf>\d{{2}}/(?:{MONTHS})/\d{{4}})|(?P<dotted>\d{{1,2}}\.\d{{1,2}}\.\d{{4}})|(?P<slashed>\d{{1,2}}/\d{{1,2}}/\d{{4}})|(?P<day_first>\d{{1,2}}\.? (?:{MONTHS})[a-z]*\.?,?(?: \d{{4}})?)|(?P<month_first>(?:{MONTHS})[a-z]*\.? +\d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?)"
    );
    let time = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)(?: ?(?P<half>am|pm)\b)?|(?P<hour>\d{1,2}) ?(?P<hour_half>am|pm)\b|(?P<french>\d{1,2}h\d{2})\b";
    let zone = r" ?(?P<zone>Z|UTC|GMT|CEST|CET|BST|EST|EDT|CST|CDT|MST|MDT|PST|PDT|JST|[+-]\d{2}:?\d{2})\b";
    expression(&format!(
        r"(?i)(?:(?:\b(?:{date}))(?:[T,: ]| at | um )*)?(?:{time})(?:{zone})?|\b(?P<only>{})",
        date.replace("?P<", "?P<only_")
    ))
});
static EPOCH: LazyLock<Regex> = LazyLock::new(|| expression(r"^\W*(1[5-9]\d{8})(\d{3})?(?:\.\d+)?\b"));
static DEFAULT_ZONE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:times?|timestamps?|zeiten|heures|horas)\b.{0,24}?\b(UTC|GMT|CEST|CET|BST|EST|EDT|PST|PDT|JST)\b",
    )
});

/// A time as written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    range: Range<usize>,
    date: Option<Date>,
    time: Option<Time>,
    offset_minutes: Option<i64>,
}

/// A time in the order of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// The time, in the zone that the text declares for all, else in UTC.
    pub(crate) at: DateTime,
    /// Whether the text names a day.
    pub(crate) dated: bool,
}

impl Moment {
    /// Whole minutes from `earlier` to this, rounded.
    pub(crate) fn minutes_since(self, earlier: Self) -> i64 {
        (self.at.duration_since(earlier.at).as_secs() + 30).div_euclid(60)
    }
}

/// A part of a statement that has at most one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its time.
    pub(crate) moment: Option<Moment>,
    /// What it says, without a time at its head.
    pub(crate) text: String,
    /// Whether the time is one since which something holds.
    pub(crate) since: bool,
}

/// Reads times in the order of the text: a time without a day belongs to the day before it.
#[derive(Debug)]
pub(crate) struct Clock {
    today: Date,
    day: Option<Date>,
    last: Option<DateTime>,
    zone_minutes: i64,
    /// The zone that the text declares for all its times.
    pub(crate) declared: Option<String>,
    /// Whether a time named a zone or an offset.
    pub(crate) zoned: bool,
    /// Whether a time named none.
    pub(crate) unzoned: bool,
    /// Whether a day could be read in two ways and was not used.
    pub(crate) ambiguous_day: bool,
}

impl Clock {
    /// A clock for a text that is read on `today`. Times above the first day that the text names are of that day, too.
    pub(crate) fn new<'a>(today: Date, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut clock = Self {
            today,
            day: None,
            last: None,
            zone_minutes: 0,
            declared: None,
            zoned: false,
            unzoned: false,
            ambiguous_day: false,
        };
        for line in lines {
            let written = clock.written(line);
            clock.day = clock.day.or_else(|| written.iter().find_map(|written| written.date));
            if clock.day.is_some() {
                break;
            }
        }
        clock
    }

    /// Splits `statement` where it names several times, and places each part.
    pub(crate) fn place(&mut self, statement: &str) -> Vec<Placed> {
        if let Some(zone) = DEFAULT_ZONE.captures(statement).and_then(|found| found.get(1)) {
            self.zone_minutes = offset(zone.as_str()).unwrap_or(0);
            self.declared = Some(zone.as_str().to_uppercase());
        }
        if let Some(placed) = self.epoch(statement) {
            return vec![placed];
        }
        let written = self.written(statement);
        let mut placed = Vec::new();
        let mut start = 0;
        for (index, time) in written.iter().enumerate() {
            let end = written
                .get(index + 1)
                .map_or(statement.len(), |next| boundary(statement, time.range.end, next.range.start));
            if end <= start {
                continue;
            }
            let moment = self.moment(time);
            let since = is_since(statement, time.range.start);
            let told =
                without_head(&statement[start..end], time.range.start.max(start) - start..time.range.end - start);
            if told.chars().any(char::is_alphanumeric) {
                placed.push(Placed { moment, text: told, since });
            }
            start = end;
            if let Some(later) =
                written.get(index + 1).filter(|later| later.range.end <= end && is_since(statement, later.range.start))
            {
                let moment = self.moment(later);
                placed.push(Placed { moment, text: trimmed(&statement[time.range.end..end]), since: true });
            }
        }
        if written.is_empty() {
            placed.push(Placed { moment: None, text: statement.trim().to_owned(), since: false });
        }
        placed
    }

    fn epoch(&mut self, statement: &str) -> Option<Placed> {
        let found = EPOCH.captures(statement)?;
        let seconds: i64 = found[1].parse().ok()?;
        let at = Date::constant(1970, 1, 1)
            .to_datetime(Time::midnight())
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()?;
        self.zoned = true;
        (self.day, self.last) = (Some(at.date()), Some(at));
        let end = found.get(0)?.end();
        Some(Placed { moment: Some(Moment { at, dated: true }), text: trimmed(&statement[end..]), since: false })
    }

    fn written(&mut self, statement: &str) -> Vec<Written> {
        let mut all = Vec::new();
        for found in STAMP.captures_iter(statement) {
            let Some(whole) = found.get(0) else { continue };
            if !stands_alone(statement, whole.range()) {
                continue;
            }
            let date = self.date(&found);
            let time = time(&found);
            if time.is_none() {
                self.day = date.or(self.day);
                continue;
            }
            let precise = date.is_some() || found.name("clock").is_some_and(|clock| clock.len() > 5);
            let zone = found.name("zone").filter(|zone| precise || zone.as_str().starts_with(char::is_alphabetic));
            let offset_minutes = zone.and_then(|zone| offset(zone.as_str()));
            all.push(Written { range: whole.range(), date, time, offset_minutes });
        }
        all
    }

    fn moment(&mut self, written: &Written) -> Option<Moment> {
        let time = written.time?;
        match written.offset_minutes {
            Some(_) => self.zoned = true,
            None => self.unzoned |= self.declared.is_none(),
        }
        let dated = written.date.or(self.day).is_some();
        let mut day = written.date.or(self.day).or(self.last.map(|last| last.date())).unwrap_or(self.today);
        let passed_midnight = self.last.is_some_and(|last| {
            written.date.is_none()
                && last.date() == day
                && last.duration_since(day.to_datetime(time)) > SignedDuration::from_hours(12)
        });
        if passed_midnight {
            day = day.tomorrow().unwrap_or(day);
        }
        let local = day.to_datetime(time);
        self.last = Some(local);
        if dated {
            self.day = Some(day);
        }
        let minutes = written.offset_minutes.map_or(0, |offset| offset - self.zone_minutes);
        let at = local.checked_sub(Span::new().minutes(minutes)).unwrap_or(local);
        Some(Moment { at, dated })
    }

    fn date(&mut self, found: &Captures<'_>) -> Option<Date> {
        let part =
            |name: &str| found.name(name).or_else(|| found.name(&format!("only_{name}"))).map(|part| part.as_str());
        if let Some(iso) = part("iso") {
            return iso.replace('/', "-").parse().ok();
        }
        if let Some(text) = part("slashed") {
            let (first, second, year) = numbers(text, '/')?;
            self.ambiguous_day |= first <= 12 && second <= 12 && first != second;
            return match (first, second) {
                (day, month) if day > 12 || day == month => Date::new(year, month, day).ok(),
                (month, day) if day > 12 => Date::new(year, month, day).ok(),
                _ => None,
            };
        }
        if let Some((day, month, year)) = part("dotted").and_then(|text| numbers(text, '.')) {
            return Date::new(year, month, day).ok();
        }
        let text = part("clf").or_else(|| part("day_first")).or_else(|| part("month_first"))?.to_lowercase();
        let month = month(text.trim_start_matches(|character: char| !character.is_alphabetic()))?;
        let mut digits = text.split(|character: char| !character.is_ascii_digit()).filter(|digits| !digits.is_empty());
        let day = digits.next()?.parse().ok()?;
        match digits.next() {
            Some(year) => Date::new(year.parse().ok()?, month, day).ok(),
            None => Date::new(self.today.year(), month, day).ok().and_then(|date| {
                if date > self.today { Date::new(self.today.year() - 1, month, day).ok() } else { Some(date) }
            }),
        }
    }
}

fn numbers(text: &str, separator: char) -> Option<(i8, i8, i16)> {
    let mut parts = text.split(separator);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn month(name: &str) -> Option<i8> {
    const STARTS: [&[&str]; 12] = [
        &["jan"],
        &["feb"],
        &["mar"],
        &["apr"],
        &["may", "mai"],
        &["jun"],
        &["jul"],
        &["aug"],
        &["sep"],
        &["oct", "okt"],
        &["nov"],
        &["dec", "dez"],
    ];
    let index = STARTS.iter().position(|starts| starts.iter().any(|start| name.starts_with(start)))?;
    i8::try_from(index + 1).ok()
}

fn time(found: &Captures<'_>) -> Option<Time> {
    let (hour, minute, second, half) = if let Some(clock) = found.name("clock") {
        let mut parts = clock.as_str().split([':', '.', ',']);
        let mut next = || parts.next().map_or(Some(0), |part| part.parse::<i8>().ok());
        (next()?, next()?, next()?, found.name("half"))
    } else if let Some(hour) = found.name("hour") {
        (hour.as_str().parse().ok()?, 0, 0, found.name("hour_half"))
    } else {
        let (hour, minute) = found.name("french")?.as_str().split_once(['h', 'H'])?;
        (hour.parse().ok()?, minute.parse().ok()?, 0, None)
    };
    let hour = match half.map(|half| half.as_str().to_lowercase()).as_deref() {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("pm") => hour % 12 + 12,
        Some(_) => hour % 12,
        None => hour,
    };
    Time::new(hour, minute, second, 0).ok()
}

fn offset(zone: &str) -> Option<i64> {
    let hours = match zone.to_uppercase().as_str() {
        "Z" | "UTC" | "GMT" => 0,
        "CET" | "BST" => 1,
        "CEST" => 2,
        "EST" | "CDT" => -5,
        "EDT" => -4,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "JST" => 9,
        numeric => {
            let digits: String = numeric.chars().filter(char::is_ascii_digit).collect();
            let (hours, minutes): (i64, i64) = (digits.get(..2)?.parse().ok()?, digits.get(2..4)?.parse().ok()?);
            let sign = if numeric.starts_with('-') { -1 } else { 1 };
            return (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes));
        }
    };
    Some(hours * 60)
}

/// Whether the match is no part of a longer number, address or ratio.
fn stands_alone(statement: &str, range: Range<usize>) -> bool {
    let before = statement[..range.start].chars().next_back();
    let mut after = statement[range.end..].chars();
    let (next, second) = (after.next(), after.next());
    !before.is_some_and(|before| before.is_alphanumeric() || matches!(before, ':' | '.' | '/' | '$' | '='))
        && !next.is_some_and(|next| {
            next.is_alphanumeric()
                || next == '%'
                || (matches!(next, ':' | '.') && second.is_some_and(|second| second.is_ascii_digit()))
        })
}

/// Whether the words before a time say that something holds since then.
fn is_since(statement: &str, start: usize) -> bool {
    let before = statement[..start].to_lowercase();
    let mut words = before
        .split_whitespace()
        .rev()
        .filter(|word| !matches!(*word, "about" | "around" | "approx." | "ca." | "etwa" | "~" | "at"));
    words.next().is_some_and(|word| matches!(word.trim_end_matches('~'), "since" | "seit" | "desde" | "depuis"))
}

/// Where the part with the earlier time ends: at the last separator between the two, or nowhere for a range such as 14:02-14:20.
fn boundary(statement: &str, from: usize, to: usize) -> usize {
    let between = &statement[from..to];
    if between.chars().filter(|character| character.is_alphanumeric()).count() <= 3 {
        return statement.len();
    }
    [", ", "; ", " then ", " and ", ". ", " / ", " - ", " → ", " -> "]
        .iter()
        .filter_map(|separator| between.rfind(separator))
        .max()
        .map_or(statement.len(), |at| from + at)
}

/// A part without the time where the time is its head.
fn without_head(part: &str, time: Range<usize>) -> String {
    let head = &part[..time.start.min(part.len())];
    let is_head = head.chars().filter(|character| character.is_alphanumeric()).count() <= 3;
    let rest = part.get(time.end.min(part.len())..).unwrap_or_default();
    trimmed(if is_head { rest } else { part })
}

fn trimmed(text: &str) -> String {
    let text = text.trim_start_matches([' ', ',', ';', ':', '-', '–', '—', ']', ')', '|', '>', '*', '→', '/', '.']);
    let joint = ["and ", "then ", "but ", "Uhr ", "uhr "];
    joint.iter().find_map(|joint| text.strip_prefix(joint)).unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut clock = Clock::new(date(2026, 11, 25), lines.iter().copied());
        let placed = lines.iter().flat_map(|line| clock.place(line)).collect::<Vec<_>>();
        placed.iter().filter_map(|part| part.moment.map(|moment| format!("{} {}", moment.at, part.text))).collect()
    }

    #[test]
    fn every_common_form_of_a_time_is_read() {
        for (line, expected) in [
            ("2026-11-24T13:58:07.123Z ERROR x", "2026-11-24T13:58:07 ERROR x"),
            ("2026-11-24 13:58:07,123 x", "2026-11-24T13:58:07 x"),
            ("2026-11-24T13:58:07+01:00 x", "2026-11-24T12:58:07 x"),
            ("2026/11/24 13:58 x", "2026-11-24T13:58:00 x"),
            ("Nov 24 13:58:07 host x", "2026-11-24T13:58:07 host x"),
            ("Dec 30 13:58:07 host x", "2025-12-30T13:58:07 host x"),
            (
                "10.0.0.1 - - [24/Nov/2026:13:58:07 +0000] \"GET /\" 502",
                "2026-11-24T13:58:07 10.0.0.1 - - [24/Nov/2026:13:58:07 +0000] \"GET /\" 502",
            ),
            ("24.11.2026 13:58 x", "2026-11-24T13:58:00 x"),
            ("11/24/2026 1:58 PM x", "2026-11-24T13:58:00 x"),
            ("[13:58] ann: x", "2026-11-25T13:58:00 ann: x"),
            ("13h58 : x", "2026-11-25T13:58:00 x"),
            ("at 2pm x", "2026-11-25T14:00:00 x"),
            ("12:10 am x", "2026-11-25T00:10:00 x"),
            ("13:58 CET x", "2026-11-25T12:58:00 x"),
            ("1764079087 x", "2025-11-25T13:58:07 x"),
            ("1764079087123 x", "2025-11-25T13:58:07 x"),
            ("14:02-14:20 x", "2026-11-25T14:02:00 x"),
        ] {
            assert_eq!(read(&[line]), [expected], "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for line in ["::1:8080", "ratio 3:100", "10.0.0.1:53 x", "v1.12:30.4", "25:70 x", "score=12:30", "99:99"] {
            assert!(read(&[line]).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_time_without_a_day_belongs_to_the_day_above_it_and_midnight_passes() {
        assert_eq!(
            read(&["## 2026-11-20", "23:50 a", "00:10 b", "23:55 c", "2026-11-22 08:00 d"]),
            ["2026-11-20T23:50:00 a", "2026-11-21T00:10:00 b", "2026-11-21T23:55:00 c", "2026-11-22T08:00:00 d"]
        );
    }

    #[test]
    fn times_above_the_first_day_are_of_that_day() {
        assert_eq!(read(&["14:00 a", "2026-11-20 14:30 b"]), ["2026-11-20T14:00:00 a", "2026-11-20T14:30:00 b"]);
    }

    #[test]
    fn a_time_since_which_something_holds_is_an_entry_of_its_own() {
        assert_eq!(
            read(&["14:05 customers complained since about 13:50"]),
            [
                "2026-11-25T14:05:00 customers complained since about 13:50",
                "2026-11-25T13:50:00 customers complained since about 13:50"
            ]
        );
    }

    #[test]
    fn a_sentence_with_several_times_becomes_several_parts() {
        assert_eq!(
            read(&["db went down at 14:02, we failed over at 14:20 and all was green at 14:31"]),
            [
                "2026-11-25T14:02:00 db went down at 14:02",
                "2026-11-25T14:20:00 we failed over at 14:20",
                "2026-11-25T14:31:00 all was green at 14:31"
            ]
        );
    }

    #[test]
    fn a_zone_for_all_times_is_taken_and_an_ambiguous_day_is_not_guessed() {
        assert_eq!(
            read(&["all times in CET", "14:00 x", "14:00Z y"]),
            ["2026-11-25T14:00:00 x", "2026-11-25T15:00:00 y"]
        );
        let mut clock = Clock::new(date(2026, 11, 25), []);
        clock.place("03/04/2026 14:00 x");
        assert!(clock.ambiguous_day);
    }
}
