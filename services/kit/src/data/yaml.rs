//! YAML as a tree in which every value has its line. Depth and number of values are limited. Anchors and aliases are refused, because a
//! short file with aliases can expand to a very large one.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Maximum depth of nesting in a file.
// `Events::node` recurses once for each level.
const MAX_DEPTH: usize = 24;
/// Maximum number of values in a file.
const MAX_VALUES: usize = 200_000;

/// A value with the line where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Line, from 1.
    pub line: usize,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value, `~` or `null`.
    Empty,
    Text {
        /// The text without quotes.
        text: String,
        /// True if the text has no quotes, so that it may stand for a number or a boolean.
        plain: bool,
    },
    List(Vec<Node>),
    /// Entries in the order of the file. A repeated key is kept, so that its line can be reported.
    Map(Vec<MapEntry>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapEntry {
    /// Line of the key.
    pub line: usize,
    pub key: String,
    pub node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    pub message: String,
}

impl ParseError {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl Value {
    /// Describes the kind of value, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Text { .. } => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Parses a file with one document.
///
/// # Errors
/// Fails if the text is not YAML, has a second document, an anchor or an alias, or exceeds a limit.
pub fn parse(text: &str) -> Result<Node, ParseError> {
    let mut events = Events { parser: Parser::new_from_str(text), values: 0 };
    let mut root = None;
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            other if root.is_none() => root = Some(events.node(other, span, 0)?),
            _ => return Err(ParseError::at(line(&span), "a second document; a file has one")),
        }
    }
    Ok(root.unwrap_or(Node { line: 1, value: Value::Empty }))
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    values: usize,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), ParseError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(ParseError::at(error.marker().line(), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, ParseError> {
        let line = line(&span);
        self.values += 1;
        if self.values > MAX_VALUES || depth > MAX_DEPTH {
            return Err(ParseError::at(
                line,
                format!("more than {MAX_VALUES} values, or nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, _) => {
                refuse_anchor(anchor, line)?;
                let plain = style == ScalarStyle::Plain;
                if plain && matches!(&*text, "" | "~" | "null") {
                    Value::Empty
                } else {
                    Value::Text { text: text.into_owned(), plain }
                }
            }
            Event::SequenceStart(anchor, _) => {
                refuse_anchor(anchor, line)?;
                self.list(depth)?
            }
            Event::MappingStart(anchor, _) => {
                refuse_anchor(anchor, line)?;
                self.map(depth)?
            }
            Event::Alias(_) => {
                return Err(ParseError::at(line, "aliases (`*name`) are not supported; repeat the value"));
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(ParseError::at(line, "the file ends inside a value")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let line = line(&span);
            let Node { value: Value::Text { text: key, .. }, .. } = self.node(event, span, depth + 1)? else {
                return Err(ParseError::at(line, "a key must be text"));
            };
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push(MapEntry { line, key, node });
        }
    }
}

fn refuse_anchor(anchor: usize, line: usize) -> Result<(), ParseError> {
    // The parser numbers anchors from 1; 0 means that there is none.
    if anchor == 0 {
        Ok(())
    } else {
        Err(ParseError::at(line, "anchors (`&name`) are not supported; repeat the value"))
    }
}

fn line(span: &Span) -> usize {
    span.start.line().max(1)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_line() {
        let Value::Map(entries) = parse("a: 1\nb:\n  - x\n  - |\n    two\n    lines\n  - {c: 'd'}\n").unwrap().value
        else {
            panic!("a map")
        };
        assert_eq!((entries[1].line, &*entries[1].key), (2, "b"));
        let Value::List(items) = &entries[1].node.value else { panic!("a list") };
        assert_eq!((items[0].line, items[1].line, items[2].line), (3, 5, 7));
        assert_eq!(items[1].value, Value::Text { text: "two\nlines\n".into(), plain: false });
    }

    #[test]
    fn unsupported_yaml_is_refused_with_its_line() {
        for (text, line, message) in [
            ("a: 1\nb: [1,\n", 3, "not YAML"),
            ("a: &x 1\n", 1, "anchors"),
            ("a: &x 1\nb: *x\n", 1, "anchors"),
            ("a: 1\nb: *x\n", 2, "not YAML"),
            ("a: 1\n---\nb: 1\n", 3, "a second document"),
            ("a: [1, 2\n", 2, "not YAML"),
            ("? [a]\n: 1\n", 1, "a key must be text"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.line == line && error.message.contains(message), "{text}: {error:?}");
        }
        assert!(parse(&"[".repeat(40)).unwrap_err().message.contains("nested deeper"));
        assert_eq!(parse("# only a comment\n").unwrap(), Node { line: 1, value: Value::Empty });
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z:\\[\\]{}&*|>\"'\\n -]{0,120}") {
            let _ = parse(&text);
        }
    }
}
