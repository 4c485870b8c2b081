//! Words and phrases that no text for readers has, each with what to write instead.

use crate::Finding;
use crate::rust_source::{Kind, pieces};
use crate::tree::File;

/// `*` stands for at most `LONGEST_GAP` words.
const FORBIDDEN: &[(&str, &str)] = &[
    ("told", "`reported`, `sent`, `passed`, or the verb that says what happens"),
    ("nobody", "name the client, user, operator or service: `no client`, `no one else`"),
    ("somebody", "name the client, user, operator or service"),
    ("anybody", "name the client, user, operator or service"),
    ("whoever", "name the client, user, operator or service"),
    ("tells whether", "`returns true if`, `reports whether`"),
    ("tell whether", "`decide if`, `report whether`"),
    ("absent", "`omitted`, `missing`, or `if omitted, …`"),
    ("so many", "`the number of`, `at most N`"),
    ("so much", "`the amount of`"),
    ("leave * away", "`omit`, `remove`"),
    ("leaves * away", "`omits`"),
    ("left away", "`omitted`"),
    ("a word on", "`comment`, `commented`"),
];
const LONGEST_GAP: usize = 4;

/// Files in which the words are data, each with the reason.
const EXEMPT: &[(&str, &str)] = &[
    ("harness/cli/tests/prose/", "names what it forbids"),
    (".ci/measure", "counts some of the words"),
    (
        "fixtures/catalog/",
        "prompts in everyday English, ranked by their words; a change of a word changes what is recommended",
    ),
    ("fixtures/lexicon/", "word lists and cues of what people write, which agents read"),
];

/// Rust files whose string literals are data; their comments are checked.
const EXEMPT_TEXTS: &[(&str, &str)] = &[
    ("services/orchestrator/src/warm.rs", "a report as people write it"),
    ("services/orchestrator/tests/", "reports as people write them"),
    ("services/patterns/src/index/words.rs", "words that a query may contain and that do not count"),
    ("scenarios/src/rca_agent/report.rs", "a report as people write it"),
];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let is_in = |list: &[(&str, &str)]| list.iter().any(|(path, _)| file.path.starts_with(path));
    if is_in(EXEMPT) { Vec::new() } else { check_unless_exempt(file, !is_in(EXEMPT_TEXTS)) }
}

/// Returns exemptions of files that would have no finding without them.
pub(crate) fn idle_exemptions(files: &[File]) -> Vec<&'static str> {
    let below = |path: &'static str| files.iter().filter(move |file| file.path.starts_with(path));
    let idle_file =
        |path| below(path).next().is_some() && below(path).all(|file| check_unless_exempt(file, true).is_empty());
    let idle_texts =
        |path| below(path).all(|file| check_unless_exempt(file, true).len() == check_unless_exempt(file, false).len());
    let files = EXEMPT.iter().map(|(path, _)| *path).filter(|path| idle_file(path));
    files.chain(EXEMPT_TEXTS.iter().map(|(path, _)| *path).filter(|path| idle_texts(path))).collect()
}

fn check_unless_exempt(file: &File, with_texts: bool) -> Vec<Finding> {
    // A file is listed by its name, so the name is a text as well.
    let mut words = Vec::new();
    push_words(&mut words, 1, &file.path.replace('_', " "));
    words.push(None);
    words.extend(match file.extension() {
        "rs" => rust_words(&file.text, with_texts),
        "md" | "toml" | "yml" | "yaml" | "j2" | "lua" | "js" | "css" | "example" => all_words(&file.text),
        _ if file.text.starts_with("#!") => all_words(&file.text),
        _ if ["Makefile", "Dockerfile"].contains(&&*file.path) => all_words(&file.text),
        _ => Vec::new(),
    });
    let finding = |(line, phrase, instead)| Finding {
        path: file.path.clone(),
        line,
        message: format!("`{phrase}`; write {instead}"),
    };
    forbidden(&words).into_iter().map(finding).collect()
}

/// A word with its line; `None` ends a text, so that no phrase reaches from one text into the next.
type Word = Option<(usize, String)>;

fn rust_words(source: &str, with_texts: bool) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut last = (Kind::Code, 0);
    for piece in pieces(source) {
        if piece.kind == Kind::Code {
            // The name of a function is a text as well: tests are listed by their names.
            for (line, name) in super::names::functions_in(&piece) {
                words.push(None);
                words.extend(name.split('_').map(|word| Some((line, word.to_owned()))));
            }
            continue;
        }
        let continues = last.0 == piece.kind && last.1 + 1 == piece.line;
        last = (piece.kind, piece.line);
        if !continues {
            words.push(None);
        }
        if piece.kind == Kind::Comment || with_texts {
            push_words(&mut words, piece.line, piece.text);
        }
    }
    words
}

fn all_words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            words.push(None);
        }
        push_words(&mut words, index + 1, line);
    }
    words
}

fn push_words(words: &mut Vec<Word>, line: usize, text: &str) {
    let separate = |letter: char| !letter.is_alphanumeric() && letter != '_';
    words.extend(text.split(separate).filter(|word| !word.is_empty()).map(|word| Some((line, word.to_lowercase()))));
}

fn forbidden(words: &[Word]) -> Vec<(usize, &'static str, &'static str)> {
    let mut hits = Vec::new();
    for (start, word) in words.iter().enumerate() {
        let Some((line, _)) = word else { continue };
        for (phrase, instead) in FORBIDDEN {
            let phrase_words: Vec<&str> = phrase.split(' ').collect();
            if begins_with(&words[start..], &phrase_words) {
                hits.push((*line, *phrase, *instead));
            }
        }
    }
    hits
}

fn begins_with(words: &[Word], phrase: &[&str]) -> bool {
    let Some((first, rest)) = phrase.split_first() else { return true };
    if *first == "*" {
        let text = words.split(Option::is_none).next().unwrap_or_default();
        return (0..=LONGEST_GAP.min(text.len())).any(|gap| begins_with(&words[gap..], rest));
    }
    words.first().is_some_and(|word| word.as_ref().is_some_and(|(_, word)| word == first))
        && begins_with(&words[1..], rest)
}

#[cfg(test)]
mod tests {
    use super::{EXEMPT, FORBIDDEN, check};
    use crate::tree::File;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&File { path: path.to_owned(), text: text.to_owned() }).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn every_forbidden_phrase_is_rejected_wherever_people_read() {
        for (phrase, _) in FORBIDDEN {
            let phrase = phrase.replace('*', "`--url`");
            for (path, text) in [
                ("a/src/a.rs", format!("fn a() {{}}\n// It is {phrase} here.")),
                ("a/src/a.rs", format!("/// A\n/// {phrase}.")),
                ("a/src/a.rs", format!("fn a() -> &str {{\n    \"{phrase}\" }}")),
                ("a/src/a.rs", format!("fn a() -> &str {{\n    r#\"{phrase}\"# }}")),
                ("docs/a.md", format!("# A\n{phrase}")),
                ("a/a.toml", format!("a = 1\n# {phrase}")),
                ("a/report.html.j2", format!("<p>\n{phrase}</p>")),
                ("infra/local/up", format!("#!/bin/bash\necho '{phrase}'")),
                ("Makefile", format!("a:\n\techo {phrase}")),
                (".github/workflows/a.yml", format!("a:\n  # {phrase}")),
            ] {
                assert_eq!(lines(path, &text), [2], "`{phrase}` in {path}: {text}");
            }
        }
    }

    #[test]
    fn names_of_functions_are_texts() {
        assert_eq!(lines("a/tests/a.rs", "#[test]\nfn nobody_reads_it() {}\nfn so_many_are_told() {}"), [2, 3, 3]);
    }

    #[test]
    fn names_of_files_are_texts() {
        assert_eq!(lines("fixtures/histories/valid/a/nobody-called.jsonl", "nobody"), [1]);
        assert_eq!(lines("a/tests/snapshots/all_are_told.snap", ""), [1]);
    }

    #[test]
    fn phrases_reach_over_lines_and_not_over_texts() {
        assert_eq!(lines("a/src/a.rs", "// It tells\n// whether it is."), [1]);
        assert_eq!(lines("docs/a.md", "It tells\nwhether it is.\n\nLeave\n\naway."), [1]);
        assert_eq!(
            lines("docs/a.md", "Leave away.\nLeave it and two away.\nLeave one two three four five away."),
            [1, 2]
        );
        assert_eq!(lines("a/src/a.rs", "// It tells\nfn a() {}\n// whether it is."), [0; 0]);
    }

    #[test]
    fn code_and_longer_words_are_not_text() {
        assert_eq!(lines("a/src/a.rs", "let told = 1; // It is retold."), [0; 0]);
        assert_eq!(lines("a/data.jsonl", "told"), [0; 0]);
    }

    #[test]
    fn exempt_files_are_data() {
        for (path, _) in EXEMPT {
            assert_eq!(lines(&format!("{path}x.md"), "told"), [0; 0], "{path}");
        }
        let file = "services/orchestrator/src/warm.rs";
        assert_eq!(lines(file, "const A: &str = \"nobody\";\n// nobody\n"), [2]);
    }
}
