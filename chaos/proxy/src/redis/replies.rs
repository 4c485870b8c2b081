//! Finds where each reply of a Redis server ends. The bytes may arrive in pieces of any size. Keeps only the beginning of an incomplete line and, for
//! each incomplete array, the number of missing elements.

use super::{LineBuffer, consume};

/// Maximum depth of nested arrays.
const MAX_DEPTH: usize = 64;

/// The meaning of the bytes that a step consumed from the beginning of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyStep {
    /// A part of a reply that continues.
    Part,
    /// The end of a reply.
    Reply,
    /// The end of a push message, which answers no command.
    Push,
    /// Bytes that are not a Redis reply, and the reason.
    Foreign(&'static str),
}

/// An incomplete array, set, map, push message or attribute.
#[derive(Debug)]
struct Open {
    /// Number of elements that are not complete.
    remaining: u64,
    /// An attribute describes the value after it and is not an element itself.
    attribute: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Replies {
    line: LineBuffer,
    /// Number of remaining bytes of a text, including the line end after it.
    text: u64,
    open: Vec<Open>,
    push: bool,
}

impl Replies {
    /// Consumes bytes of `input`, at most to the end of the current reply. `input` must not be empty. Returns the number of consumed bytes and their
    /// meaning.
    pub(crate) fn step(&mut self, input: &[u8]) -> (usize, ReplyStep) {
        let mut taken = 0;
        while taken < input.len() {
            let rest = &input[taken..];
            let complete = if self.text > 0 {
                taken += consume(rest, &mut self.text);
                self.text == 0 && self.complete_element()
            } else {
                let (count, whole) = self.line.read(rest);
                taken += count;
                match whole.then(|| self.begin_element()) {
                    None => false,
                    Some(Ok(complete)) => complete && self.complete_element(),
                    Some(Err(why)) => return (input.len(), ReplyStep::Foreign(why)),
                }
            };
            if complete {
                let push = std::mem::take(&mut self.push);
                return (taken, if push { ReplyStep::Push } else { ReplyStep::Reply });
            }
        }
        (taken, ReplyStep::Part)
    }

    /// Interprets a complete line. Returns true if the line also completes an element.
    fn begin_element(&mut self) -> Result<bool, &'static str> {
        let (mark, number) = (self.line.mark().unwrap_or_default(), self.line.number());
        self.line.clear();
        match (mark, number) {
            // Only the type of these lines matters, so the line may be longer than the buffer.
            (b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(', _) | (b'$' | b'*', Some(-1)) => Ok(true),
            (b'$' | b'!' | b'=', Some(length @ 0..)) => {
                self.text = length.unsigned_abs() + 2;
                Ok(false)
            }
            (b'*' | b'~' | b'>' | b'%' | b'|', Some(count @ 0..)) => {
                self.push |= mark == b'>' && self.open.is_empty();
                // A map and an attribute count pairs of a key and a value.
                let each = if matches!(mark, b'%' | b'|') { 2 } else { 1 };
                let (remaining, attribute) = (count.unsigned_abs() * each, mark == b'|');
                if remaining == 0 {
                    return Ok(!attribute);
                }
                if self.open.len() >= MAX_DEPTH {
                    return Err("Redis arrays that are nested too deeply");
                }
                self.open.push(Open { remaining, attribute });
                Ok(false)
            }
            _ => Err("not a Redis reply"),
        }
    }

    /// Counts an element as complete, and every array whose last element it is. Returns true if the whole reply is complete.
    fn complete_element(&mut self) -> bool {
        while let Some(innermost) = self.open.last_mut() {
            innermost.remaining -= 1;
            if innermost.remaining > 0 {
                return false;
            }
            if self.open.pop().is_some_and(|done| done.attribute) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the kind and the length of every reply in `pieces`.
    fn follow(pieces: &[&[u8]]) -> Vec<(ReplyStep, usize)> {
        let mut replies = Replies::default();
        let (mut steps, mut length) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, step) = replies.step(rest);
                assert!(taken > 0 && taken <= rest.len());
                length += taken;
                if step != ReplyStep::Part {
                    steps.push((step, std::mem::take(&mut length)));
                }
                if matches!(step, ReplyStep::Foreign(_)) {
                    return steps;
                }
                rest = &rest[taken..];
            }
        }
        steps
    }

    const REPLIES: [&str; 16] = [
        "+OK\r\n",
        "-LOADING Redis is loading the dataset in memory and says so in a long line\r\n",
        ":1234\r\n",
        "$5\r\na\r\nbc\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n+x\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n_\r\n",
        "|1\r\n+ttl\r\n,3.5\r\n$2\r\nok\r\n",
        "*2\r\n|1\r\n+x\r\n+y\r\n:1\r\n:2\r\n",
        "#t\r\n",
        "(123456789012345678901234567890123456789012345678901234567890\r\n",
        "=7\r\ntxt:abc\r\n",
        "!3\r\nERR\r\n",
    ];

    #[test]
    fn every_kind_of_reply_is_followed_to_its_end() {
        let whole = REPLIES.concat();
        let expected: Vec<_> = REPLIES.iter().map(|reply| (ReplyStep::Reply, reply.len())).collect();
        assert_eq!(follow(&[whole.as_bytes()]), expected);
    }

    #[test]
    fn a_push_message_is_not_a_reply() {
        let push = ">2\r\n+invalidate\r\n*1\r\n+k\r\n";
        assert_eq!(
            follow(&[[push, "+OK\r\n"].concat().as_bytes()]),
            [(ReplyStep::Push, push.len()), (ReplyStep::Reply, 5)]
        );
    }

    #[test]
    fn invalid_replies_are_foreign() {
        for text in ["hello\r\n", "\r\n", "$-2\r\n", "*x\r\n", "$?\r\n", "*1 \r\n", "%-1\r\n"] {
            assert!(matches!(follow(&[text.as_bytes()])[..], [(ReplyStep::Foreign(_), _)]), "{text:?}");
        }
        let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
        assert!(matches!(follow(&[deep.as_bytes()])[..], [(ReplyStep::Foreign(_), _)]));
    }

    proptest! {
        #[test]
        fn replies_do_not_depend_on_the_pieces_in_which_bytes_arrive(cuts in proptest::collection::vec(1..20_usize, 0..60)) {
            let whole = REPLIES.concat();
            let mut pieces = Vec::new();
            let mut rest = whole.as_bytes();
            for cut in cuts {
                let (piece, remainder) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = remainder;
            }
            pieces.push(rest);
            prop_assert_eq!(follow(&pieces), follow(&[whole.as_bytes()]));
        }

        #[test]
        fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            follow(&[b"*9223372036854775807\r\n%9223372036854775807\r\n", &bytes]);
            follow(&[&bytes]);
        }
    }
}
