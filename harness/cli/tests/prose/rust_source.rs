//! Splits Rust source into comments, string literals and code, line by line. It knows just enough of the language for that.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Comment,
    Text,
    Code,
}

/// A part of one line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// Returns the pieces of `source` in order. A comment or string of several lines is one piece for each line.
pub(crate) fn pieces(source: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut line, mut rest) = (Vec::new(), 1, source);
    let mut code_length = 0;
    while code_length < rest.len() {
        let at = &rest[code_length..];
        let Some((kind, length)) = literal_or_comment(at, rest[..code_length].chars().next_back()) else {
            code_length += at.chars().next().map_or(0, char::len_utf8);
            continue;
        };
        push_lines(&mut pieces, &mut line, Kind::Code, &rest[..code_length]);
        push_lines(&mut pieces, &mut line, kind, &at[..length]);
        rest = &at[length..];
        code_length = 0;
    }
    push_lines(&mut pieces, &mut line, Kind::Code, rest);
    pieces
}

fn push_lines<'a>(pieces: &mut Vec<Piece<'a>>, line: &mut usize, kind: Kind, text: &'a str) {
    for (index, part) in text.split('\n').enumerate() {
        *line += usize::from(index > 0);
        if !part.is_empty() {
            pieces.push(Piece { kind, line: *line, text: part });
        }
    }
}

/// Returns the kind and the length of the comment or literal that `text` begins with.
fn literal_or_comment(text: &str, before: Option<char>) -> Option<(Kind, usize)> {
    if text.starts_with("//") {
        return Some((Kind::Comment, text.find('\n').unwrap_or(text.len())));
    }
    if text.starts_with("/*") {
        return Some((Kind::Comment, block_comment(text)));
    }
    if let Some(inner) = text.strip_prefix('"') {
        return Some((Kind::Text, 1 + quoted(inner, '"')));
    }
    let in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r')).filter(|_| !in_word);
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 1;
            let length = raw[body..].find(&end).map_or(raw.len(), |at| body + at + end.len());
            return Some((Kind::Text, text.len() - raw.len() + length));
        }
    }
    // A lifetime has no closing quote behind its first letter.
    let inner = text.strip_prefix('\'')?;
    let is_letter = inner.starts_with('\\') || inner.chars().nth(1) == Some('\'');
    is_letter.then(|| (Kind::Code, 1 + quoted(inner, '\'')))
}

/// Returns the length up to and with the closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let (step, change) = match &text[at..] {
            rest if rest.starts_with("/*") => (2, 1),
            rest if rest.starts_with("*/") => (2, -1),
            rest => (rest.chars().next().map_or(1, char::len_utf8), 0),
        };
        (at, depth) = (at + step, depth + change);
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Returns the numbers of the lines below `#[cfg(test)]`. rustfmt closes an item at the indentation of its first line.
pub(crate) fn test_lines(source: &str) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut open): (Vec<std::ops::Range<usize>>, Option<(usize, usize)>) = (Vec::new(), None);
    for (index, line) in source.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match open {
            None if line.trim() == "#[cfg(test)]" => open = Some((index + 1, indent)),
            Some((first, at)) if indent == at && (line.trim() == "}" || line.ends_with(';')) => {
                ranges.push(first..index + 2);
                open = None;
            }
            _ => {}
        }
    }
    ranges
}

#[test]
fn source_is_split_into_comments_texts_and_code() {
    let source = "let a: &'a str = \"a // b\"; // why\n/* one\ntwo */ let b = r#\"x\"y\"#; let c = '\"';";
    let of = |wanted| {
        pieces(source).into_iter().filter(|piece| piece.kind == wanted).map(|piece| (piece.line, piece.text)).collect()
    };
    let comments: Vec<_> = of(Kind::Comment);
    assert_eq!(comments, [(1, "// why"), (2, "/* one"), (3, "two */")]);
    let texts: Vec<_> = of(Kind::Text);
    assert_eq!(texts, [(1, "\"a // b\""), (3, "r#\"x\"y\"#")]);
    let code: Vec<_> = of(Kind::Code);
    assert_eq!(code, [(1, "let a: &'a str = "), (1, "; "), (3, " let b = "), (3, "; let c = "), (3, "'\"'"), (3, ";")]);
}

#[test]
fn items_of_tests_are_known_by_their_lines() {
    let source =
        "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
    assert_eq!(test_lines(source), [2..6, 7..9]);
}
