//! Follows the commands of a Redis client. The bytes may arrive in pieces of any size. At most the first two words of one command are buffered.

use super::{LineBuffer, consume};

/// Maximum number of arguments of a command, which is the limit of Redis.
const MAX_ARGUMENTS: i64 = 1 << 20;
/// Maximum length of an argument, which is the limit of Redis.
const MAX_ARGUMENT_BYTES: i64 = 512 << 20;
/// Maximum number of bytes of a word that are buffered, enough to recognize it.
const MAX_WORD_BYTES: usize = 32;
/// After these commands the upstream sends messages that answer no command, so replies can no longer be matched to commands.
const UNCOUNTED: [&str; 9] = [
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "MONITOR",
    "SYNC",
    "PSYNC",
];

/// The meaning of the bytes that a step consumed from the beginning of its input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CommandStep {
    Part,
    /// The end of a command with this name, in upper case.
    Command(String),
    /// Bytes that cannot be followed, and why.
    Foreign(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `*2`.
    Count,
    /// `$4`.
    Length,
    /// The number of remaining bytes of an argument, including its line end.
    Argument(u64),
}

#[derive(Debug)]
pub(crate) struct Commands {
    state: State,
    line: LineBuffer,
    /// Arguments that are not complete, including the current one.
    remaining: i64,
    /// The first two words. The second is needed only for `CLIENT REPLY`.
    words: [Vec<u8>; 2],
    word: usize,
}

impl Commands {
    pub(crate) const fn new() -> Self {
        let line = LineBuffer { bytes: Vec::new(), is_cut: false };
        Self { state: State::Count, line, remaining: 0, words: [Vec::new(), Vec::new()], word: 0 }
    }

    /// Returns true if no command is incomplete.
    pub(crate) fn between_commands(&self) -> bool {
        self.state == State::Count && self.line.is_empty()
    }

    /// Takes one step through `input`, which must not be empty, at most to the end of the command. Returns the number of consumed bytes, and
    /// their meaning.
    pub(crate) fn step(&mut self, input: &[u8]) -> (usize, CommandStep) {
        let mut taken = 0;
        while taken < input.len() {
            let (count, ends) = match self.read(&input[taken..]) {
                Ok(read) => read,
                Err(why) => return (input.len(), CommandStep::Foreign(why)),
            };
            taken += count;
            if ends {
                return (taken, self.complete());
            }
        }
        (taken, CommandStep::Part)
    }

    /// Reads one line or argument as far as it has arrived. Returns true if the command ends with it.
    fn read(&mut self, input: &[u8]) -> Result<(usize, bool), &'static str> {
        if let State::Argument(remaining) = &mut self.state {
            // The line end of an argument is no part of its word.
            let content = usize::try_from(remaining.saturating_sub(2)).unwrap_or(usize::MAX);
            let taken = consume(input, remaining);
            let whole = *remaining == 0;
            if let Some(word) = self.words.get_mut(self.word) {
                let room = MAX_WORD_BYTES.saturating_sub(word.len()).min(taken).min(content);
                word.extend_from_slice(&input[..room]);
            }
            if whole {
                self.word += 1;
                self.remaining -= 1;
                self.state = if self.remaining == 0 { State::Count } else { State::Length };
            }
            return Ok((taken, whole && self.remaining == 0));
        }
        let (taken, whole) = self.line.read(input);
        if whole {
            let (mark, number) = (self.line.mark(), self.line.number());
            self.line.clear();
            match (self.state, mark, number) {
                (State::Count, Some(b'*'), Some(count @ 1..=MAX_ARGUMENTS)) => {
                    self.remaining = count;
                    self.word = 0;
                    self.words.iter_mut().for_each(Vec::clear);
                    self.state = State::Length;
                }
                (State::Length, Some(b'$'), Some(length @ 0..=MAX_ARGUMENT_BYTES)) => {
                    self.state = State::Argument(length.unsigned_abs() + 2);
                }
                (State::Count | State::Length | State::Argument(_), _, _) => return Err("not a Redis command"),
            }
        }
        Ok((taken, false))
    }

    fn complete(&self) -> CommandStep {
        let [name, second] = &self.words;
        let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_uppercase();
        let name = word(name);
        // `CLIENT REPLY` switches replies off.
        if UNCOUNTED.contains(&name.as_str()) || (name == "CLIENT" && word(second) == "REPLY") {
            return CommandStep::Foreign("a Redis command after which replies cannot be matched");
        }
        CommandStep::Command(name)
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the name and the length of every command in `pieces`.
    fn follow(pieces: &[&[u8]]) -> (Vec<(String, usize)>, Option<&'static str>) {
        let mut commands = Commands::new();
        let (mut names, mut length) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, step) = commands.step(rest);
                assert!(taken > 0 && taken <= rest.len());
                length += taken;
                match step {
                    CommandStep::Part => {}
                    CommandStep::Command(name) => names.push((name, std::mem::take(&mut length))),
                    CommandStep::Foreign(why) => return (names, Some(why)),
                }
                rest = &rest[taken..];
            }
        }
        assert_eq!(commands.between_commands(), length == 0);
        (names, None)
    }

    const PIPELINE: &[u8] =
        b"*1\r\n$4\r\nping\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$7\r\na\r\n*1\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";

    #[test]
    fn pipelined_commands_are_separated_whatever_their_arguments_contain() {
        let (names, why) = follow(&[PIPELINE]);
        assert_eq!(names, [("PING".into(), 14), ("SET".into(), 33), ("GET".into(), 19)]);
        assert_eq!(why, None);
    }

    #[test]
    fn commands_that_cannot_be_followed_are_foreign() {
        for text in
            ["*1\r\n$7\r\nMONITOR\r\n", "*2\r\n$6\r\nclient\r\n$5\r\nreply\r\n", "*2\r\n$9\r\nSubscribe\r\n$1\r\nc\r\n"]
        {
            assert_eq!(follow(&[text.as_bytes()]).1, Some("a Redis command after which replies cannot be matched"));
        }
        for text in ["*0\r\n", "*-1\r\n", "*1048577\r\n", "*1\r\n$-1\r\n", "*1\r\n+PING\r\n", "PING\r\n", "*1\n$4\n"] {
            assert_eq!(follow(&[text.as_bytes()]).1, Some("not a Redis command"), "{text:?}");
        }
        let endless = [b"*".to_vec(), vec![b'1'; 100_000], b"\r\n".to_vec()].concat();
        assert_eq!(follow(&[&endless]).1, Some("not a Redis command"));
        assert_eq!(follow(&[b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n"]).0.len(), 1);
    }

    proptest! {
        #[test]
        fn commands_do_not_depend_on_the_pieces_in_which_bytes_arrive(cuts in proptest::collection::vec(1..20_usize, 0..30)) {
            let mut pieces = Vec::new();
            let mut rest = PIPELINE;
            for cut in cuts {
                let (piece, remainder) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = remainder;
            }
            pieces.push(rest);
            prop_assert_eq!(follow(&pieces), follow(&[PIPELINE]));
        }

        #[test]
        fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut commands = Commands::new();
            for input in [&b"*2\r\n$"[..], &bytes] {
                if !input.is_empty() {
                    commands.step(input);
                }
            }
        }
    }
}
