//! Follows the replies of a Redis through bytes that come in any pieces. Holds no content, and only how deep it is inside arrays.

use super::{Line, take};

/// How deep arrays may lie in each other.
const MAX_DEPTH: usize = 64;

/// What the next bytes are. The bytes of a step are the first of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Part of a reply.
    Part,
    /// They complete a reply.
    Reply,
    /// They complete something that the upstream says unasked.
    Push,
    /// They cannot be followed.
    Foreign(&'static str),
}

/// An array or the like that is not complete.
#[derive(Debug)]
struct Open {
    /// Elements to come.
    left: u64,
    /// Says something of the value after it, and is none itself.
    attribute: bool,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    line: Line,
    /// What is left of a text and its line end.
    text: u64,
    open: Vec<Open>,
    push: bool,
}

impl Replies {
    /// Reads on to the end of the reply at most; `input` is not empty. Returns how many bytes that took, and what they are.
    pub(crate) fn step(&mut self, input: &[u8]) -> (usize, Step) {
        let mut taken = 0;
        while taken < input.len() {
            let rest = &input[taken..];
            let complete = if self.text > 0 {
                taken += take(rest, &mut self.text);
                self.text == 0 && self.element()
            } else {
                let (count, whole) = self.line.take(rest);
                taken += count;
                match whole.then(|| self.begun()) {
                    None => false,
                    Some(Ok(complete)) => complete && self.element(),
                    Some(Err(why)) => return (input.len(), Step::Foreign(why)),
                }
            };
            if complete {
                let push = std::mem::take(&mut self.push);
                return (taken, if push { Step::Push } else { Step::Reply });
            }
        }
        (taken, Step::Part)
    }

    /// A line is whole; tells whether an element is, with it.
    fn begun(&mut self) -> Result<bool, &'static str> {
        const NOT: &str = "not a reply of Redis";
        let (mark, number) = (self.line.mark().unwrap_or_default(), self.line.number());
        self.line.clear();
        match (mark, number) {
            (b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(', _) | (b'$' | b'*', Some(-1)) => Ok(true),
            (b'$' | b'!' | b'=', Some(length @ 0..)) => {
                self.text = length.unsigned_abs() + 2;
                Ok(false)
            }
            (b'*' | b'~' | b'>' | b'%' | b'|', Some(count @ 0..)) => {
                self.push |= mark == b'>' && self.open.is_empty();
                let each = if matches!(mark, b'%' | b'|') { 2 } else { 1 };
                let (left, attribute) = (count.unsigned_abs() * each, mark == b'|');
                if left == 0 {
                    return Ok(!attribute);
                }
                if self.open.len() >= MAX_DEPTH {
                    return Err("arrays of Redis that lie too deep in each other");
                }
                self.open.push(Open { left, attribute });
                Ok(false)
            }
            _ => Err(NOT),
        }
    }

    /// An element is complete; tells whether what it lies in is complete too, to the outermost.
    fn element(&mut self) -> bool {
        while let Some(innermost) = self.open.last_mut() {
            innermost.left -= 1;
            if innermost.left > 0 {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What every reply in `pieces` is, and how long.
    fn follow(pieces: &[&[u8]]) -> Vec<(Step, usize)> {
        let mut replies = Replies::default();
        let (mut seen, mut length) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, step) = replies.step(rest);
                assert!(taken > 0 && taken <= rest.len());
                length += taken;
                if step != Step::Part {
                    seen.push((step, std::mem::take(&mut length)));
                }
                if matches!(step, Step::Foreign(_)) {
                    return seen;
                }
                rest = &rest[taken..];
            }
        }
        seen
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
    fn every_kind_of_reply_ends_where_it_ends() {
        let whole = REPLIES.concat();
        let expected: Vec<_> = REPLIES.iter().map(|reply| (Step::Reply, reply.len())).collect();
        assert_eq!(follow(&[whole.as_bytes()]), expected);
    }

    #[test]
    fn what_is_said_unasked_is_no_reply() {
        let push = ">2\r\n+invalidate\r\n*1\r\n+k\r\n";
        assert_eq!(follow(&[[push, "+OK\r\n"].concat().as_bytes()]), [(Step::Push, push.len()), (Step::Reply, 5)]);
    }

    #[test]
    fn what_is_no_reply_is_foreign() {
        for text in ["hello\r\n", "\r\n", "$-2\r\n", "*x\r\n", "$?\r\n", "*1 \r\n", "%-1\r\n"] {
            assert!(matches!(follow(&[text.as_bytes()])[..], [(Step::Foreign(_), _)]), "{text:?}");
        }
        let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
        assert!(matches!(follow(&[deep.as_bytes()])[..], [(Step::Foreign(_), _)]));
    }

    proptest! {
        #[test]
        fn the_pieces_in_which_bytes_come_change_nothing(cuts in proptest::collection::vec(1..20_usize, 0..60)) {
            let whole = REPLIES.concat();
            let mut pieces = Vec::new();
            let mut rest = whole.as_bytes();
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            pieces.push(rest);
            prop_assert_eq!(follow(&pieces), follow(&[whole.as_bytes()]));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            follow(&[b"*9223372036854775807\r\n%9223372036854775807\r\n", &bytes]);
            follow(&[&bytes]);
        }
    }
}
