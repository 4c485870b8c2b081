//! What is wrong with rule files: every problem with its file, its line and its rule, all of them together.

use std::fmt;

/// Most problems that are reported at once; the rest is counted.
const MAX_PROBLEMS: usize = 200;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File, relative to its folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Id of the rule, where it is known.
    pub rule: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(rule) = &self.rule {
            write!(f, "{rule}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a set of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the rules cannot be used:", self.0.len())?;
        for problem in self.0.iter().take(MAX_PROBLEMS) {
            write!(f, "\n  {problem}")?;
        }
        if self.0.len() > MAX_PROBLEMS {
            write!(f, "\n  and {} more", self.0.len() - MAX_PROBLEMS)?;
        }
        Ok(())
    }
}

/// The nearest of `known` to `word`, as the end of a message; nothing where none is near.
pub(super) fn nearest(word: &str, known: &[&str]) -> String {
    let best = known.iter().map(|known| (strsim::damerau_levenshtein(word, known), known)).min();
    match best {
        Some((distance, known)) if distance <= 3.min(word.chars().count() / 2).max(1) => {
            format!("; did you mean `{known}`?")
        }
        Some(_) | None => {
            let words: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
            format!("; known are {}", words.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_answered_with_the_nearest_word_and_nonsense_with_all() {
        assert_eq!(nearest("severty", &["severity", "title"]), "; did you mean `severity`?");
        assert_eq!(nearest("banana", &["severity", "title"]), "; known are `severity`, `title`");
    }

    #[test]
    fn a_problem_says_where_it_is() {
        let problem = Problem { file: "a.yaml".into(), line: 7, rule: Some("SEC-001".into()), message: "why".into() };
        assert_eq!(problem.to_string(), "a.yaml:7: SEC-001: why");
    }
}
