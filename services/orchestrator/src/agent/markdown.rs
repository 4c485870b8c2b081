//! Markdown that a user's text cannot restructure: every such text goes through [`inline`], so that it cannot open a heading, a
//! table cell or a link, nor bring HTML.

use super::{Evidence, Figure, Related};
use std::fmt::Write;

/// Escapes `text` so that it is rendered as it was written.
pub(crate) fn inline(text: &str) -> String {
    let characters: Vec<char> =
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let strikes = characters.iter().filter(|character| **character == '~').count() > 1;
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut start = true;
    for (index, &character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| characters[index]);
        let after = characters.get(index + 1);
        let inside_word = before.is_some_and(char::is_alphanumeric) && after.is_some_and(|next| next.is_alphanumeric());
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' if start => escaped.push_str("&gt;"),
            '&' if entity(&characters[index + 1..]) => escaped.push_str("&amp;"),
            '_' if inside_word => escaped.push('_'),
            '\\' | '`' | '*' | '_' | '|' => escaped.extend(['\\', character]),
            '~' if strikes => escaped.extend(['\\', character]),
            ']' if matches!(after, Some('(' | '[')) => escaped.extend(['\\', character]),
            '[' if after == Some(&'^') => escaped.extend(['\\', character]),
            '#' | '-' | '+' | '=' | ':' | '[' if start => escaped.extend(['\\', character]),
            '.' | ')' if numbered(&characters[..index]) => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
        start &= character == ' ';
    }
    escaped
}

fn entity(after: &[char]) -> bool {
    let name =
        after.iter().take(32).take_while(|character| character.is_ascii_alphanumeric() || **character == '#').count();
    name > 0 && after.get(name) == Some(&';')
}

fn numbered(before: &[char]) -> bool {
    (1..=9).contains(&before.len()) && before.iter().all(char::is_ascii_digit)
}

/// A page in the making. Its methods take text that is escaped already.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Opens a page; `title` comes from a user and is escaped here.
    pub(crate) fn new(kind: &str, title: &str) -> Self {
        Self { text: format!("# {kind}: {}\n", inline(title)) }
    }

    pub(crate) fn section(&mut self, name: &str) {
        let _ = write!(self.text, "\n## {name}\n\n");
    }

    pub(crate) fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        let _ = write!(self.text, "{text}\n\n");
    }

    pub(crate) fn item(&mut self, text: &str) {
        let _ = writeln!(self.text, "- {text}");
    }

    /// A section with a list, or with the sentence `empty` if the list has no item.
    pub(crate) fn list(&mut self, name: &str, items: impl IntoIterator<Item = String>, empty: &str) {
        self.section(name);
        let before = self.text.len();
        items.into_iter().for_each(|item| self.item(&item));
        if self.text.len() == before {
            self.paragraph(empty);
        }
    }

    pub(crate) fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let _ = writeln!(self.text, "| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
    }

    pub(crate) fn finish(mut self) -> String {
        while self.text.contains("\n\n\n") {
            self.text = self.text.replace("\n\n\n", "\n\n");
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
        self.text
    }
}

/// A statement with its line.
pub(crate) fn quote(evidence: &Evidence) -> String {
    format!("“{}” (line {})", inline(&evidence.text), evidence.line)
}

/// A related memory with its reason.
pub(crate) fn related(related: &Related) -> String {
    let (excerpt, created_at, id) = (inline(&related.excerpt), inline(&related.created_at), inline(&related.id));
    format!("{excerpt} ({created_at}, {id}): {}", inline(&related.why))
}

/// Figures on one line, or nothing if there is none.
pub(crate) fn numbers(figures: &[Figure]) -> Option<String> {
    let numbers: Vec<String> =
        figures.iter().map(|figure| format!("{} (line {})", inline(&figure.value), figure.line)).collect();
    (!numbers.is_empty()).then(|| numbers.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn what_would_be_structure_is_text() {
        for (raw, escaped) in [
            ("# heading", "\\# heading"),
            ("- item", "\\- item"),
            ("12. item", "12\\. item"),
            ("a | b", "a \\| b"),
            ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
            ("> quote", "&gt; quote"),
            ("see [x](javascript:y)", "see [x\\](javascript:y)"),
            ("see [x][y]", "see [x\\][y]"),
            ("[x] done", "\\[x] done"),
            ("note[^1]", "note\\[^1]"),
            ("~~gone~~", "\\~\\~gone\\~\\~"),
            ("![x](http://y)", "![x\\](http://y)"),
            ("```sh", "\\`\\`\\`sh"),
            ("two\nlines", "two lines"),
            ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
            ("x <b>y</b>", "x &lt;b>y&lt;/b>"),
            ("\\# x", "\\\\# x"),
        ] {
            assert_eq!(inline(raw), escaped);
        }
    }

    #[test]
    fn ordinary_words_stay_as_they_are() {
        for plain in [
            "order_id of checkout-api rose to 12 % at 14:02",
            "R&D said: it's fine (mostly)",
            "größer, 大きい",
            "web[77]: p99 > 5 s, ~45 min",
        ] {
            assert_eq!(inline(plain), plain);
        }
    }
}
