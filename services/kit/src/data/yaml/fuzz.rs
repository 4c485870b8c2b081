//! Any text: lines of the text, bounded trees, and the same tree from its plainest form.

use super::*;
use fuzzing::Target;
use std::fmt::Write as _;

const TARGET: Target = Target::new("yaml", &["services/kit/src/data/yaml.rs"]).with_words(&[
    "- ",
    ": ",
    "? ",
    "|\n",
    ">\n",
    "|-\n",
    "&a ",
    "*a",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "!!str ",
    "{a: b}",
    "[a, b]",
    "'",
    "\"",
    "\\x41",
    "#",
    "~",
    "null",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "  ",
]);

/// Writes a tree with brackets and quotes only.
fn plain(node: &Node, text: &mut String) {
    let quoted = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    match &node.value {
        Value::Empty => text.push('~'),
        Value::Text { text: content, .. } => text.push_str(&quoted(content)),
        Value::List(items) => {
            text.push('[');
            items.iter().for_each(|item| {
                plain(item, text);
                text.push_str(", ");
            });
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            entries.iter().for_each(|entry| {
                // A write to a text cannot fail.
                let _ = write!(text, "? {} : ", quoted(&entry.key));
                plain(&entry.node, text);
                text.push_str(", ");
            });
            text.push('}');
        }
    }
}

/// Removes what the plain form does not keep: lines, and if a text had quotes.
fn without_form(node: &mut Node) {
    node.line = 1;
    match &mut node.value {
        Value::Empty => {}
        Value::Text { plain, .. } => *plain = false,
        Value::List(items) => items.iter_mut().for_each(without_form),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.line = 1;
            without_form(&mut entry.node);
        }),
    }
}

/// Returns the number of values, and checks their lines and their depth.
fn count(node: &Node, lines: usize, depth: usize) -> usize {
    assert!((1..=lines).contains(&node.line), "line {} of {lines}", node.line);
    assert!(depth <= MAX_DEPTH + 1, "{depth} levels");
    1 + match &node.value {
        Value::Empty | Value::Text { .. } => 0,
        Value::List(items) => items.iter().map(|item| count(item, lines, depth + 1)).sum(),
        Value::Map(entries) => entries.iter().map(|entry| 1 + count(&entry.node, lines, depth + 1)).sum(),
    }
}

#[test]
fn trees_are_bounded_and_do_not_depend_on_their_form() {
    TARGET.run_text(|text| {
        let lines = text.lines().count() + 2;
        match parse(text) {
            Ok(mut node) => {
                let values = count(&node, lines, 0);
                assert!(values <= 2 * text.len() + 2, "{values} values in {} bytes", text.len());
                let mut flow = String::new();
                plain(&node, &mut flow);
                let mut again = parse(&flow).unwrap_or_else(|error| panic!("{error:?} in the plain form {flow}"));
                without_form(&mut node);
                without_form(&mut again);
                assert_eq!(again, node, "{flow}");
            }
            Err(error) => {
                assert!((0..=lines).contains(&error.line), "line {} of {lines}", error.line);
                assert!(!error.message.is_empty() && error.message.len() < 300, "{}", error.message);
            }
        }
    });
}
