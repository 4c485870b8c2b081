//! Renders Markdown from data and a template. Every string of the data is escaped, so that a user's text cannot change the structure of the
//! page: it opens no heading, table cell or link, and contains no HTML.
//!
//! In a template `{a.b}` is a value of the current item, `{.}` the item itself, and `{a|filter}` applies a filter.
//! `{#a}…{:else}…{/}` repeats its content for each item of a list, whose number is `{@}`, or renders it once with an object or a
//! scalar. The part after `{:else}` is rendered instead if the value is missing, false or an empty list. `{#a?}` renders its content once if
//! the list is not empty, or the number is not zero.

use super::source::{capitalised, without_bullet};
use serde_json::Value;

const ELSE: &str = "{:else}";

/// Renders a template. Several blank lines become one.
pub(crate) fn render(template: &str, data: &Value) -> String {
    // A line that has only the tag of a section is not rendered, not even as a blank line.
    let line = |line: &str| {
        let is_tag = line.starts_with("{#") || line == ELSE || line == "{/}";
        let is_alone = is_tag && line.matches('{').count() == 1;
        if is_alone { line.to_owned() } else { format!("{line}\n") }
    };
    let template: String = template.lines().map(line).collect();
    let mut page = String::new();
    block(&template, data, 0, &mut page);
    while page.contains("\n\n\n") {
        page = page.replace("\n\n\n", "\n\n");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn block(template: &str, scope: &Value, number: usize, page: &mut String) {
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        page.push_str(&rest[..start]);
        let (tag, after) = rest[start + 1..].split_once('}').expect("a tag of a template is closed");
        rest = after;
        if let Some(path) = tag.strip_prefix('#') {
            let (content, otherwise, after) = section(rest);
            rest = after;
            repeat(path, content, otherwise, scope, page);
        } else if tag == "@" {
            page.push_str(&number.to_string());
        } else {
            let (path, filter) = tag.split_once('|').unwrap_or((tag, ""));
            page.push_str(&shown(lookup(path, scope), filter));
        }
    }
    page.push_str(rest);
}

/// Returns the content of a section, the part after its `{:else}`, and the template after the section.
fn section(template: &str) -> (&str, &str, &str) {
    let (mut depth, mut otherwise) = (0, None);
    for (at, _) in template.match_indices('{') {
        let tag = &template[at..];
        if tag.starts_with("{#") {
            depth += 1;
        } else if tag.starts_with(ELSE) && depth == 0 {
            otherwise = Some(at);
        } else if let Some(after) = tag.strip_prefix("{/}") {
            if depth == 0 {
                let (end, otherwise) = otherwise.map_or((at, ""), |start| (start, &template[start + ELSE.len()..at]));
                return (&template[..end], otherwise, after);
            }
            depth -= 1;
        }
    }
    panic!("a section of a template is closed")
}

fn repeat(path: &str, content: &str, otherwise: &str, scope: &Value, page: &mut String) {
    let value = lookup(path.trim_end_matches('?'), scope);
    match value {
        Value::Null | Value::Bool(false) => block(otherwise, scope, 0, page),
        Value::Array(items) if items.is_empty() => block(otherwise, scope, 0, page),
        Value::Number(number) if path.ends_with('?') && number.as_u64() == Some(0) => block(otherwise, scope, 0, page),
        Value::Array(items) if !path.ends_with('?') => {
            items.iter().enumerate().for_each(|(index, item)| block(content, item, index + 1, page));
        }
        Value::Object(_) => block(content, value, 0, page),
        _ => block(content, scope, 0, page),
    }
}

fn lookup<'a>(path: &str, scope: &'a Value) -> &'a Value {
    if path == "." {
        return scope;
    }
    scope.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null)
}

fn shown(value: &Value, filter: &str) -> String {
    match (value, filter) {
        (Value::String(text), "capital") => inline(&capitalised(text)),
        (Value::String(text), "words") => inline(&text.replace('_', " ")),
        (Value::String(text), "item") => inline(without_bullet(text)),
        (Value::String(text), _) => inline(text),
        (Value::Number(number), "signed") => number.as_i64().map_or_else(String::new, |number| format!("{number:+}")),
        (Value::Number(number), "duration") => duration_text(number.as_i64().unwrap_or_default()),
        (Value::Number(number), "clock") => {
            let minutes = number.as_u64().unwrap_or_default();
            format!("{:02}:{:02}", minutes / 60, minutes % 60)
        }
        (Value::Number(number), _) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns minutes in the form `1 h 20 min`.
pub(crate) fn duration_text(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    #[test]
    fn a_template_repeats_lists_and_falls_back_if_they_are_empty() {
        let template = "# {title}\n{#items?}\nItems:\n{#items}\n{@}. {name|words}{#note} ({note}){/}\n{:else}\nnone\n{/}\n{:else}\nno list\n{/}\n{n|duration}";
        let data = json!({ "title": "a | b", "items": [{ "name": "x_y", "note": "<b>" }, { "name": "z" }], "n": 80 });
        assert_eq!(render(template, &data), "# a \\| b\nItems:\n1. x y (&lt;b>)\n2. z\n1 h 20 min\n");
        assert_eq!(render(template, &json!({ "title": "t", "items": [] })), "# t\nno list\n");
    }
}
