//! Any bytes, in any pieces: the commands that a plain parser of the whole input finds.

use super::*;
use fuzzing::Target;

const TARGET: Target =
    Target::new("redis-commands", &["chaos/proxy/src/redis/commands.rs", "chaos/proxy/src/redis.rs"]).with_words(&[
        "*1\r\n",
        "*3\r\n",
        "$4\r\n",
        "$0\r\n\r\n",
        "\r\n",
        "PING\r\n",
        "MONITOR",
        "CLIENT",
        "REPLY",
        "GET",
    ]);
/// Cuts of an input in two, spread over it.
const CUTS: usize = 32;

type Followed = (Vec<(String, usize)>, Option<&'static str>);

fn follow<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Followed {
    let (mut commands, mut names, mut length) = (Commands::new(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, step) = commands.step(rest);
            assert!(taken > 0 && taken <= rest.len(), "a step takes {taken} of {} bytes", rest.len());
            let kept = commands.line.bytes.len() + commands.words.iter().map(Vec::len).sum::<usize>();
            assert!(kept <= 3 * MAX_WORD_BYTES, "{kept} bytes are kept");
            length += taken;
            match step {
                CommandStep::Part => {}
                CommandStep::Command(name) => names.push((name, std::mem::take(&mut length))),
                CommandStep::Foreign(why) => return (names, Some(why)),
            }
            rest = &rest[taken..];
        }
    }
    (names, None)
}

/// Reads a line with a number as Redis does: digits without a sign and without zeros before them. `Ok(None)`: the line is not complete.
fn number(bytes: &[u8], mark: u8, most: usize) -> Result<Option<(usize, usize)>, ()> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let digits = bytes[..end].strip_prefix(&[mark]).and_then(|rest| rest.strip_suffix(b"\r")).ok_or(())?;
    let text = std::str::from_utf8(digits).map_err(drop)?;
    let value: usize = text.parse().map_err(drop)?;
    if value.to_string() == text && value <= most { Ok(Some((value, end + 1))) } else { Err(()) }
}

/// The words of a command.
type Words = Vec<Vec<u8>>;

/// Reads the command at the beginning. Returns its words and its length.
fn command(bytes: &[u8]) -> Result<Option<(Words, usize)>, ()> {
    let Some((count, mut at)) = number(bytes, b'*', MAX_ARGUMENTS as usize)? else { return Ok(None) };
    if count == 0 {
        return Err(());
    }
    let mut words = Vec::new();
    for _ in 0..count {
        let Some((length, taken)) = number(&bytes[at..], b'$', MAX_ARGUMENT_BYTES as usize)? else { return Ok(None) };
        at += taken;
        let Some(word) = bytes.get(at..at + length).filter(|_| bytes.len() >= at + length + 2) else { return Ok(None) };
        words.push(word.to_vec());
        at += length + 2;
    }
    Ok(Some((words, at)))
}

#[test]
fn commands_are_those_that_redis_would_read() {
    TARGET.run(|bytes| {
        let whole = fuzzing::same_in_pieces(bytes, CUTS, 1, |pieces| follow(pieces));
        let (names, foreign) = whole;
        let mut rest = bytes;
        for (name, length) in names {
            let (words, expected) = command(rest).expect("a command").expect("a whole command");
            assert_eq!(length, expected, "the length of `{name}`");
            if words[0].len() <= MAX_WORD_BYTES {
                assert_eq!(name, String::from_utf8_lossy(&words[0]).to_ascii_uppercase());
            }
            rest = &rest[length..];
        }
        let is_unmatched = foreign.is_some_and(|why| why != "not a Redis command");
        match command(rest) {
            Ok(None) => assert_eq!(foreign, None),
            Ok(Some((words, _))) => assert!(is_unmatched, "{words:?} was not followed: {foreign:?}"),
            Err(()) => assert_eq!(foreign, Some("not a Redis command")),
        }
    });
}
