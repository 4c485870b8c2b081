//! Files of rules and catalogues: YAML as a tree in which everything knows its line. What the values mean is not decided here. Bounded in depth
//! and number; anchors are refused, because a short file with aliases can stand for a very long one.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Deepest nesting of a file.
const MAX_DEPTH: usize = 24;
/// Most values of a file.
const MAX_VALUES: usize = 200_000;

/// A value and the line where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Line where it begins, from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing at all.
    Empty,
    /// A text, a number or a word; which of them is the reader's business.
    Text {
        /// As it stands, without quotes.
        text: String,
        /// True where it stands without quotes, so that it may be a number or a word of YAML.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys with their lines, and values, in the order of the file.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Line of the key.
    pub line: usize,
    /// The key.
    pub key: String,
    /// Its value.
    pub node: Node,
}

/// What is wrong with a file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl Flaw {
    /// Something wrong at a line.
    pub fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl Value {
    /// What it is, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Text { .. } => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads a file that holds one document.
///
/// # Errors
/// It is no YAML, holds more than one document, or is out of bounds.
pub fn parse(text: &str) -> Result<Node, Flaw> {
    let mut events = Events { parser: Parser::new_from_str(text), values: 0 };
    let mut root = None;
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            other if root.is_none() => root = Some(events.node(other, span, 0)?),
            _ => return Err(Flaw::at(line(&span), "a second document; a file holds one")),
        }
    }
    Ok(root.unwrap_or(Node { line: 1, value: Value::Empty }))
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    values: usize,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Flaw> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Flaw::at(error.marker().line(), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Flaw> {
        let line = line(&span);
        self.values += 1;
        if self.values > MAX_VALUES || depth > MAX_DEPTH {
            return Err(Flaw::at(line, format!("more than {MAX_VALUES} values, or nested deeper than {MAX_DEPTH}")));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, _) => {
                plain_only(anchor, line)?;
                let plain = style == ScalarStyle::Plain;
                if plain && matches!(&*text, "" | "~" | "null") {
                    Value::Empty
                } else {
                    Value::Text { text: text.into_owned(), plain }
                }
            }
            Event::SequenceStart(anchor, _) => {
                plain_only(anchor, line)?;
                self.list(depth)?
            }
            Event::MappingStart(anchor, _) => {
                plain_only(anchor, line)?;
                self.map(depth)?
            }
            Event::Alias(_) => return Err(Flaw::at(line, "an alias (`*name`); write the value out")),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(Flaw::at(line, "the file ends in the middle of a value")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Flaw> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Flaw> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let line = line(&span);
            let Node { value: Value::Text { text: key, .. }, .. } = self.node(event, span, depth + 1)? else {
                return Err(Flaw::at(line, "a key that is not a word"));
            };
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push(Entry { line, key, node });
        }
    }
}

fn plain_only(anchor: usize, line: usize) -> Result<(), Flaw> {
    if anchor == 0 { Ok(()) } else { Err(Flaw::at(line, "an anchor (`&name`); write the value out")) }
}

fn line(span: &Span) -> usize {
    span.start.line().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_knows_its_line() {
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
    fn what_is_not_wanted_is_refused_with_its_line() {
        for (text, line, says) in [
            ("a: 1\nb: [1,\n", 3, "not YAML"),
            ("a: &x 1\n", 1, "an anchor"),
            ("a: &x 1\nb: *x\n", 1, "an anchor"),
            ("a: 1\nb: *x\n", 2, "not YAML"),
            ("a: 1\n---\nb: 1\n", 3, "a second document"),
            ("a: [1, 2\n", 2, "not YAML"),
            ("? [a]\n: 1\n", 1, "a key that is not a word"),
        ] {
            let flaw = parse(text).unwrap_err();
            assert!(flaw.line == line && flaw.what.contains(says), "{text}: {flaw:?}");
        }
        assert!(parse(&"[".repeat(40)).unwrap_err().what.contains("nested deeper"));
        assert_eq!(parse("# only a remark\n").unwrap(), Node { line: 1, value: Value::Empty });
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z:\\[\\]{}&*|>\"'\\n -]{0,120}") {
            let _ = parse(&text);
        }
    }
}
