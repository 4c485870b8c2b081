//! Decides if the condition of a statement excludes any row at all, as far as that can be decided without the data.

use super::lex::{Kind, Token};

/// Maximum depth of nested parentheses that is read. A deeper condition counts as one that excludes rows.
const MAX_DEPTH: usize = 12;

/// Regular expressions that practically every text matches. (`'.'` does not match an empty text.)
const MATCH_ALL: [&str; 5] = ["'.*'", "'^'", "''", "'^.*$'", "'.'"];
/// Names of columns that usually have a positive, non-null key in every row.
const KEYS: [&str; 7] = ["id", "_id", "uuid", "rowid", "_rowid_", "oid", "ctid"];

/// Returns true if a condition holds for every row.
pub(super) fn always_holds(tokens: &[Token<'_>]) -> bool {
    any(tokens, 0)
}

fn any(tokens: &[Token<'_>], depth: usize) -> bool {
    depth < MAX_DEPTH && split(tokens, "or").into_iter().any(|part| all(part, depth))
}

fn all(tokens: &[Token<'_>], depth: usize) -> bool {
    split(tokens, "and").into_iter().all(|part| one(part, depth))
}

fn one(tokens: &[Token<'_>], depth: usize) -> bool {
    if has_only_literals(tokens) {
        return constant_holds(tokens);
    }
    match tokens {
        [open, inner @ .., close] if open.kind == Kind::Sign(b'(') && close.kind == Kind::Sign(b')') => {
            any(inner, depth + 1)
        }
        [not, rest @ ..] if not.is("not") => never(rest),
        [single] => {
            single.is("true") || single.kind == Kind::Number && number(single).is_some_and(|number| number != 0.0)
        }
        [exists, open, select, ..] => {
            exists.is("exists") && open.kind == Kind::Sign(b'(') && select.is("select") && !has_source(tokens)
                || compared(tokens)
        }
        _ => compared(tokens),
    }
}

/// Returns true if a condition of several tokens has literals and names no column.
fn has_only_literals(tokens: &[Token<'_>]) -> bool {
    let called = |at: usize| tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Sign(b'('));
    tokens.len() > 1
        && tokens.iter().enumerate().all(|(at, token)| match token.kind {
            Kind::Text | Kind::Number | Kind::Sign(_) => true,
            Kind::Word => {
                called(at) && !token.is_any(&["in", "exists", "not", "any", "all"])
                    || token.is_any(&["null", "true", "false"])
            }
            Kind::Name | Kind::Hole | Kind::Semicolon | Kind::End | Kind::Unknown => false,
        })
        && tokens.iter().any(|token| matches!(token.kind, Kind::Text | Kind::Number))
        && !matches!(tokens, [open, .., close] if open.kind == Kind::Sign(b'(') && close.kind == Kind::Sign(b')'))
}

/// Returns true unless a comparison of constants is clearly false. A comparison that cannot be computed here counts as true.
fn constant_holds(tokens: &[Token<'_>]) -> bool {
    let operator = |range: std::ops::Range<usize>| tokens[range].iter().map(|token| token.text).collect::<String>();
    let (left, operator, right) = match tokens {
        [left, _, right] => (left, operator(1..2), right),
        [left, _, _, right] => (left, operator(1..3), right),
        _ => return true,
    };
    if !literal(left) || !literal(right) {
        return true;
    }
    match operator.as_str() {
        "=" | "==" => left.text == right.text,
        "<>" | "!=" => left.text != right.text,
        operator if left.kind == Kind::Number && right.kind == Kind::Number => {
            ordered(operator, number(left), number(right))
        }
        "<" | "<=" => left.text <= right.text,
        ">" | ">=" => left.text >= right.text,
        _ => true,
    }
}

fn has_source(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| token.is("from"))
}

/// Returns true if a simple condition holds for no row.
fn never(tokens: &[Token<'_>]) -> bool {
    let inner = match tokens {
        [open, inner @ .., close] if open.kind == Kind::Sign(b'(') && close.kind == Kind::Sign(b')') => inner,
        other => other,
    };
    match inner {
        [single] => single.is("false") || single.text == "0",
        [left, sign, right] => {
            sign.kind == Kind::Sign(b'=') && literal(left) && literal(right) && left.text != right.text
        }
        _ => false,
    }
}

fn compared(tokens: &[Token<'_>]) -> bool {
    let first = tokens.iter().position(|token| {
        matches!(token.kind, Kind::Sign(b'=' | b'<' | b'>' | b'!' | b'~'))
            || token.is_any(&["like", "ilike", "rlike", "regexp", "is", "in"])
    });
    let Some(first) = first.filter(|first| *first > 0) else { return false };
    let signs = tokens[first..]
        .iter()
        .take_while(|token| matches!(token.kind, Kind::Sign(b'=' | b'<' | b'>' | b'!' | b'~')))
        .count()
        .max(1);
    let (left, right) = (&tokens[..first], &tokens[first + signs..]);
    let operator: String = tokens[first..first + signs].iter().map(|token| token.text.to_ascii_lowercase()).collect();
    let same = left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b));
    match (operator.as_str(), left, right) {
        ("is", [_, ..], [not, null]) => not.is("not") && null.is("null") && left.last().is_some_and(is_key),
        ("rlike" | "regexp" | "~" | "~*", _, [pattern]) => MATCH_ALL.contains(&pattern.text),
        ("like" | "ilike", _, [pattern]) => pattern.text.trim_matches('\'').chars().all(|sign| sign == '%') || same,
        ("in", [.., key, not], [open, list @ .., _]) if not.is("not") && is_key(key) => {
            open.kind == Kind::Sign(b'(') && list.iter().all(|item| literal(item) || item.kind == Kind::Sign(b','))
        }
        ("in", [left], [open, list @ .., _]) => {
            open.kind == Kind::Sign(b'(') && literal(left) && list.iter().any(|item| item.text == left.text)
        }
        ("=" | "==" | "<=>", ..) => same,
        ("<>" | "!=", [a], [b]) if literal(a) && literal(b) => a.text != b.text,
        (_, [a], [b]) if literal(a) && literal(b) => ordered(&operator, number(a), number(b)),
        // A comparison of a key with 0 or a negative number excludes no row, because keys are positive.
        (">" | ">=", _, [zero]) => left.last().is_some_and(is_key) && zero.text == "0",
        (">" | ">=", _, [minus, one]) => {
            left.last().is_some_and(is_key) && minus.kind == Kind::Sign(b'-') && one.text == "1"
        }
        ("<>" | "!=", _, [zero]) => left.last().is_some_and(is_key) && zero.text == "0",
        ("<>" | "!=", _, [minus, _]) => left.last().is_some_and(is_key) && minus.kind == Kind::Sign(b'-'),
        ("<=" | ">=", ..) => same,
        _ => false,
    }
}

fn ordered(operator: &str, left: Option<f64>, right: Option<f64>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    match operator {
        "<" => left < right,
        ">" => left > right,
        "<=" => left <= right,
        ">=" => left >= right,
        _ => false,
    }
}

fn is_key(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::Name)
        && KEYS.iter().any(|key| token.text.trim_matches(['"', '`', '[', ']']).eq_ignore_ascii_case(key))
}

fn same(a: &Token<'_>, b: &Token<'_>) -> bool {
    a.kind == b.kind && a.kind != Kind::Hole && a.text.eq_ignore_ascii_case(b.text)
}

fn literal(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Text | Kind::Number)
}

fn number(token: &Token<'_>) -> Option<f64> {
    token.text.parse().ok()
}

/// Splits a condition at `word`, outside parentheses. The `and` of a `between` is not a separator.
fn split<'a, 't>(tokens: &'a [Token<'t>], word: &str) -> Vec<&'a [Token<'t>]> {
    let (mut parts, mut start, mut depth, mut between) = (Vec::new(), 0, 0_usize, false);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && token.is("between") => between = true,
            Kind::Word if depth == 0 && token.is("and") && between => between = false,
            Kind::Word if depth == 0 && token.is(word) => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::super::dialect::Dialect;
    use super::super::lex::tokens;
    use super::*;

    fn holds(text: &str) -> bool {
        let mut tokens = tokens(text, 0, None, Dialect::MIXED, 400);
        tokens.pop();
        always_holds(&tokens)
    }

    #[test]
    fn conditions_that_match_every_row_are_detected() {
        for text in [
            "1=1",
            "1",
            "true",
            "'a' = 'a'",
            "id = id",
            "t.id = t.id",
            "(1 = 1)",
            "a = 3 or 1 = 1",
            "a = 3 or (2 > 1 and true)",
            "1 <> 2",
            "name like '%'",
            "id is not null",
            "not false",
            "not (1 = 0)",
            "id > 0",
            "id >= -1",
            "rowid > 0",
            "id <> 0",
            "t.id != -1",
            "name ~ '.*'",
            "'a' < 'b'",
            "coalesce(1, 0) = 1",
            "now() > '2020-01-01'",
            "id not in (0)",
            "name rlike '.*'",
            "'' = ''",
            "1 in (1, 2)",
            "exists (select 1)",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn conditions_that_restrict_rows_are_not_reported() {
        for text in [
            "",
            "id = 1",
            "a = b",
            "1 = 0",
            "false",
            "0",
            "name like 'a%'",
            "deleted_at is not null",
            "age > 0",
            "id = ?",
            "a between 1 and 1",
            "1 = 1 and id = 4",
            "id in (1)",
            "exists (select 1 from b where b.id = a.id)",
            "not a",
            "'b' < 'a'",
            "? = 1",
            "lower(name) = 'x'",
            "id in (1, 2)",
            "count >= 10",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn deep_parentheses_are_not_followed_for_ever() {
        assert!(!holds(&format!("{}1{}", "(".repeat(90), ")".repeat(90))));
    }
}
