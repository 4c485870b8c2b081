//! YAML as a tree in which everything knows its line. Bounded in depth and size; anchors are refused, because a short file with
//! aliases can stand for a very long one.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Deepest nesting of a file.
const MAX_DEPTH: usize = 24;
/// Most values of a file.
const MAX_NODES: usize = 100_000;

/// A value and the line where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing at all.
    Null,
    /// A text, a number or a word; which of them is the reader's business.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// Keys with their lines, and values, in the order of the file.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) node: Node,
}

impl Value {
    /// What it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { .. } => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads one document; an error is a line and what is wrong there.
pub(crate) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let mut events = Events { parser: Parser::new_from_str(text), nodes: 0 };
    let mut root = None;
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            other if root.is_none() => root = Some(events.node(other, span, 0)?),
            _ => return Err((span.start.line(), "a second document; a file holds one".to_owned())),
        }
    }
    Ok(root.unwrap_or(Node { line: 1, value: Value::Null }))
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    nodes: usize,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), (usize, String)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err((error.marker().line(), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, (usize, String)> {
        let line = span.start.line();
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err((line, format!("more than {MAX_NODES} values, or nested deeper than {MAX_DEPTH}")));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, _) => {
                plain_only(anchor, line)?;
                let plain = style == ScalarStyle::Plain;
                if plain && matches!(&*text, "" | "~" | "null") {
                    Value::Null
                } else {
                    Value::Scalar { text: text.into_owned(), plain }
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
            Event::Alias(_) => return Err((line, "an alias (`*name`); write the value out".to_owned())),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err((line, "the file ends in the middle of a value".to_owned())),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, (usize, String)> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, (usize, String)> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let line = span.start.line();
            let Node { value: Value::Scalar { text: key, .. }, .. } = self.node(event, span, depth + 1)? else {
                return Err((line, "a key that is not a word".to_owned()));
            };
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push(Entry { line, key, node });
        }
    }
}

fn plain_only(anchor: usize, line: usize) -> Result<(), (usize, String)> {
    if anchor == 0 { Ok(()) } else { Err((line, "an anchor (`&name`); write the value out".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_knows_its_line() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: 'd'}\n").unwrap();
        let Value::Map(entries) = node.value else { panic!("a map") };
        assert_eq!((entries[1].line, &*entries[1].key), (2, "b"));
        let Value::List(items) = &entries[1].node.value else { panic!("a list") };
        assert_eq!((items[0].line, items[1].line), (3, 4));
    }

    #[test]
    fn what_is_not_yaml_says_in_which_line() {
        assert_eq!(parse("a: 1\nb: [1,\n").unwrap_err().0, 3);
        assert_eq!(parse("a: &x 1\nb: *x\n").unwrap_err(), (1, "an anchor (`&name`); write the value out".to_owned()));
        assert_eq!(parse("a: 1\n---\nb: 1\n").unwrap_err().1, "a second document; a file holds one");
        assert!(parse(&"[".repeat(5_000)).is_err());
        assert_eq!(parse("# only a remark\n").unwrap().value, Value::Null);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z:\\[\\]{}&*|>\"'\\n -]{0,120}") {
            let _ = parse(&text);
        }
    }
}
