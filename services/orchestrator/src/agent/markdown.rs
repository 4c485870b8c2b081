//! Renders the pages of the agents. Every value is escaped, so that a user's text cannot change the structure of a page: it opens no heading,
//! table cell or link, and contains no HTML.

use super::source::{capitalised, without_bullet};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use std::sync::LazyLock;

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = environment();
    let templates = [
        ("root_cause_report", include_str!("../../templates/rca.md")),
        ("retrospective_plan", include_str!("../../templates/retro.md")),
        ("brief", include_str!("../../templates/brief.md")),
    ];
    for (kind, template) in templates {
        // Leaked once: templates live as long as the process.
        pages
            .add_template(kind, tags_only(template).leak())
            .expect("the templates are compiled in, and tests render them");
    }
    pages
});

/// Removes the end of each line that has only a tag, so that it is not rendered as a blank line.
fn tags_only(template: &str) -> String {
    let line = |line: &str| {
        let is_tag = line.starts_with("{%") && line.ends_with("%}") && line.matches("{%").count() == 1;
        if is_tag { line.to_owned() } else { format!("{line}\n") }
    };
    template.lines().map(line).collect()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A field that is omitted renders as nothing, and so does a field of it.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_formatter(|page, _, value| {
        let text = if value.is_undefined() { String::new() } else { value.to_string() };
        let text = if value.is_safe() { text } else { inline(&text) };
        page.write_str(&text).map_err(Into::into)
    });
    environment.add_filter("capital", |text: &str| capitalised(text));
    environment.add_filter("item", |text: &str| without_bullet(text).to_owned());
    environment.add_filter("signed", |number: i64| Value::from_safe_string(format!("{number:+}")));
    environment.add_filter("duration", duration_text);
    environment.add_filter("clock", |minutes: u64| format!("{:02}:{:02}", minutes / 60, minutes % 60));
    environment
}

/// Renders the page of an artefact. Several blank lines become one.
pub(crate) fn render(kind: &str, data: &serde_json::Value) -> String {
    let page = PAGES.get_template(kind).and_then(|template| template.render(Value::from(Serde(data))));
    let mut page = page.expect("the kinds of artefacts are those of the templates, and no template can fail");
    while page.contains("\n\n\n") {
        page = page.replace("\n\n\n", "\n\n");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
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
    fn markdown_syntax_in_a_text_is_escaped() {
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
    fn every_value_of_a_page_is_escaped_and_an_omitted_one_is_empty() {
        let template = "# {{ title }}\n{% for one in list %}\n{{ loop.index }}. {{ one.name }}{{ one.note.line }}\n{% else %}\nnone\n{% endfor %}\n{{ n | duration }}";
        let data = json!({ "title": "a | b", "list": [{ "name": "<b>" }, { "name": "# z" }], "n": 80 });
        let page = environment().render_str(&tags_only(template), Value::from(Serde(&data))).unwrap();
        assert_eq!(page, "# a \\| b\n1. &lt;b>\n2. \\# z\n1 h 20 min");
    }
}
