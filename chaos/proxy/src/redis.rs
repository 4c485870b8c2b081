//! The protocol of Redis (RESP 2 and 3) as seen from the middle of a wire: where commands and replies begin and end, so that each reply is
//! known by its command. Pure; changes no byte and decides nothing about them.

pub(crate) mod commands;
pub(crate) mod replies;

/// Longest line with a number in it, in bytes.
const MAX_LINE_BYTES: usize = 32;

/// Part of a line that may come in pieces; of a long one only the beginning is kept.
#[derive(Debug, Default)]
struct Line {
    held: Vec<u8>,
    long: bool,
}

impl Line {
    /// Reads on to the end of the line; tells how many bytes that took, and whether the line is whole.
    fn take(&mut self, input: &[u8]) -> (usize, bool) {
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(input.len(), |at| at + 1);
        let room = MAX_LINE_BYTES.saturating_sub(self.held.len()).min(taken);
        self.held.extend_from_slice(&input[..room]);
        self.long |= room < taken;
        (taken, end.is_some())
    }

    /// Its first byte.
    fn mark(&self) -> Option<u8> {
        self.held.first().copied()
    }

    /// The number after the mark, if that is all there is.
    fn number(&self) -> Option<i64> {
        let digits = self.held.get(1..)?.strip_suffix(b"\r\n").filter(|_| !self.long)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn clear(&mut self) {
        self.held.clear();
        self.long = false;
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// Takes as many of `left` bytes as there are.
fn take(input: &[u8], left: &mut u64) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= taken as u64;
    taken
}
