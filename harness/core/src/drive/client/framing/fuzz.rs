//! Any reply, in any pieces: the same reply, or the same reason why it is none.

use super::*;
use fuzzing::Target;

const TARGET: Target =
    Target::new("http-replies", &["harness/core/src/drive/client/framing.rs"]).with_most_bytes(12 << 10).with_words(&[
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "content-type: text/event-stream\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        "5;x=1\r\n",
    ]);
/// Cuts of an input in two, spread over it.
const CUTS: usize = 24;

type Outcome = Result<Option<(u16, Vec<u8>, bool)>, &'static str>;

/// Reads a reply that arrives in pieces, after which the connection ends.
fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let (mut frame, mut buffer) = (Frame::default(), Vec::new());
    let of = |received: Received, buffer: &[u8]| {
        assert!(received.head.end <= received.body.start && received.body.end <= buffer.len(), "{received:?}");
        (received.status, buffer[received.body].to_vec(), received.events)
    };
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if let Some(received) = frame.advance(&mut buffer)? {
            return Ok(Some(of(received, &buffer)));
        }
    }
    Ok(frame.end(&mut buffer)?.map(|received| of(received, &buffer)))
}

#[test]
fn a_reply_does_not_depend_on_the_pieces_in_which_it_arrives() {
    TARGET.run(|bytes| {
        // An incomplete head is parsed again for each piece, so that single bytes of a long input would take long.
        let small = 1 + bytes.len() / 200;
        let whole = fuzzing::same_in_pieces(bytes, CUTS, small, |pieces| read(pieces));
        if let Ok(Some((_, body, _))) = whole {
            assert!(body.len() <= bytes.len(), "{} bytes from {}", body.len(), bytes.len());
        }
    });
}
