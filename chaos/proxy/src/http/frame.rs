//! Follows the messages of one direction through bytes that come in any pieces: heads, bodies with a length or in chunks, many on
//! one connection. It holds at most one head; where it cannot follow it says so once, and everything after is [`Step::Foreign`].

use super::head::{Head, Length, Line, Look, Tried, reply, request};

/// Longest head that is followed, in bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 64 << 10;
/// Longest line of a chunk's size or of a trailer, in bytes.
const MAX_LINE_BYTES: usize = 8 << 10;

/// Which messages these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Requests,
    Replies,
}

/// What the next bytes are. The bytes of a step are the first `taken` of what was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Part of a head, a chunk's size or the like.
    Between,
    /// They complete a head; its message goes on unless `ends`.
    Head { head: Head, ends: bool },
    /// The last `data` of them are content; the message is over where `ends`.
    Content { data: usize, ends: bool },
    /// They end the message.
    End,
    /// Nobody knows.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Fixed(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilEnd,
    Foreign,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Framer {
    kind: Kind,
    state: State,
    /// Part of a head or of a line.
    held: Vec<u8>,
    why_foreign: Option<&'static str>,
}

impl Framer {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, state: State::Head, held: Vec::new(), why_foreign: None }
    }

    /// Why the bytes cannot be followed, if so.
    pub(crate) const fn why_foreign(&self) -> Option<&'static str> {
        self.why_foreign
    }

    /// Tells whether no message has begun that has not ended.
    pub(crate) fn between_messages(&self) -> bool {
        self.state == State::Head && self.held.is_empty()
    }

    /// Gives up following.
    pub(crate) fn give_up(&mut self, why: &'static str) {
        self.state = State::Foreign;
        self.held = Vec::new();
        self.why_foreign.get_or_insert(why);
    }

    /// The connection ended; tells whether a message that lasts until then is complete with it.
    pub(crate) fn end(&self) -> bool {
        self.state == State::UntilEnd
    }

    /// Reads on; `input` is not empty. Returns how many bytes the step took, at least one, and what they are.
    pub(crate) fn step(&mut self, input: &[u8], look: Look) -> (usize, Step) {
        match self.state {
            State::Head => self.head(input, look),
            State::Fixed(left) => {
                let (taken, left) = take(input, left);
                self.state = if left == 0 { State::Head } else { State::Fixed(left) };
                (taken, Step::Content { data: taken, ends: left == 0 })
            }
            State::Chunk(left) => {
                let (taken, left) = take(input, left);
                self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                (taken, Step::Content { data: taken, ends: false })
            }
            State::ChunkSize | State::ChunkEnd | State::Trailer => self.line(input),
            State::UntilEnd => (input.len(), Step::Content { data: input.len(), ends: false }),
            State::Foreign => (input.len(), Step::Foreign),
        }
    }

    fn head(&mut self, input: &[u8], look: Look) -> (usize, Step) {
        let before = self.held.len();
        let room = MAX_HEAD_BYTES.saturating_sub(before).min(input.len());
        if before > 0 {
            self.held.extend_from_slice(&input[..room]);
            if !input.contains(&b'\n') && room == input.len() {
                return (room, Step::Between);
            }
        }
        // Most heads come whole, and are read where they lie.
        let bytes = if before > 0 { self.held.as_slice() } else { &input[..room] };
        let length = bytes.len();
        let tried = match self.kind {
            Kind::Requests => request(bytes, look),
            Kind::Replies => reply(bytes, look),
        };
        match tried {
            Tried::Partial if length < MAX_HEAD_BYTES => {
                if before == 0 {
                    self.held.extend_from_slice(input);
                }
                (room, Step::Between)
            }
            Tried::Partial => self.foreign(input.len(), "a head that is too long"),
            Tried::Foreign(why) => self.foreign(input.len(), why),
            Tried::Whole(head, size) => {
                self.held.clear();
                let ends = self.after(&head);
                // A head cannot end before the bytes that were not enough for it.
                (size.saturating_sub(before).max(1), Step::Head { head, ends })
            }
        }
    }

    /// Takes the state after a head; tells whether its message is over.
    fn after(&mut self, head: &Head) -> bool {
        self.state = match head.length {
            Length::Fixed(0) => State::Head,
            Length::Fixed(length) => State::Fixed(length),
            Length::Chunked => State::ChunkSize,
            Length::UntilEnd => State::UntilEnd,
            Length::Switched => {
                self.give_up("another protocol follows");
                State::Foreign
            }
        };
        let interim = matches!(head.line, Line::Reply { status: 100..=199 });
        head.length == Length::Fixed(0) && !interim
    }

    fn line(&mut self, input: &[u8]) -> (usize, Step) {
        let end = input.iter().position(|byte| *byte == b'\n').map_or(input.len(), |at| at + 1);
        let whole = end > 0 && input[end - 1] == b'\n';
        self.held.extend_from_slice(&input[..end]);
        if self.held.len() > MAX_LINE_BYTES {
            return self.foreign(input.len(), "a chunk's line that is too long");
        }
        if !whole {
            return (end, Step::Between);
        }
        let line = std::mem::take(&mut self.held);
        let line = line.trim_ascii();
        let next = match self.state {
            State::ChunkSize => match chunk_size(line) {
                Some(0) => Some(State::Trailer),
                Some(size) => Some(State::Chunk(size)),
                None => None,
            },
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize),
            State::Trailer if line.is_empty() => {
                self.state = State::Head;
                return (end, Step::End);
            }
            State::Trailer => Some(State::Trailer),
            State::Head | State::Fixed(_) | State::Chunk(_) | State::UntilEnd | State::Foreign => None,
        };
        match next {
            Some(state) => {
                self.state = state;
                (end, Step::Between)
            }
            None => self.foreign(input.len(), "a chunk that is not as it should be"),
        }
    }

    fn foreign(&mut self, taken: usize, why: &'static str) -> (usize, Step) {
        self.give_up(why);
        (taken, Step::Foreign)
    }
}

fn take(input: &[u8], left: u64) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    (taken, left - taken as u64)
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every message of `pieces`: its first line and its content.
    fn follow(kind: Kind, pieces: &[&[u8]]) -> (Vec<(Line, Vec<u8>)>, Option<&'static str>) {
        let mut framer = Framer::new(kind);
        let mut messages = Vec::new();
        let mut current: Option<(Line, Vec<u8>)> = None;
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, step) = framer.step(rest, Look::default());
                assert!(taken > 0 && taken <= rest.len());
                let ends = match step {
                    Step::Head { head, ends } => {
                        current = Some((head.line, Vec::new()));
                        ends
                    }
                    Step::Content { data, ends } => {
                        let content = &rest[taken - data..taken];
                        current.as_mut().unwrap().1.extend_from_slice(content);
                        ends
                    }
                    Step::End => true,
                    Step::Between | Step::Foreign => false,
                };
                if ends {
                    messages.extend(current.take());
                }
                rest = &rest[taken..];
            }
        }
        (messages, framer.why_foreign())
    }

    const REQUESTS: &[u8] = b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\n\r\n\
        POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\nGET /y HTTP/1.1\r\n\r\n";

    #[test]
    fn pipelined_requests_with_lengths_and_chunks_are_told_apart() {
        let (messages, foreign) = follow(Kind::Requests, &[REQUESTS]);
        let line = |method: &str, path: &str| Line::Request { method: method.into(), path: path.into() };
        assert_eq!(
            messages,
            [
                (line("POST", "/mcp"), b"hello".to_vec()),
                (line("GET", "/x"), Vec::new()),
                (line("POST", "/c"), b"abc0123456789".to_vec()),
                (line("GET", "/y"), Vec::new()),
            ]
        );
        assert_eq!(foreign, None);
    }

    #[test]
    fn an_interim_reply_is_not_the_reply() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (messages, _) = follow(Kind::Replies, &[bytes]);
        assert_eq!(messages, [(Line::Reply { status: 200 }, b"ok".to_vec())]);
    }

    #[test]
    fn endless_heads_and_lines_are_given_up_with_a_reason() {
        let head = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'y'; MAX_HEAD_BYTES]].concat();
        assert_eq!(follow(Kind::Requests, &[&head]).1, Some("a head that is too long"));
        let mut chunk = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;".to_vec();
        chunk.extend(vec![b'y'; MAX_LINE_BYTES]);
        assert_eq!(follow(Kind::Requests, &[&chunk]).1, Some("a chunk's line that is too long"));
        let wrong = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        assert_eq!(follow(Kind::Requests, &[wrong]).1, Some("a chunk that is not as it should be"));
    }

    proptest! {
        #[test]
        fn the_pieces_in_which_bytes_come_change_nothing(cuts in proptest::collection::vec(1..40_usize, 0..60)) {
            let mut pieces = Vec::new();
            let mut rest = REQUESTS;
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            pieces.push(rest);
            prop_assert_eq!(follow(Kind::Requests, &pieces), follow(Kind::Requests, &[REQUESTS]));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in [Kind::Requests, Kind::Replies] {
                follow(kind, &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &bytes]);
                follow(kind, &[&bytes]);
            }
        }
    }
}
