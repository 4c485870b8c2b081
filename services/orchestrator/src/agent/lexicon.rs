//! Expressions for what statements mean, and the one rule about denial: a cue behind a "no" is none. Which statements are asked
//! about what is not known here.

use regex::Regex;
use std::sync::LazyLock;

/// Words before a cue that are searched for a denial.
const DENIAL_REACH: usize = 3;

static DENIAL: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^(?:no|not|never|without|none|neither|nor|nobody|no-one|noone|niemand|nadie|personne|didn['’]t|wasn['’]t|weren['’]t|isn['’]t|hasn['’]t|haven['’]t|cannot|can['’]t|don['’]t|kein\w*|nicht|ohne|sin|sans|pas|nunca)$",
    )
});

/// A constant expression. Edges of words are those of ASCII: Unicode's would keep the engine from its fast path on every text
/// that is not plain English, and cues begin with ASCII letters.
pub(crate) fn expression(pattern: &str) -> Regex {
    Regex::new(&pattern.replace(r"\b", r"(?-u:\b)")).expect("a constant expression")
}

/// Cues of one meaning.
#[derive(Debug)]
pub(crate) struct Cues(Regex);

impl Cues {
    /// Cues that begin at the beginning of a word, in any case.
    pub(crate) fn new(alternatives: &str) -> Self {
        Self(expression(&format!(r"(?i)(?:\b|_)(?:{alternatives})")))
    }

    /// Whether `text` carries one that is not denied.
    pub(crate) fn hold(&self, text: &str) -> bool {
        self.0.find_iter(text).any(|cue| !denied(&text[..cue.start()]))
    }

    /// Whether `text` carries one, denied or not.
    pub(crate) fn occur(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// How many of them `text` carries undenied.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.0.find_iter(text).filter(|cue| !denied(&text[..cue.start()])).count()
    }
}

fn denied(before: &str) -> bool {
    let clause = before.rsplit([',', ';', '.', ':', '(']).next().unwrap_or_default();
    clause.split_whitespace().rev().take(DENIAL_REACH).any(|word| DENIAL.is_match(word))
}

/// What is hoped for, asked or planned rather than told.
pub(crate) static HYPOTHETICAL: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"(?:should (?:be|we|have)|shall we|can we|could we|maybe|might|perhaps|if we|let['’]s|trying to|tried to|want to|going to|about to|plan(?:ning)? to|waiting for|vielleicht|quiz[aá]s?|peut-[eê]tre)\b|\w[^?]*\?+\s*$",
    )
});
/// An attempt that changed nothing.
pub(crate) static WITHOUT_EFFECT: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"(?:(?:did|does|do)(?: not|n['’]t) (?:help|work|fix|change)|no (?:effect|change|improvement)|without effect|still (?:failing|broken|down|seeing|errors|high|red)|(?:rollback|restart|revert|failover|fix) failed|half nicht|ohne wirkung|sin efecto|sans effet)",
    )
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_cue_does_not_hold() {
        let alert = Cues::new("alert|paged");
        assert!(alert.hold("an alert fired") && alert.hold("no traffic, alert fired"));
        for denied in ["no alert fired", "we were not paged", "nobody wasn't sure: never got paged", "kein Alert"] {
            assert!(!alert.hold(denied) && alert.occur(denied), "{denied}");
        }
        assert!(!alert.occur("unalerted"));
    }

    #[test]
    fn hopes_and_questions_are_no_facts() {
        for hope in ["let's roll back", "should be resolved soon", "did the rollback finish?", "maybe the deploy"] {
            assert!(HYPOTHETICAL.hold(hope), "{hope}");
        }
        assert!(!HYPOTHETICAL.hold("rolled back to v41"));
    }
}
