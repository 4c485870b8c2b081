//! Finds the times of day in statements, orders them, and determines the part of a statement to which each belongs. A time that can be read in
//! two ways is not read.

use super::lexicon::{LEXICON, expression};
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::{SignedDuration, Span};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// A time that is earlier than the one above it by more than this belongs to the next day.
const PAST_MIDNIGHT: SignedDuration = SignedDuration::from_hours(12);
/// Most letters before a time with which a statement begins (`at`, `um`).
const MAX_LETTERS_BEFORE: usize = 3;

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?ix)\b(?:
            \d{4}[-/]\d\d[-/]\d\d
            | \d{1,2}\.\d{1,2}\.\d{4}
            | \d\d/[a-z]{3}/\d{4}
            | (?P<slashed>\d{1,2}/\d{1,2}/\d{2,4})\b
            | \d{1,2}\ [a-z]{3,9}\ \d{4}\b
            | [a-z]{3,9}\ +\d{1,2},?\ \d{4}\b
            | (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\ +\d{1,2}\b
            | \d{1,2}\ (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b
        )",
    )
});
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?x)
        (?:\b|T)(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?(?:\ ?(?P<offset>[+-]\d\d:?\d\d)\b)?)?
            (?:\ ?(?P<half>[AaPp])[Mm]\b)?(?:\ ?(?P<zone>[A-Z]{1,4})\b)?
        | \b(\d{1,2})\ ?(?P<half_hour>[AaPp])[Mm]\b",
    )
});

/// A time that can be compared with all others of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    /// In the zone that the text declares for all its times, otherwise in UTC.
    pub(crate) at: DateTime,
    /// True if the text names the day.
    pub(crate) dated: bool,
}

impl Timestamp {
    /// Returns the minutes since `earlier`, rounded.
    pub(crate) fn minutes_since(self, earlier: Self) -> i64 {
        (self.at.duration_since(earlier.at).as_secs() + 30).div_euclid(60)
    }
}

/// A part of a statement with at most one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimedPart {
    pub(crate) timestamp: Option<Timestamp>,
    /// The text of the part; a time at its head is removed.
    pub(crate) text: String,
    /// True if the reported event began at the time (`since 13:50`).
    pub(crate) since: bool,
}

/// Reads times. It must get the statements in the order of the text, because a time without a day belongs to the day above it.
#[derive(Debug)]
pub(crate) struct TimestampParser {
    today: Date,
    day: Option<Date>,
    last: Option<DateTime>,
    /// The zone that the text declares for all its times.
    pub(crate) declared_zone: Option<String>,
    /// True if a time named its zone.
    pub(crate) zoned: bool,
    /// True if a time named no zone.
    pub(crate) unzoned: bool,
    /// True if times were not read because their date is ambiguous, as `03/04/2026` is.
    pub(crate) ambiguous_day: bool,
}

struct ClockTime {
    range: Range<usize>,
    time: Time,
    offset_minutes: Option<i64>,
}

impl TimestampParser {
    /// Creates a parser. Times above the first date of the text belong to the day of that date.
    pub(crate) fn new<'a>(today: Date, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let first = |line| DATE.find_iter(line).find_map(|date| parse_date(date.as_str(), today));
        let day = lines.into_iter().find_map(first);
        Self { today, day, last: None, declared_zone: None, zoned: false, unzoned: false, ambiguous_day: false }
    }

    /// Splits a statement so that each part has at most one time.
    pub(crate) fn split(&mut self, statement: &str) -> Vec<TimedPart> {
        self.read_declared_zone(statement);
        let dates: Vec<(Range<usize>, Option<Date>)> =
            DATE.find_iter(statement).map(|date| (date.range(), parse_date(date.as_str(), self.today))).collect();
        let times = clock_times(statement, &dates);
        let ambiguous = DATE.captures_iter(statement).any(|date| date.name("slashed").is_some());
        self.ambiguous_day |= ambiguous && !times.is_empty();
        let mut parts = Vec::new();
        let mut start = 0;
        for (index, time) in times.iter().enumerate() {
            let next = times.get(index + 1);
            let end = next.map_or(statement.len(), |next| boundary(statement, time.range.end, next.range.start));
            let day = dates.iter().rev().find(|(date, day)| day.is_some() && date.end <= time.range.start);
            let timestamp = (!ambiguous).then(|| self.timestamp(time, day.and_then(|(_, day)| *day)));
            let since = follows_since(&statement[..time.range.start]);
            if end > start {
                let head = day.map_or(time.range.start, |(date, _)| date.start).max(start);
                let text = without_head(&statement[start..end], head - start..time.range.end - start);
                parts.push(TimedPart { timestamp, text, since });
            } else if since {
                let text = parts.last().map_or_else(String::new, |part: &TimedPart| part.text.clone());
                parts.push(TimedPart { timestamp, text, since });
            }
            start = start.max(end);
        }
        if times.is_empty() {
            self.day = dates.iter().rev().find_map(|(_, day)| *day).or(self.day);
            parts.push(TimedPart { timestamp: None, text: statement.trim().to_owned(), since: false });
        }
        parts.retain(|part| part.text.chars().any(char::is_alphanumeric));
        parts
    }

    fn read_declared_zone(&mut self, statement: &str) {
        let Some(phrase) = LEXICON.words.all_times.find(statement) else { return };
        let mut words = statement[phrase.end..].split(|character: char| !character.is_alphanumeric()).take(6);
        let zone = words.find(|word| LEXICON.words.zones.contains_key(*word));
        self.declared_zone = zone.map(str::to_owned).or(self.declared_zone.take());
    }

    fn timestamp(&mut self, time: &ClockTime, date: Option<Date>) -> Timestamp {
        match time.offset_minutes {
            Some(_) => self.zoned = true,
            None => self.unzoned |= self.declared_zone.is_none(),
        }
        let dated = date.or(self.day).is_some();
        let mut day = date.or(self.day).or(self.last.map(DateTime::date)).unwrap_or(self.today);
        let is_past_midnight =
            |last: DateTime| last.date() == day && last.duration_since(day.to_datetime(time.time)) > PAST_MIDNIGHT;
        if date.is_none() && self.last.is_some_and(is_past_midnight) {
            day = day.tomorrow().unwrap_or(day);
        }
        let local = day.to_datetime(time.time);
        self.last = Some(local);
        self.day = if dated { Some(day) } else { self.day };
        let declared = self.declared_zone.as_ref().map_or(0, |zone| LEXICON.words.zones[zone]);
        let minutes = time.offset_minutes.map_or(0, |offset| offset - declared);
        Timestamp { at: local.checked_sub(Span::new().minutes(minutes)).unwrap_or(local), dated }
    }
}

/// Parses a date. A date without a year is the last such day that is not in the future.
fn parse_date(text: &str, today: Date) -> Option<Date> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let formats = &LEXICON.words.date_formats;
    let parse = |text: &str| formats.iter().find_map(|format| strtime::parse(format, text).ok()?.to_date().ok());
    let with_year = |year: i16| parse(&format!("{text} {year}"));
    parse(&text)
        .or_else(|| with_year(today.year()).filter(|date| *date <= today))
        .or_else(|| with_year(today.year() - 1))
}

fn clock_times(statement: &str, dates: &[(Range<usize>, Option<Date>)]) -> Vec<ClockTime> {
    let mut times = Vec::new();
    for captures in TIME.captures_iter(statement) {
        let Some(whole) = captures.get(0) else { continue };
        // After a date the time may follow a letter or a colon: 2026-11-24T13:58, 24/Nov/2026:13:58.
        let after_date = dates.iter().any(|(date, _)| date.end == whole.start() || date.end + 1 == whole.start());
        if !stands_alone(statement, whole.range(), after_date) {
            continue;
        }
        let number = |group: usize| captures.get(group).map_or(Some(0), |number| number.as_str().parse::<i8>().ok());
        let hour = if captures.name("half_hour").is_some() { number(7) } else { number(1) };
        let half = captures.name("half").or(captures.name("half_hour")).map(|half| half.as_str().to_lowercase());
        let hour = match (hour, half.as_deref()) {
            (Some(hour @ 1..=12), Some("p")) => Some(hour % 12 + 12),
            (Some(hour @ 1..=12), Some(_)) => Some(hour % 12),
            (_, Some(_)) => None,
            (hour, None) => hour,
        };
        let (Some(hour), Some(minute), Some(second)) = (hour, number(2), number(3)) else { continue };
        let Ok(time) = Time::new(hour, minute, second, 0) else { continue };
        let zone = captures.name("zone").map(|zone| (zone.start(), LEXICON.words.zones.get(zone.as_str()).copied()));
        let offset = captures.name("offset").and_then(|offset| parse_offset(offset.as_str()));
        // Capitals that name no zone, such as WARN, belong to the text after the time.
        let end = zone.filter(|(_, zone)| zone.is_none()).map_or(whole.end(), |(start, _)| start);
        let offset_minutes = offset.or(zone.and_then(|(_, zone)| zone));
        times.push(ClockTime { range: whole.start()..end, time, offset_minutes });
    }
    times
}

fn parse_offset(offset: &str) -> Option<i64> {
    let digits = offset[1..].replace(':', "");
    let (hours, minutes): (i64, i64) = (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Returns true unless the match is a part of a longer number, an address, a port or a ratio.
fn stands_alone(statement: &str, range: Range<usize>, after_date: bool) -> bool {
    let is_joint = |before: char| before.is_alphanumeric() || matches!(before, ':' | '.' | '/' | '$' | '=');
    let joined = !after_date && statement[..range.start].ends_with(is_joint);
    let mut after = statement[range.end..].chars();
    let (next, second) = (after.next(), after.next());
    let goes_on = |next: char| {
        next.is_alphanumeric()
            || next == '%'
            || (matches!(next, ':' | '.') && second.is_some_and(|second| second.is_ascii_digit()))
    };
    !joined && !next.is_some_and(goes_on)
}

fn follows_since(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '~']);
    LEXICON.words.since.find_all(before).last().is_some_and(|since| since.end == before.len())
}

/// Returns where the part of the earlier time ends: at the last separator before the next time, or at the end of the statement if there is
/// too little text between the times for two parts.
fn boundary(statement: &str, from: usize, to: usize) -> usize {
    const SEPARATORS: [&str; 6] = [", ", "; ", " and ", " then ", ". ", " / "];
    let between = &statement[from..to];
    if between.chars().filter(|character| character.is_alphanumeric()).count() <= MAX_LETTERS_BEFORE {
        return statement.len();
    }
    let last = SEPARATORS.iter().filter_map(|separator| between.rfind(separator)).max();
    last.map_or(statement.len(), |at| from + at)
}

/// Returns the text of a part; removes the time if the part begins with it.
fn without_head(part: &str, time: Range<usize>) -> String {
    let is_head =
        part[..time.start].chars().filter(|character| character.is_alphanumeric()).count() <= MAX_LETTERS_BEFORE;
    let text = if is_head { &part[time.end..] } else { part };
    let text = text.trim_start_matches(|mark: char| mark.is_whitespace() || ",;:-–—])|>*→/.".contains(mark));
    let joint = ["and ", "then ", "but ", "Uhr ", "uhr "].iter().find_map(|joint| text.strip_prefix(joint));
    joint.unwrap_or(text).trim().to_owned()
}
