//! The tables of the data files. A key that is missing or unknown fails to parse, which a test finds.

use super::Cues;
use crate::agent::rca::Mark;
use serde::Deserialize;
use std::collections::HashMap;

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
        all_times, since, denial, hypothetical,
    }
    Brief {
        ;
        requirement, step, constraint,
    }
    Incident {
        factor: Vec<FactorRule>, why: Vec<WhyRule>, question: Vec<OpenQuestion>;
        resolved, mitigated, without_effect, detected, by_customer, by_alert, change, failure, bad_metric,
        good_metric, rise, fall, health, response, onset, root_cause, unknown_cause, because, led_to, title, to_do,
        went_well, affected, lasted_minutes, lasted_hours, minutes,
    }
    FactorRule {
        category: String, marks: Vec<Mark>, or_cause: Option<bool>, even_denied: Option<bool>, reading: String,
        action: String, owner: String, verification: String;
        cues,
    }
    WhyRule {
        question: String, find_out: String,
    }
    OpenQuestion {
        when: String, text: String,
    }
    Retrospective {
        sections: Sections, number_words: HashMap<String, u32>, questions: Vec<String>, slot: Vec<SlotRule>,
        subject: Vec<Subject>;
        bad, good, idea, introduction, harsh, done, not_done, sprint_weeks, sprint_days, box_minutes, box_hours,
    }
    Sections {
        ;
        earlier, badly, well, idea, thanks, fact,
    }
    SlotRule {
        when: String, title: String, weight: u32, how: String,
    }
    Subject {
        title: String, questions: Vec<String>, action: String, owner: String, measure: String;
        cues,
    }
}
