//! The team as its notes show it: size, sprint, setting, time box, mood, numbers, situation. What follows from it is decided
//! elsewhere.

use super::notes::{Note, Tone};
use super::plan::{Situation, TeamContext};
use crate::agent::lexicon::{Cues, expression};
use crate::agent::{AgentInput, figures};
use regex::Regex;
use std::sync::LazyLock;

/// Minutes where nobody names a box.
const DEFAULT_BOX: u32 = 60;
/// Shortest and longest box, in minutes.
const BOX: std::ops::RangeInclusive<u32> = 15..=240;
/// Days of a sprint where nobody names them.
const DEFAULT_SPRINT_DAYS: u32 = 14;
/// Most numbers.
const MAX_METRICS: usize = 10;
/// Share of the scale below which a mood is low.
const LOW_MOOD: f64 = 0.55;

static SIZE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:team (?:of|size:?|has)|team,? |we are|we're|size:|equipo de|équipe de|wir sind(?: zu)?)\s*(\d{1,2})\b|\b(\d{1,2}) (?:people|engineers|developers|devs|members|persons|participants|leute|personen|personas|personnes|of us)\b",
    )
});
static SPRINT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(one|two|three|four|six|\d{1,2})[ -]?(week|day|wochen?|semanas?|semaines?)s?[ -](?:long )?(?:sprint|iteration|cycle)|(?:sprint(?: length)?|iteration|cycle)\s*(?:length)?\s*[:=]?\s*(?:is |of |was )?(one|two|three|four|six|\d{1,2})\s?(weeks?|w\b|days?|d\b|wochen|semanas|semaines)",
    )
});
static BOX_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:box|time ?box|retro(?:spective)?|meeting|session|slot|have|within|only|duration|haben|tenemos|avons)\b[^.\d]{0,24}?(\d{1,3}(?:\.5)?)\s?(minutes?|mins?|min\b|minuten|minutos|hours?|h\b|stunden?)|(\d{1,3}(?:\.5)?)[ -]?(minutes?|mins?|min|hours?|h)\b[^.;\d]{0,14}\b(?:retro|box|slot|session|meeting|timebox)",
    )
});
static MOOD: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:mood|happiness|morale|energy|stimmung|ánimo|humeur|moral)\b[^.;\d]{0,24}(\d{1,2}(?:[.,]\d)?)\s?(?:/|out of|von|de|sur)\s?(\d{1,2})",
    )
});
static MOOD_WORD: LazyLock<Cues> = LazyLock::new(|| Cues::new(r"mood|morale|energy level|stimmung|ánimo|humeur"));

macro_rules! cue {
    ($visible:vis $name:ident, $words:literal) => {
        $visible static $name: LazyLock<Cues> = LazyLock::new(|| Cues::new($words));
    };
}
cue!(
    pub(super) TENSION,
    r"conflict|tension|tense|blam|argu(?:ed|ment)|shout|hostile|at odds|personal attack|finger.?point|disrespect|talk(?:ed|ing)? over|insult|rude\b|streit|konflikt|schuld|conflicto|culp|tensions?|dispute"
);
cue!(
    FATIGUE,
    r"tired|exhaust|burn(?:ed|t)?[ -]?out|burnout|overtime|late nights|weekend work|worked (?:the|all) weekend|stress|fried|drained|erschöpft|müde|überstunden|cansad|agotad|fatigu|épuis|crunch"
);
cue!(INCIDENT, r"incident|outage|sev ?[0-3]\b|postmortem|post-mortem|p1\b|downtime|ausfall|störung|caída|panne");
cue!(SHIPPED, r"shipped|launched|released|go-?live|went live|delivered|milestone|ausgeliefert|lanzamos|livr[eé]");
cue!(
    NEW_TEAM,
    r"new (?:team|members?|joiners?|hires?|colleagues?|starter)|just formed|first (?:retro|sprint)|joined (?:us|the team)|onboard|neues team|neue kolleg|equipo nuevo|nouvelle équipe|nuevos?\b"
);
cue!(
    QUIET,
    r"quiet|silent|nobody (?:speaks|said|talks)|same (?:two|three|few|people)|dominat|few speak|camera(?:s)? off|shy|schweig|callad|silencieu"
);
cue!(REMOTE, r"remote|distributed|time ?zones?|home ?office|zoom\b|teams call|verteilt|a distancia|à distance|remoto");
cue!(HYBRID, r"hybrid|half (?:of us )?(?:remote|in the office)|some remote");
cue!(ON_SITE, r"co-?located|on-?site|in the (?:same )?(?:office|room)|same room|vor ort|im büro|presencial|présentiel");

/// Reads it.
pub(super) fn read(notes: &[Note], input: &AgentInput<'_>) -> TeamContext {
    let texts = || notes.iter().map(|note| note.text.as_str()).chain([input.intent]);
    let first = |expression: &Regex, read: fn(&[String]) -> Option<u32>| {
        texts().find_map(|text| expression.captures_iter(text).find_map(|found| read(&text_parts(&found))))
    };
    let mood = notes
        .iter()
        .find(|note| MOOD.is_match(&note.text))
        .or_else(|| notes.iter().find(|note| MOOD_WORD.hold(&note.text)));
    let evidence: Vec<_> = notes.iter().filter(|note| note.tone != Tone::Idea).map(Note::evidence).collect();
    TeamContext {
        team_size: first(&SIZE, |parts| parts.first()?.parse().ok().filter(|size| *size > 0)),
        sprint_days: first(&SPRINT, days).unwrap_or(DEFAULT_SPRINT_DAYS),
        setting: setting(notes).map(str::to_owned),
        box_minutes: first(&BOX_TEXT, minutes).unwrap_or(DEFAULT_BOX).clamp(*BOX.start(), *BOX.end()),
        mood: mood.map(Note::evidence),
        situations: situations(notes, input),
        metrics: figures::find(&evidence, MAX_METRICS),
    }
}

/// The groups of a match that took part.
fn text_parts(found: &regex::Captures<'_>) -> Vec<String> {
    found.iter().skip(1).flatten().map(|part| part.as_str().to_lowercase()).collect()
}

fn days(parts: &[String]) -> Option<u32> {
    let [count, unit, ..] = parts else { return None };
    let count: u32 = match count.as_str() {
        "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "six" => 6,
        digits => digits.parse().ok()?,
    };
    let days = if unit.starts_with('d') { count } else { count * 7 };
    (1..=60).contains(&days).then_some(days)
}

fn minutes(parts: &[String]) -> Option<u32> {
    let [count, unit, ..] = parts else { return None };
    let count: f64 = count.parse().ok()?;
    let minutes = if unit.starts_with('h') || unit.starts_with("st") { count * 60.0 } else { count };
    (5.0..=600.0).contains(&minutes).then_some(minutes as u32)
}

fn setting(notes: &[Note]) -> Option<&'static str> {
    let holds = |cues: &Cues| notes.iter().any(|note| cues.hold(&note.text));
    match (holds(&HYBRID), holds(&REMOTE), holds(&ON_SITE)) {
        (true, _, _) | (false, true, true) => Some("hybrid"),
        (false, true, false) => Some("remote"),
        (false, false, true) => Some("on_site"),
        (false, false, false) => None,
    }
}

fn situations(notes: &[Note], input: &AgentInput<'_>) -> Vec<Situation> {
    let holds = |cues: &Cues| cues.hold(input.intent) || notes.iter().any(|note| cues.hold(&note.text));
    let low_mood = notes.iter().any(|note| {
        MOOD.captures(&note.text).is_some_and(|found| {
            let part = |index: usize| found[index].replace(',', ".").parse::<f64>().unwrap_or(0.0);
            part(2) > 0.0 && part(1) / part(2) < LOW_MOOD
        })
    });
    let count = |wanted: Tone| notes.iter().filter(|note| note.tone == wanted).count();
    let all_praise = count(Tone::Well) + count(Tone::Thanks) >= 3 && count(Tone::Badly) == 0;
    [
        (Situation::Tension, holds(&TENSION)),
        (Situation::Fatigue, holds(&FATIGUE) || low_mood),
        (Situation::Incident, holds(&INCIDENT)),
        (Situation::Shipped, holds(&SHIPPED)),
        (Situation::NewTeam, holds(&NEW_TEAM)),
        (Situation::Quiet, holds(&QUIET)),
        (Situation::AllPraise, all_praise),
    ]
    .into_iter()
    .filter_map(|(situation, holds)| holds.then_some(situation))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::source::Source;

    fn context(text: &str) -> TeamContext {
        let input = AgentInput {
            intent: "retro",
            text,
            files: &[],
            role: "developer",
            memories: &[],
            static_context: false,
            pattern: None,
            today: jiff::civil::date(2026, 11, 25),
            execution_id: "e",
        };
        read(&super::super::notes::read(&Source::read(text)), &input)
    }

    #[test]
    fn size_sprint_setting_and_box_are_read_in_the_ways_people_write_them() {
        for (text, expected) in [
            ("Team of 7, two-week sprints, fully remote, we have 45 minutes", (Some(7), 14, Some("remote"), 45)),
            ("8 engineers, sprint length: 3 weeks, in the office, 90 min retro", (Some(8), 21, Some("on_site"), 90)),
            ("we are 12, hybrid, 10 day sprint, time box: 1.5 hours", (Some(12), 10, Some("hybrid"), 90)),
            ("90 minutes for the retro", (None, 14, None, 90)),
            ("nothing", (None, 14, None, 60)),
            ("time box: 5 minutes", (None, 14, None, 15)),
        ] {
            let found = context(text);
            assert_eq!(
                (found.team_size, found.sprint_days, found.setting.as_deref(), found.box_minutes),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_low_mood_is_fatigue_and_a_good_one_is_not() {
        assert_eq!(context("mood: 2,5 / 5").situations, [Situation::Fatigue]);
        assert!(context("Mood 8 out of 10").situations.is_empty());
        assert!(context("no incident this time").situations.is_empty());
    }
}
