//! Splits text into words for matching: lower case, without stop words, without English endings. The index and the search must agree, so both
//! use this module.

/// Longest word, in bytes; longer ones are skipped.
const MAX_WORD_BYTES: usize = 40;

/// Words that are skipped because they say nothing about the task. Sorted, because they are looked up by binary search.
const STOP_WORDS: &[&str] = &[
    "a",
    "about",
    "after",
    "again",
    "all",
    "also",
    "am",
    "an",
    "and",
    "another",
    "any",
    "anybody",
    "are",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "being",
    "best",
    "between",
    "both",
    "but",
    "by",
    "can",
    "cannot",
    "could",
    "did",
    "do",
    "does",
    "doing",
    "done",
    "each",
    "every",
    "few",
    "first",
    "for",
    "from",
    "get",
    "gets",
    "give",
    "go",
    "goes",
    "good",
    "had",
    "has",
    "have",
    "help",
    "her",
    "here",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "just",
    "know",
    "last",
    "let",
    "like",
    "made",
    "make",
    "makes",
    "making",
    "many",
    "may",
    "me",
    "more",
    "most",
    "much",
    "must",
    "my",
    "need",
    "needs",
    "new",
    "next",
    "no",
    "not",
    "now",
    "of",
    "off",
    "on",
    "once",
    "one",
    "only",
    "or",
    "other",
    "our",
    "out",
    "over",
    "own",
    "people",
    "please",
    "put",
    "same",
    "say",
    "see",
    "should",
    "show",
    "so",
    "some",
    "somebody",
    "something",
    "still",
    "such",
    "take",
    "tell",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "thing",
    "things",
    "this",
    "those",
    "three",
    "time",
    "to",
    "too",
    "two",
    "until",
    "up",
    "us",
    "use",
    "used",
    "using",
    "very",
    "want",
    "wants",
    "was",
    "way",
    "we",
    "well",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "whom",
    "why",
    "will",
    "with",
    "without",
    "would",
    "you",
    "your",
];

/// Returns the words of `text` in order, with repetitions.
pub fn of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(str::to_lowercase)
        .filter(|word| word.len() <= MAX_WORD_BYTES && STOP_WORDS.binary_search(&word.as_str()).is_err())
        .map(|word| stem(&word).to_owned())
        .collect()
}

/// Returns the word without its ending. Coarse on purpose: the forms of a word must get the same stem, and the stem itself is never shown.
fn stem(word: &str) -> &str {
    // The endings are English, and bytes can be cut only from ASCII.
    if !word.is_ascii() {
        return word;
    }
    let plural = match word {
        // `queries` becomes `quer`, as does `query`, whose `y` is removed below.
        _ if word.len() > 4 && word.ends_with("ies") => return cut(word, 3),
        // `class`, `status` and `analysis` are no plurals.
        _ if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") => word,
        _ if word.len() > 3 && word.ends_with('s') => cut(word, 1),
        _ => word,
    };
    let ending = ["ations", "ation", "ating", "ated", "ate", "ing", "ed", "e", "y"];
    let matched = ending.iter().find(|ending| plural.len() >= ending.len() + 3 && plural.ends_with(**ending));
    let root = matched.map_or(plural, |ending| cut(plural, ending.len()));
    // The doubled letter is removed, so that `planning` gets the stem of `plan`; `ll` and `ss` stay, so that `calling` gets that of `call`.
    let bytes = root.as_bytes();
    match bytes {
        [.., before, last] if matched.is_some() && before == last && root.len() > 3 && !b"ls".contains(last) => {
            cut(root, 1)
        }
        _ => root,
    }
}

fn cut(word: &str, bytes: usize) -> &str {
    &word[..word.len() - bytes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn forms_of_a_word_have_the_same_stem_and_stop_words_are_removed() {
        for forms in [
            &["review", "reviews", "reviewing", "reviewed"][..],
            &["plan", "plans", "planning", "planned"],
            &["migrate", "migration", "migrations", "migrating"],
            &["dependency", "dependencies"],
            &["query", "queries"],
            &["release", "releases", "releasing"],
            &["estimate", "estimation", "estimates"],
        ] {
            let stems: Vec<&str> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        }
        assert_eq!(of("How do I write the release notes?"), ["writ", "releas", "not"]);
        assert_eq!(of("Größe, Redis-7 数据"), ["größe", "redis", "7", "数据"]);
        assert!(of("how do I do this with that").is_empty());
    }
}
