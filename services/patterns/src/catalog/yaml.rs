//! YAML as a tree whose every value knows its line. What the values mean is not decided here. Bounded in depth and number; anchors are
//! refused, since a short file of aliases can stand for a very long one.

use super::problem::Flaw;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

/// Deepest nesting of a file.
const MAX_DEPTH: usize = 16;
/// Most values of a file.
const MAX_VALUES: usize = 200_000;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Empty,
    /// A word, a number or a text; of a text in a block, the line is that of its first line.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) name: String,
}

impl Value {
    /// What it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads a file that holds one document.
pub(crate) fn parse(text: &str) -> Result<Node, Flaw> {
    let mut source = Source { parser: Parser::new_from_str(text), values: 0 };
    let mut root = None;
    loop {
        let (event, span) = source.next()?;
        match event {
            Event::StreamEnd => return Ok(root.unwrap_or(Node { line: 1, value: Value::Empty })),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => return Err(Flaw::at(line(&span), "a second document begins; a file holds one")),
            event => root = Some(source.node(event, &span, 0)?),
        }
    }
}

struct Source<'a> {
    parser: Parser<'a, StrInput<'a>>,
    values: usize,
}

impl<'a> Source<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Flaw> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Flaw::at(error.marker().line(), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Flaw> {
        let line = line(span);
        self.values += 1;
        if self.values > MAX_VALUES || depth > MAX_DEPTH {
            let bounds = format!("more than {MAX_VALUES} values, or nested deeper than {MAX_DEPTH}");
            return Err(Flaw::at(line, bounds));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let empty = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                (anchor, if empty { Value::Empty } else { Value::Text(text.into_owned()) })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(_) => return Err(Flaw::at(line, "an alias (`*name`); write the value out")),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(Flaw::at(line, "the file ends inside a value")),
        };
        if anchor != 0 {
            return Err(Flaw::at(line, "an anchor (`&name`); write the value out"));
        }
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Flaw> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
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
            let key = self.node(event, &span, depth + 1)?;
            let Value::Text(name) = key.value else {
                return Err(Flaw::at(key.line, "a key that is no word"));
            };
            let (event, span) = self.next()?;
            let node = self.node(event, &span, depth + 1)?;
            entries.push((Key { line: key.line, name }, node));
        }
    }
}

fn line(span: &Span) -> usize {
    span.start.line().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_knows_its_line() {
        let Value::Map(entries) = parse("a: 1\nb:\n  - x\n  - |\n    two\n    lines\n").unwrap().value else {
            panic!()
        };
        assert_eq!((entries[1].0.line, entries[1].0.name.as_str()), (2, "b"));
        let Value::List(items) = &entries[1].1.value else { panic!() };
        assert_eq!((items[0].line, items[1].line), (3, 5));
        assert_eq!(items[1].value, Value::Text("two\nlines\n".into()));
    }

    #[test]
    fn bombs_anchors_and_broken_files_are_refused_with_their_line() {
        for (text, line, says) in [
            ("a: &x 1\n", 1, "anchor"),
            ("a: 1\nb: *x\n", 2, "not YAML"),
            ("a: 1\n--- \nb: 2\n", 3, "second document"),
            ("a: [1, 2\n", 2, "not YAML"),
            ("? [a]\n: 1\n", 1, "no word"),
        ] {
            let flaw = parse(text).unwrap_err();
            assert_eq!(flaw.line, line, "{text}: {}", flaw.what);
            assert!(flaw.what.contains(says), "{text}: {}", flaw.what);
        }
        assert!(parse(&"[".repeat(40)).unwrap_err().what.contains("nested deeper"));
    }
}
