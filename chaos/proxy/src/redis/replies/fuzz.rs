//! Any bytes, in any pieces: replies end where a plain parser of the whole input ends them.

use super::*;
use crate::redis::MAX_LINE_BYTES;
use fuzzing::Target;

const TARGET: Target = Target::new("redis-replies", &["chaos/proxy/src/redis/replies.rs", "chaos/proxy/src/redis.rs"])
    .with_words(&[
        "+OK\r\n",
        "-ERR\r\n",
        ":1\r\n",
        "$-1\r\n",
        "$2\r\nab\r\n",
        "*2\r\n",
        "*-1\r\n",
        "%1\r\n",
        "~1\r\n",
        ">1\r\n",
        "|1\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(12\r\n",
        "=5\r\ntxt:a\r\n",
        "*1\r\n*1\r\n*1\r\n",
        "\r\n",
    ]);
/// Cuts of an input in two, spread over it.
const CUTS: usize = 32;

fn follow<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<(ReplyStep, usize)> {
    let (mut replies, mut steps, mut length) = (Replies::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, step) = replies.step(rest);
            assert!(taken > 0 && taken <= rest.len(), "a step takes {taken} of {} bytes", rest.len());
            assert!(replies.open.len() <= MAX_DEPTH && replies.line.bytes.len() <= MAX_LINE_BYTES, "too much is kept");
            length += taken;
            if step != ReplyStep::Part {
                // How much of bytes that cannot be followed is consumed at once depends on the pieces.
                let length = if matches!(step, ReplyStep::Foreign(_)) { 0 } else { std::mem::take(&mut length) };
                steps.push((step, length));
            }
            if matches!(step, ReplyStep::Foreign(_)) {
                return steps;
            }
            rest = &rest[taken..];
        }
    }
    steps
}

/// A reply that a server may send: its end, and true if it is a push message. `Ok(None)`: it is not complete.
fn element(bytes: &[u8], at: usize, depth: usize) -> Result<Option<(usize, bool)>, ()> {
    let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let (line, mut at) = (&bytes[at..at + length], at + length + 1);
    let mark = *line.first().ok_or(())?;
    let number = || {
        let text = std::str::from_utf8(line[1..].strip_suffix(b"\r")?).ok()?;
        let number: i64 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    };
    match (mark, number()) {
        (b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(', _) | (b'$' | b'*', Some(-1)) => Ok(Some((at, false))),
        (b'$' | b'!' | b'=', Some(length @ 0..)) => {
            let end = usize::try_from(length).map_err(drop)?.checked_add(at + 2).ok_or(())?;
            Ok((end <= bytes.len()).then_some((end, false)))
        }
        (b'*' | b'~' | b'>' | b'%' | b'|', Some(count @ 0..)) => {
            let count = count.unsigned_abs() * if matches!(mark, b'%' | b'|') { 2 } else { 1 };
            if count > 0 && depth >= MAX_DEPTH {
                return Err(());
            }
            for _ in 0..count {
                let Some((end, _)) = element(bytes, at, depth + 1)? else { return Ok(None) };
                at = end;
            }
            if mark != b'|' {
                return Ok(Some((at, mark == b'>')));
            }
            // An attribute describes the value after it.
            element(bytes, at, depth)
        }
        _ => Err(()),
    }
}

#[test]
fn replies_end_where_a_client_ends_them() {
    TARGET.run(|bytes| {
        let whole = fuzzing::same_in_pieces(bytes, CUTS, 1, |pieces| follow(pieces));
        let mut at = 0;
        for (step, length) in &whole {
            match (element(bytes, at, 0), step) {
                (Ok(Some((end, is_push))), ReplyStep::Reply | ReplyStep::Push) => {
                    assert_eq!((at + length, *step == ReplyStep::Push), (end, is_push), "the reply at {at}");
                }
                (Err(()), ReplyStep::Foreign(_)) => return,
                (expected, step) => panic!("{step:?} at {at}, expected {expected:?}"),
            }
            at += length;
        }
        assert_eq!(element(bytes, at, 0), Ok(None), "the rest from {at}");
    });
}
