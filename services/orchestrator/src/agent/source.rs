//! Reads a text as numbered statements: removes control characters, limits number and length, and splits lines into sentences. This module
//! does not interpret the words; the agents do.

use super::lexicon::LEXICON;
use schemars::JsonSchema;
use serde::Serialize;

/// Most lines that are read. The report states the number of further ones.
pub(crate) const MAX_LINES: usize = 5_000;
/// Longest piece of a line. A longer line is read in pieces, so that no work grows with the square of its length.
const MAX_LINE_BYTES: usize = 1_000;
const MAX_STATEMENTS_PER_LINE: usize = 200;
/// Longest statement. The rest of a longer one is replaced by an ellipsis.
pub(crate) const MAX_STATEMENT_CHARS: usize = 240;

/// A full stop before a lower-case word ends a sentence only if the sentence has this number of words.
const LOWER_CASE_WORDS: usize = 5;

/// A statement of the text, with its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Line of the text, from 1.
    pub line: usize,
    /// The statement.
    pub text: String,
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) lines: Vec<Evidence>,
    /// Number of lines beyond [`MAX_LINES`].
    pub(crate) left_out: usize,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let mut lines: Vec<Evidence> = Vec::new();
        let mut left_out = 0;
        for (index, line) in text.lines().enumerate() {
            if index >= MAX_LINES {
                left_out += 1;
                continue;
            }
            for text in pieces(&clean(line)) {
                if lines.len() >= MAX_LINES {
                    left_out += 1;
                } else if text.chars().any(char::is_alphanumeric) {
                    lines.push(Evidence { line: index + 1, text: text.to_owned() });
                }
            }
        }
        Self { lines, left_out }
    }
}

/// Cuts a line into pieces of at most [`MAX_LINE_BYTES`], at spaces if it has any.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while rest.len() > MAX_LINE_BYTES {
        let end = rest.floor_char_boundary(MAX_LINE_BYTES);
        let cut = rest[..end].rfind(' ').map_or(end, |space| space + 1);
        pieces.push(&rest[..cut]);
        rest = &rest[cut..];
    }
    pieces.push(rest);
    pieces
}

/// Removes control characters, escape sequences and marks that change the writing direction; folds spaces.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars();
    let mut space = false;
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // An escape sequence ends with a letter. The limit keeps the rest of the text if no letter follows.
            characters.by_ref().take(16).find(char::is_ascii_alphabetic);
            continue;
        }
        let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if hidden {
            continue;
        }
        if character.is_whitespace() || character.is_control() {
            space = !cleaned.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            cleaned.push(' ');
        }
        cleaned.push(character);
    }
    cleaned
}

/// Cuts `text` to `most` characters, at the end of a word if one is near, and appends an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let head = &text[..end];
    let near = head.len().saturating_sub(24);
    let stop = head.rfind(' ').filter(|stop| *stop >= near).unwrap_or(end);
    format!("{}…", head[..stop].trim_end_matches([' ', ',', ';']))
}

pub(crate) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Removes the mark of a list item, a checkbox, a quote or a heading.
pub(crate) fn without_bullet(text: &str) -> &str {
    let mut rest = text.trim_start_matches(['#', '>', ' ', '|']);
    if let Some(item) = ["- ", "* ", "+ ", "• ", "– ", "— "].iter().find_map(|bullet| rest.strip_prefix(bullet)) {
        rest = item.trim_start();
    }
    for mark in ["[ ] ", "[x] ", "[X] "] {
        rest = rest.strip_prefix(mark).unwrap_or(rest);
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = (1..=2).contains(&digits) && (rest[digits..].starts_with(". ") || rest[digits..].starts_with(") "));
    if numbered { rest[digits + 2..].trim_start() } else { rest }
}

pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    for window in characters.windows(3) {
        let [(stop, mark), (gap, space), (next, first)] = [window[0], window[1], window[2]];
        let ends = matches!(mark, '.' | '!' | '?' | ';') && space == ' ';
        let begins = mark != '.' || !first.is_lowercase() || text[start..stop].split(' ').count() >= LOWER_CASE_WORDS;
        if ends && begins && !abbreviated(&text[start..stop]) && sentences.len() < MAX_STATEMENTS_PER_LINE {
            sentences.push(text[start..gap].trim());
            start = next;
        }
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    sentences
}

fn abbreviated(before: &str) -> bool {
    let last = before.rsplit([' ', '(']).next().unwrap_or_default().to_lowercase();
    LEXICON.words.abbreviations.contains(&last)
        || (!last.is_empty() && last.len() <= 2 && last.chars().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_no_escape_sequence_no_control_and_no_hidden_mark() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\tand\u{202e}back\u{200b}\r"), "red andback");
    }

    #[test]
    fn numbers_are_those_of_the_text_although_blank_lines_are_left_out() {
        let source = Source::read("one\n\n---\nfour\r\n");
        let numbers: Vec<usize> = source.lines.iter().map(|line| line.line).collect();
        assert_eq!((numbers, source.left_out), (vec![1, 4], 0));
    }

    #[test]
    fn lines_past_the_bound_are_counted() {
        let source = Source::read(&"x\n".repeat(MAX_LINES + 7));
        assert_eq!((source.lines.len(), source.left_out), (MAX_LINES, 7));
    }

    #[test]
    fn a_long_line_is_read_in_pieces_under_its_own_number() {
        let source = Source::read(&format!("{}\n{}", "word ".repeat(500), "ü".repeat(600)));
        let numbers: Vec<usize> = source.lines.iter().map(|line| line.line).collect();
        assert_eq!(numbers, [1, 1, 1, 2, 2]);
        assert!(source.lines.iter().all(|line| line.text.len() <= MAX_LINE_BYTES));
    }

    #[test]
    fn sentences_end_at_stops_that_end_them() {
        assert_eq!(
            sentences("We saw e.g. Timeouts at 14.2 s. Then it stopped! who knows? not me; v1.2.3 was live"),
            ["We saw e.g. Timeouts at 14.2 s.", "Then it stopped!", "who knows?", "not me;", "v1.2.3 was live"]
        );
    }

    #[test]
    fn bullets_boxes_and_numbers_are_not_what_an_item_says() {
        for item in ["- x", "* x", "> x", "## x", "1. x", "12) x", "- [ ] x", "• x"] {
            assert_eq!(without_bullet(item), "x", "{item}");
        }
        assert_eq!(without_bullet("2026. x"), "2026. x");
    }

    #[test]
    fn a_cut_stays_on_character_boundaries_and_prefers_the_end_of_a_word() {
        assert_eq!(cut("größer als", 10), "größer als");
        assert_eq!(cut("größer als gedacht", 12), "größer als…");
        assert_eq!(cut(&"ß".repeat(300), 240).chars().count(), 241);
    }
}
