//! Follows the commands of a client through bytes that come in any pieces. Holds the first two words of one command at most.

use super::{Line, take};

/// Most arguments of a command, as Redis has it.
const MAX_ARGUMENTS: i64 = 1 << 20;
/// Longest argument, as Redis has it.
const MAX_ARGUMENT_BYTES: i64 = 512 << 20;
/// Longest word that is known by its name.
const MAX_WORD_BYTES: usize = 32;
/// After these the upstream speaks unasked, so that its replies cannot be counted.
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

/// What the next bytes are. The bytes of a step are the first of what was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Part of a command.
    Part,
    /// They complete a command of this name, in upper case.
    Command(String),
    /// They cannot be followed, and why.
    Foreign(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `*2`.
    Count,
    /// `$4`.
    Length,
    /// What is left of an argument and its line end.
    Argument(u64),
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Commands {
    state: State,
    line: Line,
    /// Arguments to come, the present one among them.
    left: i64,
    /// The first two words.
    words: [Vec<u8>; 2],
    word: usize,
}

impl Commands {
    pub(crate) const fn new() -> Self {
        let line = Line { held: Vec::new(), long: false };
        Self { state: State::Count, line, left: 0, words: [Vec::new(), Vec::new()], word: 0 }
    }

    /// Tells whether no command has begun that has not ended.
    pub(crate) fn between(&self) -> bool {
        self.state == State::Count && self.line.is_empty()
    }

    /// Reads on to the end of the command at most; `input` is not empty. Returns how many bytes that took, and what they are.
    pub(crate) fn step(&mut self, input: &[u8]) -> (usize, Step) {
        let mut taken = 0;
        while taken < input.len() {
            let (count, ends) = match self.part(&input[taken..]) {
                Ok(part) => part,
                Err(why) => return (input.len(), Step::Foreign(why)),
            };
            taken += count;
            if ends {
                return (taken, self.complete());
            }
        }
        (taken, Step::Part)
    }

    /// One line or argument, as far as it is there; tells whether the command ends with it.
    fn part(&mut self, input: &[u8]) -> Result<(usize, bool), &'static str> {
        if let State::Argument(left) = &mut self.state {
            let taken = take(input, left);
            let whole = *left == 0;
            if let Some(word) = self.words.get_mut(self.word) {
                let room = MAX_WORD_BYTES.saturating_sub(word.len()).min(taken);
                word.extend_from_slice(&input[..room]);
            }
            if whole {
                self.word += 1;
                self.left -= 1;
                self.state = if self.left == 0 { State::Count } else { State::Length };
            }
            return Ok((taken, whole && self.left == 0));
        }
        let (taken, whole) = self.line.take(input);
        if whole {
            let (mark, number) = (self.line.mark(), self.line.number());
            self.line.clear();
            match (self.state, mark, number) {
                (State::Count, Some(b'*'), Some(count @ 1..=MAX_ARGUMENTS)) => {
                    self.left = count;
                    self.word = 0;
                    self.words.iter_mut().for_each(Vec::clear);
                    self.state = State::Length;
                }
                (State::Length, Some(b'$'), Some(length @ 0..=MAX_ARGUMENT_BYTES)) => {
                    self.state = State::Argument(length.unsigned_abs() + 2);
                }
                (State::Count | State::Length | State::Argument(_), _, _) => return Err("not a command of Redis"),
            }
        }
        Ok((taken, false))
    }

    fn complete(&self) -> Step {
        let [name, second] = &self.words;
        let word = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii_end()).to_ascii_uppercase();
        let name = word(name);
        if UNCOUNTED.contains(&name.as_str()) || (name == "CLIENT" && word(second) == "REPLY") {
            return Step::Foreign("a command of Redis after which replies cannot be counted");
        }
        Step::Command(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The name of every command in `pieces` and how long each is.
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
                    Step::Part => {}
                    Step::Command(name) => names.push((name, std::mem::take(&mut length))),
                    Step::Foreign(why) => return (names, Some(why)),
                }
                rest = &rest[taken..];
            }
        }
        assert_eq!(commands.between(), length == 0);
        (names, None)
    }

    const PIPELINE: &[u8] =
        b"*1\r\n$4\r\nping\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$7\r\na\r\n*1\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";

    #[test]
    fn pipelined_commands_are_told_apart_whatever_is_in_them() {
        let (names, why) = follow(&[PIPELINE]);
        assert_eq!(names, [("PING".into(), 14), ("SET".into(), 33), ("GET".into(), 19)]);
        assert_eq!(why, None);
    }

    #[test]
    fn what_cannot_be_counted_is_given_up_with_a_reason() {
        for text in
            ["*1\r\n$7\r\nMONITOR\r\n", "*2\r\n$6\r\nclient\r\n$5\r\nreply\r\n", "*2\r\n$9\r\nSubscribe\r\n$1\r\nc\r\n"]
        {
            assert_eq!(follow(&[text.as_bytes()]).1, Some("a command of Redis after which replies cannot be counted"));
        }
        for text in ["*0\r\n", "*-1\r\n", "*1048577\r\n", "*1\r\n$-1\r\n", "*1\r\n+PING\r\n", "PING\r\n", "*1\n$4\n"] {
            assert_eq!(follow(&[text.as_bytes()]).1, Some("not a command of Redis"), "{text:?}");
        }
        let endless = [b"*".to_vec(), vec![b'1'; 100_000], b"\r\n".to_vec()].concat();
        assert_eq!(follow(&[&endless]).1, Some("not a command of Redis"));
        assert_eq!(follow(&[b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n"]).0.len(), 1);
    }

    proptest! {
        #[test]
        fn the_pieces_in_which_bytes_come_change_nothing(cuts in proptest::collection::vec(1..20_usize, 0..30)) {
            let mut pieces = Vec::new();
            let mut rest = PIPELINE;
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            pieces.push(rest);
            prop_assert_eq!(follow(&pieces), follow(&[PIPELINE]));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut commands = Commands::new();
            for input in [&b"*2\r\n$"[..], &bytes] {
                if !input.is_empty() {
                    commands.step(input);
                }
            }
        }
    }
}
