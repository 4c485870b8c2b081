//! Suggests the name that the author of a file or of a request probably meant, as the end of a message.

/// Returns the name that is nearest to `word`, if the difference is small enough for a misspelling.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = names.into_iter().map(|name| (strsim::damerau_levenshtein(word, name), name));
    // One slip, and one more for every four letters. With a larger distance the suggestion would be another word.
    distances.filter(|(distance, name)| *distance <= 1 + name.len() / 4).min().map(|(_, name)| name)
}

/// Returns `; did you mean ...?`, or nothing if no name is near.
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Returns `; did you mean ...?`, or all names if none is near.
pub fn expected_one_of(word: &str, names: &[&str]) -> String {
    match nearest(word, names.iter().copied()) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => format!("; expected one of `{}`", names.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_the_nearest_name_and_any_other_word_gets_every_name() {
        assert_eq!(expected_one_of("severty", &["severity", "title"]), "; did you mean `severity`?");
        assert_eq!(expected_one_of("banana", &["severity", "title"]), "; expected one of `severity`, `title`");
        assert_eq!((nearest("usd", ["used"]), nearest("nowhere", ["first"])), (Some("used"), None));
        assert_eq!(did_you_mean("banana", ["title"]), "");
    }
}
