//! Notes of a team: every statement with its tone, by the section it stands in, else by its words. What it is about is
//! `subjects`' business.

use crate::agent::Evidence;
use crate::agent::lexicon::{Cues, expression};
use crate::agent::source::{MAX_STATEMENT_CHARS, Source, cut, sentences, without_bullet};
use regex::Regex;
use std::sync::LazyLock;

/// Most notes that are read.
const MAX_NOTES: usize = 1_000;
/// Most words of the name of a section.
const MAX_SECTION_WORDS: usize = 6;

/// What a note says about its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Well,
    Badly,
    Idea,
    Thanks,
    /// About an earlier action item.
    Earlier,
    /// Context, numbers, anything else.
    Fact,
}

/// A statement of the team.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Note {
    pub(super) fn evidence(&self) -> Evidence {
        Evidence { line: self.line, text: self.text.clone() }
    }
}

static SECTIONS: LazyLock<[(Regex, Tone); 6]> = LazyLock::new(|| {
    let section = |names: &str, tone| (expression(&format!(r"(?i)^\W*(?:{names})\W*$")), tone);
    [
        section(
            r"(?:(?:last|previous|earlier|old)[\w'’ ]*(?:actions?|action items?|retro|time)|(?:open )?(?:actions?|action items?)(?: (?:from|of) (?:the )?[\w'’ ]+)?|letzte ma(?:ß|ss)nahmen|acciones anteriores|actions précédentes)",
            Tone::Earlier,
        ),
        section(
            r"(?:what )?(?:didn['’]?t|did not|not|could have|doesn['’]?t)[\w ]*(?:go|gone|went|work|working)?[\w ]*(?:well|better|good|great)?|(?:what )?went (?:badly|wrong|poorly)|bad(?:ly)?|negatives?|(?:to |needs? )?improve(?:ments?)?|sad|mad|lacked|problems?|pain(?: points?)?|minus|stop|lowlights?|deltas?|frustrations?|anchors?|what hurt|(?:was )?lief (?:nicht (?:so )?gut|schlecht)|was (?:nicht gut|schlecht) lief|schlecht|(?:lo )?(?:que )?(?:salió )?mal|qu[eé] salió mal|(?:ce qui )?(?:a )?(?:mal|moins bien) (?:marché|passé)|à améliorer",
            Tone::Badly,
        ),
        section(
            r"(?:what )?(?:went|did|worked|goes|going)(?: really)? well|(?:the )?good|positives?|glad|liked|loved|keep|continue|proud|highlights?|wins?|plus|what worked|wind|(?:was )?lief gut|was gut lief|gut(?: gelaufen)?|(?:lo )?(?:que )?(?:salió )?bien|qu[eé] salió bien|(?:ce qui )?(?:a )?bien (?:marché|passé)",
            Tone::Well,
        ),
        section(
            r"ideas?|start|try|experiments?|proposals?|suggestions?|longed for|wishes|ideen|vorschläge|propuestas|idées",
            Tone::Idea,
        ),
        section(r"kudos|thanks|thank you|shout ?outs?|appreciations?|danke|gracias|merci", Tone::Thanks),
        section(
            r"metrics?|numbers|the team|team(?: context)?|context|mood|facts|kpis?|stimmung|kennzahlen|métricas|équipe|sprint(?: \d+)?(?: facts)?",
            Tone::Fact,
        ),
    ]
});
static BAD: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(concat!(
        r"slow|late\b|delay|block|wait|flak|broke|fail|miss(?:ed|ing)|lack|too (?:many|much|long|late|big|few)|unclear|unplanned|interrupt|stress|overtime|frustrat|annoy|tired|exhaust|burn|conflict|tense|tension|",
        r"bugs?\b|incident|outage|rework|churn|chaos|confus|overload|bottleneck|scope creep|no time|hard to|pain|nois|silo|spill|carried over|carry ?over|slipped|rushed|forgot|ignored|blame|nobody|never\b|again\b|dropped|down from|worse|stuck|behind|",
        r"regress|rollback|hotfix|not (?:done|finished|ready|clear)|langsam|warten|unklar|stress|zu (?:viele|lang|spät)|kaputt|lento|tarde|bloque|cansad|demasiad|lent\b|retard|bloqu|fatigu|trop\b"
    ))
});
static GOOD: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(concat!(
        r"great|good|nice|love|happy|smooth|fast(?:er)?\b|quick|improv|help(?:ed|ful)|success|shipped|delivered|proud|well\b|fun\b|better|finally|works\b|worked|excellent|awesome|thank|up from|green|on time|",
        r"super|gut\b|toll|endlich|prima|bien\b|genial|mejor|contento|super|réussi|mieux|content"
    ))
});
static IDEA: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"we (?:should|could)|let['’]s|could we|how about|what if|try\b|maybe we|idea\b|propos|suggest|i(?:['’]d)? (?:would )?(?:like|wish)|wish\b|want to|vorschlag|wir sollten|podríamos|propongo|on pourrait",
    )
});

/// Reads them.
pub(super) fn read(source: &Source) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut section: Option<Tone> = None;
    let mut last = 0;
    for line in &source.lines {
        let gap = line.line > last + 2;
        last = line.line;
        let heading = line.text.starts_with('#');
        let text = without_bullet(&line.text);
        if let Some(tone) = named(text) {
            section = Some(tone);
            continue;
        }
        if heading || gap {
            section = None;
        }
        if heading {
            continue;
        }
        let (tone, told) = prefixed(&line.text, text).map_or((section, text), |(tone, told)| (Some(tone), told));
        for sentence in sentences(told) {
            if notes.len() >= MAX_NOTES {
                return notes;
            }
            let tone = tone.unwrap_or_else(|| by_words(sentence));
            let text = cut(sentence.trim_end_matches([';', ' ']), MAX_STATEMENT_CHARS);
            notes.push(Note { line: line.line, text, tone });
        }
    }
    notes
}

/// The section that a line opens.
fn named(text: &str) -> Option<Tone> {
    (text.split_whitespace().count() <= MAX_SECTION_WORDS).then_some(())?;
    SECTIONS.iter().find(|(names, _)| names.is_match(text)).map(|(_, tone)| *tone)
}

/// `good: …`, `+ …`, `👍 …`: the tone of one line.
fn prefixed<'a>(raw: &'a str, text: &'a str) -> Option<(Tone, &'a str)> {
    for (mark, tone) in
        [("+ ", Tone::Well), ("👍", Tone::Well), ("👎", Tone::Badly), ("💡", Tone::Idea), ("❤", Tone::Thanks)]
    {
        if let Some(told) = raw.strip_prefix(mark) {
            return Some((tone, told.trim_start()));
        }
    }
    let (name, told) = text.split_once(':')?;
    let tone = named(name)?;
    // the name of a fact is part of it: `mood: 3/5` without its name is a number
    let told = if tone == Tone::Fact { text } else { told.trim() };
    told.chars().any(char::is_alphanumeric).then_some((tone, told))
}

fn by_words(text: &str) -> Tone {
    if IDEA.hold(text) {
        return Tone::Idea;
    }
    let praised_denied = GOOD.occur(text) && !GOOD.hold(text);
    match (GOOD.count(text), BAD.count(text) + usize::from(praised_denied)) {
        (0, 0) => Tone::Fact,
        (good, bad) if good > bad => Tone::Well,
        (_, _) => Tone::Badly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tones(text: &str) -> Vec<Tone> {
        read(&Source::read(text)).iter().map(|note| note.tone).collect()
    }

    #[test]
    fn a_section_gives_its_notes_their_tone() {
        let text = "## What went well\n- tests\n\n## What didn't go well\n- tests\n### Ideas\n* tests\nKudos:\n- tests\nMetrics\n- tests";
        assert_eq!(tones(text), [Tone::Well, Tone::Badly, Tone::Idea, Tone::Thanks, Tone::Fact]);
    }

    #[test]
    fn a_prefix_gives_its_line_a_tone() {
        assert_eq!(
            tones("+ pairing\nbad: builds; reviews\nSchlecht: Builds\n👎 Jira"),
            [Tone::Well, Tone::Badly, Tone::Badly, Tone::Badly, Tone::Badly]
        );
    }

    #[test]
    fn words_give_a_tone_where_nothing_else_does() {
        assert_eq!(
            tones("Reviews are slow\nThe release went great\nWe could pair more\nIt was not good\nWe are in Lisbon"),
            [Tone::Badly, Tone::Well, Tone::Idea, Tone::Badly, Tone::Fact]
        );
    }
}
