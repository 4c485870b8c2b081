//! Follows the protocol of Redis (RESP 2 and 3): finds where commands and replies begin and end, so that each reply is matched to its command. Pure:
//! it changes no byte, and decides nothing about a byte.

pub(crate) mod commands;
pub(crate) mod replies;

/// Longest line that is parsed as a number. An `i64` with its mark and line end takes at most 23 bytes.
const MAX_LINE_BYTES: usize = 32;

/// A line that may arrive in pieces. Of a longer line than [`MAX_LINE_BYTES`] only the beginning is kept.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl LineBuffer {
    /// Reads up to the end of the line. Returns the number of consumed bytes, and true if the line is complete.
    fn read(&mut self, input: &[u8]) -> (usize, bool) {
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(input.len(), |at| at + 1);
        let room = MAX_LINE_BYTES.saturating_sub(self.bytes.len()).min(taken);
        self.bytes.extend_from_slice(&input[..room]);
        self.is_cut |= room < taken;
        (taken, end.is_some())
    }

    /// Returns the first byte, the type of the line.
    fn mark(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// Returns the number after the mark. `None`: the rest of the line is not a number.
    fn number(&self) -> Option<i64> {
        let digits = self.bytes.get(1..)?.strip_suffix(b"\r\n").filter(|_| !self.is_cut)?;
        let text = std::str::from_utf8(digits).ok()?;
        // `parse` alone would accept `+1` and `01`, which Redis refuses.
        let is_plain =
            text == "0" || text.trim_start_matches('-').starts_with(|digit: char| ('1'..='9').contains(&digit));
        text.parse().ok().filter(|_| is_plain)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.is_cut = false;
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Consumes up to `remaining` bytes of `input` and returns how many.
fn consume(input: &[u8], remaining: &mut u64) -> usize {
    let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(input.len());
    *remaining -= taken as u64;
    taken
}
