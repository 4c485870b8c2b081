//! What came back on one connection to which a probe sent bytes: several replies, bytes that are none, or nothing.

use super::answer::Answer;

/// What came back on a connection.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Every byte.
    pub raw: Vec<u8>,
    /// True if the server closed the connection; false if it was still open when nothing more came.
    pub closed: bool,
    /// The evidence. Its status is that of the first reply; it has no body.
    pub answer: Answer,
}

impl Conversation {
    /// Returns each reply of HTTP/1.1, from its status line to the next one.
    fn replies(&self) -> Vec<&[u8]> {
        let starts = starts(&self.raw);
        let ends = starts.iter().skip(1).copied().chain([self.raw.len()]);
        starts.iter().zip(ends).map(|(start, end)| &self.raw[*start..end]).collect()
    }

    /// Returns the number of replies.
    pub fn count(&self) -> usize {
        self.replies().len()
    }

    /// Returns true if a reply is the JSON-RPC response to the request with this id.
    pub fn answers(&self, id: u64) -> bool {
        self.replies().iter().any(|reply| {
            let has = |text: &str| memchr::memmem::find(reply, text.as_bytes()).is_some();
            let named = [format!("\"id\":{id}"), format!("\"id\": {id}")];
            // The id 42 is no part of the id 421.
            let is_whole = |at: usize, name: &str| !reply.get(at + name.len()).is_some_and(u8::is_ascii_digit);
            let names = |name: &String| memchr::memmem::find_iter(reply, name.as_bytes()).any(|at| is_whole(at, name));
            named.iter().any(names) && (has("\"result\"") || has("\"error\""))
        })
    }
}

/// Returns the positions of status lines. A body may repeat the request, so a version alone is no status line.
fn starts(raw: &[u8]) -> Vec<usize> {
    const VERSION: &[u8] = b"HTTP/1.1 ";
    let is_status = |at: &usize| {
        let after = raw.get(at + VERSION.len()..at + VERSION.len() + 4);
        after.is_some_and(|after| after[..3].iter().all(u8::is_ascii_digit) && matches!(after[3], b' ' | b'\r'))
    };
    memchr::memmem::find_iter(raw, VERSION).filter(is_status).collect()
}

/// Returns the number of replies in some bytes.
pub(super) fn count(raw: &[u8]) -> usize {
    starts(raw).len()
}

#[cfg(test)]
mod tests {
    use super::{Answer, Conversation, starts};
    use crate::drive::hardening::ExchangeText;

    fn of(raw: &str) -> Conversation {
        let text = ExchangeText { request: String::new(), reply: String::new(), curl: None };
        let answer = Answer { status: None, headers: Vec::new(), body: Vec::new(), text, op: 0, lost: None };
        Conversation { raw: raw.as_bytes().to_vec(), closed: true, answer }
    }

    #[test]
    fn replies_are_separated_and_an_echo_of_the_request_is_none() {
        let first = "HTTP/1.1 400 Bad Request\r\n\r\n{\"id\":null,\"error\":\"POST /mcp HTTP/1.1\"}";
        let both = of(&format!("{first}HTTP/1.1 200 OK\r\n\r\n{{\"id\":42,\"result\":{{}}}}"));
        assert_eq!((both.count(), both.answers(42), both.answers(41)), (2, true, false));
        // The text of an error is escaped, so that an echo of the id is no response.
        let echo = of("HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":\"{\\\"id\\\":666}\"}");
        assert_eq!((echo.count(), echo.answers(666)), (1, false));
        assert_eq!(starts(b"HTTP/1.1 20"), Vec::<usize>::new());
        let longer = of("HTTP/1.1 200 OK\r\n\r\n{\"id\":421,\"result\":{}}");
        assert_eq!((longer.answers(42), longer.answers(421)), (false, true));
        assert_eq!((of("").count(), of("PRI * HTTP/2.0").count()), (0, 0));
    }
}
