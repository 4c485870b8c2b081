//! The tables of the data files. A key that is missing or unknown fails to parse, which a test finds.

use super::Cues;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Structs of a table: fields with a type; then, after a semicolon, lists of cues.
macro_rules! tables {
    ($($table:ident { $($field:ident: $kind:ty),* $(,)? $(; $($cues:ident,)+)? })+) => {
        $(#[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $table {
            $(pub(crate) $field: $kind,)*
            $($(pub(crate) $cues: Cues,)+)?
        })+
    };
}

/// The data files, in the order of [`Lexicon`].
pub(super) const FILES: [&str; 4] = [
    include_str!("../../../../../fixtures/lexicon/words.toml"),
    include_str!("../../../../../fixtures/lexicon/incident.toml"),
    include_str!("../../../../../fixtures/lexicon/retrospective.toml"),
    include_str!("../../../../../fixtures/lexicon/brief.toml"),
];

pub(crate) struct Lexicon {
    pub(crate) words: Words,
    pub(crate) incident: Incident,
    pub(crate) retrospective: Retrospective,
    pub(crate) brief: Brief,
}

impl Lexicon {
    pub(super) fn parse() -> Self {
        const VALID: &str = "the files are compiled in, and a test parses them";
        let [words, incident, retrospective, brief] = FILES;
        Self {
            words: toml::from_str(words).expect(VALID),
            incident: toml::from_str(incident).expect(VALID),
            retrospective: toml::from_str(retrospective).expect(VALID),
            brief: toml::from_str(brief).expect(VALID),
        }
    }
}

tables! {
    Words {
        common: String, abbreviations: Vec<String>, contrast: Vec<String>, date_formats: Vec<String>,
        zones: HashMap<String, i64>;
        all_times, since, denial, hypothetical, figure,
    }
    Brief {
        default_steps: Vec<String>, risk: Vec<RiskRule>;
        requirement, step, constraint,
    }
    RiskRule {
        risk: String, answer: String;
        cues,
    }
    Incident {
        part_endings: Vec<String>, plain_parts: Vec<String>, factor: HashMap<String, FactorRule>, why: Vec<WhyRule>,
        question: Vec<HintRule>;
        resolved, mitigated, without_effect, detected, by_customer, by_alert, change, failure, bad_metric,
        good_metric, rise, fall, health, response, onset, root_cause, unknown_cause, because, led_to, outside, title, to_do,
        went_well, affected, lasted_minutes, lasted_hours, minutes,
    }
    FactorRule {
        reading: String, action: String, owner: String, verification: String, mechanism: String, barrier: String;
        cues,
    }
    WhyRule {
        question: String, find_out: String, answered_by: Option<String>,
    }
    Retrospective {
        sections: Sections, number_words: BTreeMap<String, u32>, situations: Situations, format: Vec<FormatRule>,
        hint: Vec<HintRule>, slot: Vec<SlotRule>, subject: Vec<Subject>;
        bad, good, idea, introduction, harsh, done, not_done, team_size, sprint_weeks, sprint_days, box_minutes,
        box_hours, mood_score, mood, remote, hybrid, on_site,
    }
    Sections {
        ;
        earlier, badly, well, idea, thanks, fact,
    }
    Situations {
        ;
        tension, fatigue, incident, shipped, new_team, quiet,
    }
    FormatRule {
        when: String, name: String, columns: Vec<String>, reason: String,
    }
    HintRule {
        when: String, text: String,
    }
    SlotRule {
        when: String, title: String, weight: u32, how: String,
    }
    Subject {
        title: String, questions: Vec<String>, action: String, owner: String, measure: String;
        cues,
    }
}
