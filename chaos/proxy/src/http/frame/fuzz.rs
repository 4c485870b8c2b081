//! Any bytes, in any pieces: the same messages, with lengths that every receiver reads alike.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new("http-frames", &["chaos/proxy/src/http/frame.rs", "chaos/proxy/src/http/head.rs"])
    .with_words(&[
        "content-length: 5\r\n",
        "Content-Length: 11\r\n",
        "transfer-encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        ";ext=1",
        "HTTP/1.1 304 Not Modified\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\n",
    ]);
/// Cuts of an input in two, spread over it.
const CUTS: usize = 24;

#[derive(Debug, Default, PartialEq)]
struct Followed {
    messages: Vec<(Head, Vec<u8>)>,
    foreign: Option<&'static str>,
}

fn follow<'p>(kind: MessageKind, pieces: impl IntoIterator<Item = &'p [u8]>) -> Followed {
    let options = ParseOptions { to_head: false, keep_fields: true };
    let (mut framer, mut followed) = (Framer::new(kind), Followed::default());
    let mut current: Option<(Head, Vec<u8>)> = None;
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, step) = framer.step(rest, options);
            assert!(taken > 0 && taken <= rest.len(), "a step takes {taken} of {} bytes", rest.len());
            assert!(
                framer.buffer.len() <= MAX_HEAD_BYTES.max(MAX_LINE_BYTES),
                "{} bytes are kept",
                framer.buffer.len()
            );
            let ends = match step {
                HttpStep::Head { head, ends } => {
                    current = Some((head, Vec::new()));
                    ends
                }
                HttpStep::Content { data, ends } => {
                    let (_, content) = current.as_mut().expect("content follows a head");
                    content.extend_from_slice(&rest[taken - data..taken]);
                    ends
                }
                HttpStep::End => true,
                HttpStep::Framing | HttpStep::Foreign => false,
            };
            if ends {
                followed.messages.push(current.take().expect("a message has a head"));
            }
            rest = &rest[taken..];
        }
    }
    followed.foreign = framer.foreign_reason();
    followed
}

fn assert_the_lengths_are_unambiguous((head, content): &(Head, Vec<u8>)) {
    let values = |name: &str| -> Vec<String> {
        head.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.trim().to_owned()).collect()
    };
    for length in values("content-length") {
        let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_number, "a content length of `{length}` was followed");
    }
    match head.length {
        Length::Fixed(length) => assert_eq!(content.len() as u64, length, "{head:?}"),
        Length::Chunked => {
            let last = values("transfer-encoding").pop().unwrap_or_default().to_ascii_lowercase();
            assert!(last.ends_with("chunked"), "{head:?}");
        }
        Length::UntilEnd | Length::Switched => panic!("a message without an end has ended: {head:?}"),
    }
}

/// Writes a message in the plainest form.
fn plain((head, content): &(Head, Vec<u8>)) -> Vec<u8> {
    let line = match &head.line {
        StartLine::Request { method, path } => format!("{method} {path} HTTP/1.1"),
        StartLine::Reply { status } => format!("HTTP/1.1 {status:03} x"),
    };
    [format!("{line}\r\ncontent-length: {}\r\n\r\n", content.len()).as_bytes(), content].concat()
}

#[test]
fn messages_depend_neither_on_pieces_nor_on_their_form() {
    TARGET.run(|bytes| {
        // The end of a line completes what can be judged, however the bytes arrive.
        let bytes = [bytes, b"\n"].concat();
        for kind in [MessageKind::Requests, MessageKind::Replies] {
            let whole = fuzzing::same_in_pieces(&bytes, CUTS, 1, |pieces| follow(kind, pieces));
            for message in &whole.messages {
                assert_the_lengths_are_unambiguous(message);
                let again = follow(kind, [&plain(message)[..]]);
                let parts = |followed: &Followed| -> Vec<(StartLine, Vec<u8>)> {
                    followed.messages.iter().map(|(head, content)| (head.line.clone(), content.clone())).collect()
                };
                assert_eq!(parts(&again), [(message.0.line.clone(), message.1.clone())]);
            }
        }
    });
}
