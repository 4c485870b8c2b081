//! Finds the response in an event stream (`text/event-stream`). Comments, events without data, notifications and requests of the server are skipped. The
//! client declares no capability, so the only request that a server may send is `ping`. It is not answered: the call that the server is working on
//! shows that the client is there.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::ops::Range;

#[derive(Deserialize)]
struct Kind {
    method: Option<IgnoredAny>,
}

/// Reads an event stream as it arrives, and finds the end of the first event that is a response. Each byte is read once.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Start of the event that is not complete.
    event: usize,
    /// Start of the line that is not complete.
    line: usize,
}

impl Scan {
    /// Returns the end of the first event that is a response; `None` if it has not arrived. `stream` begins with the same bytes in each call.
    pub(super) fn end_of_response(&mut self, stream: &[u8]) -> Option<usize> {
        while let Some(length) = stream.get(self.line..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let (start, next) = (self.line, self.line + length + 1);
            self.line = next;
            if matches!(&stream[start..start + length], b"" | b"\r") {
                let event = std::mem::replace(&mut self.event, next)..start;
                if event_is_response(&stream[event]) {
                    return Some(next);
                }
            }
        }
        None
    }
}

fn event_is_response(event: &[u8]) -> bool {
    let lines = event.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut data = lines.filter_map(|line| data_of(line).map(|at| &line[at..]));
    let Some(first) = data.next() else { return false };
    match data.next() {
        None => is_response(first),
        Some(second) => {
            let mut joined = [first, second].join(&b'\n');
            data.for_each(|line| {
                joined.push(b'\n');
                joined.extend_from_slice(line);
            });
            is_response(&joined)
        }
    }
}

/// Returns the position of the first event that is a response, and joins its data lines in place.
pub(super) fn response_event(stream: &mut [u8]) -> Option<Range<usize>> {
    let (mut start, mut end) = (0, 0);
    let mut from = 0;
    while from < stream.len() {
        let length = stream[from..].iter().position(|byte| *byte == b'\n').unwrap_or(stream.len() - from);
        let next = from + length + 1;
        let line = from..from + length - usize::from(stream[from..from + length].ends_with(b"\r"));
        if line.is_empty() {
            if is_response(&stream[start..end]) {
                return Some(start..end);
            }
            (start, end) = (next, next);
        } else if let Some(data) = data_of(&stream[line.clone()]) {
            let data = line.start + data..line.end;
            if end > start {
                stream[end] = b'\n';
                end += 1;
            }
            let length = data.len();
            stream.copy_within(data, end);
            end += length;
        }
        from = next;
    }
    // The last event counts even without its final empty line, because half of an event is not valid JSON.
    is_response(stream.get(start..end).unwrap_or_default()).then_some(start..end)
}

/// Returns where the data begins in a data line of an event stream.
fn data_of(line: &[u8]) -> Option<usize> {
    line.starts_with(b"data:").then(|| if line.get(5) == Some(&b' ') { 6 } else { 5 })
}

fn is_response(data: &[u8]) -> bool {
    !data.is_empty() && serde_json::from_slice::<Kind>(data).is_ok_and(|message| message.method.is_none())
}

#[cfg(test)]
mod tests {
    use super::{Scan, response_event};

    const STREAM: &str = ": hello\r\nid: 1\r\nretry: 3000\r\ndata: \r\n\r\nid: 2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":\"s-1\"}\n\n\
        event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n\
        data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":7,\"result\":{}}\n\n";
    const RESPONSE: &str = "{\"jsonrpc\":\"2.0\",\n\"id\":7,\"result\":{}}";

    #[test]
    fn a_response_is_complete_with_the_empty_line_after_it_and_not_before() {
        let whole = format!("{STREAM}: a comment of a stream that stays open\n\n");
        let mut scan = Scan::default();
        for length in 0..=whole.len() {
            let expected = (length == STREAM.len()).then_some(STREAM.len());
            assert_eq!(scan.end_of_response(&whole.as_bytes()[..length]), expected, "{length}");
            if expected.is_some() {
                break;
            }
        }
        assert_eq!(Scan::default().end_of_response(whole.as_bytes()), Some(STREAM.len()), "in one piece");
        let mut cut = STREAM.as_bytes().to_vec();
        let event = response_event(&mut cut).unwrap();
        assert_eq!(&cut[event], RESPONSE.as_bytes());
    }

    #[test]
    fn a_stream_without_a_response_never_completes() {
        let requests = &STREAM[..STREAM.rfind("data: {").unwrap()];
        assert_eq!(Scan::default().end_of_response(requests.as_bytes()), None);
        assert_eq!(Scan::default().end_of_response(b"\n\n\r\n\ndata: {\n\ndata:\n\n"), None);
    }
}
