//! Requests whose end is ambiguous. A gateway that sees another end than the service passes a second request on without having looked at it.

use harness_core::drive::hardening::{Conversation, HardeningCheck, HttpRequest, Lane, Probe, Stop};
use serde_json::json;

/// Ids of the request that hides another, of the hidden one, and of the honest one after it.
const OUTER: u64 = 41;
const HIDDEN: u64 = 666;
const NEXT: u64 = 42;
/// Silent conversations with one service that are repeated, because the machine may have stood still.
const REPEATED: usize = 3;
/// Bytes of the body by the shorter of two lengths.
const SHORT: &str = "1234";

pub(crate) const SMUGGLED: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-08",
    title: "a request whose end is ambiguous hides no second one, and the request after it is answered as sent",
    score: 8.1,
    why: "A gateway that finds the end of a request elsewhere than the service lets an attacker put a request in front of that of another user, past every rule of the gateway.",
    sources: &["RFC 9112, sections 2.2, 5.2, 6.1, 6.3 and 7.1", "OWASP API8:2023", "CWE-444"],
    needs: &[],
    how: "Sends, each on a connection of its own and followed by an honest request, sixteen requests with a hidden one in their body: with a length and chunks, with codings that only one of two parsers understands, with two lengths, with folded lines, and with line feeds in the extension of a chunk. The hidden request must not be answered. The connection must be closed, or the honest request answered; so must one on a new connection. Two honest requests on one connection must be answered before. A service may read chunks and ignore the length beside them, as RFC 9112 permits.",
    remedy: "Refuse a request with a length and a transfer coding, with two lengths, or with a coding other than `chunked`, and close its connection.",
    fix_in: &["services/kit/src/serve.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(smuggled(probe)),
};

/// The requests of which the shapes are made, as bytes.
struct Requests {
    /// The head of the outer request up to the lines that say where its body ends.
    head: String,
    hidden: Vec<u8>,
    next: Vec<u8>,
    honest: Vec<u8>,
}

impl Requests {
    fn of(probe: &Probe<'_>, part: &str, list: &HttpRequest) -> Self {
        let with_id = |id: u64| probe.rendered(part, &list.clone().changed(|body| body["id"] = json!(id)));
        let honest = with_id(OUTER);
        Self { head: unframed(&honest), hidden: with_id(HIDDEN), next: with_id(NEXT), honest }
    }

    /// Returns a request with these lines in its head and this body.
    fn outer(&self, lines: &[String], body: &[u8]) -> Vec<u8> {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        [format!("{}{lines}\r\n", self.head).as_bytes(), body].concat()
    }
}

/// Returns the head of a request without the line of its length and without the empty line.
fn unframed(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("content-length"));
    lines.map(|line| format!("{line}\r\n")).collect()
}

/// A chunked body whose first chunk is the hidden request, and the length after which it begins.
fn in_a_chunk(hidden: &[u8]) -> (Vec<u8>, usize) {
    let size = format!("{:x}\r\n", hidden.len());
    ([size.as_bytes(), hidden, b"\r\n0\r\n\r\n"].concat(), size.len())
}

/// Returns each shape with its name, without the honest request after it.
fn shapes(requests: &Requests) -> Vec<(String, Vec<u8>)> {
    let mut shapes = Vec::new();
    let mut add =
        |name: &str, lines: &[String], body: &[u8]| shapes.push((name.to_owned(), requests.outer(lines, body)));
    let (chunked, length) = in_a_chunk(&requests.hidden);
    let (length, coding) = (format!("content-length: {length}"), "transfer-encoding: chunked".to_owned());
    add("a length, then chunks", &[length.clone(), coding.clone()], &chunked);
    add("chunks, then a length", &[coding.clone(), length.clone()], &chunked);
    // One parser reads chunks, another does not know the coding and reads the length.
    for line in [
        "transfer-encoding: xchunked",
        "transfer-encoding : chunked",
        "transfer-encoding:\u{b}chunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
    ] {
        let name = format!("a length and `{}`", line.replace("\r\n", ", ").escape_debug());
        add(&name, &[length.clone(), line.to_owned()], &chunked);
    }
    // A line that continues the one before it, and begins as the header would.
    let body = [&b"0\r\n\r\n"[..], &requests.hidden].concat();
    let whole = format!("content-length: {}", body.len());
    add("a folded line with a coding", &[whole, "x-padding: a".to_owned(), format!(" {coding}")], &body);
    let body = [SHORT.as_bytes(), &requests.hidden].concat();
    let (short, long) = (SHORT.len(), body.len());
    add(
        "two lengths, the shorter first",
        &[format!("content-length: {short}"), format!("content-length: {long}")],
        &body,
    );
    add(
        "two lengths, the longer first",
        &[format!("content-length: {long}"), format!("content-length: {short}")],
        &body,
    );
    add("two lengths in one line", &[format!("content-length: {short}, {long}")], &body);
    add("a length with a sign", &[format!("content-length: +{short}")], &body);
    add("a line feed in the extension of a chunk", &[coding], &extended(&requests.hidden));
    shapes
}

/// A chunked body that a parser which ends the line of a size at a line feed reads as one request, and one that ends it at CRLF as two.
fn extended(hidden: &[u8]) -> Vec<u8> {
    let inner = [&b"0\r\n\r\n"[..], hidden].concat();
    let size = format!("{:x}", inner.len());
    let first = format!("{};\n{}\r\n{size}\r\n", size.len(), "x".repeat(size.len()));
    [first.as_bytes(), &inner, b"\r\n0\r\n\r\n"].concat()
}

async fn smuggled(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let list = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "an honest request", &list).await?;
        let requests = Requests::of(probe, &part, &list);
        let both = probe.converse(&part, &[&requests.honest[..], &requests.next].concat(), 2).await;
        if !both.answers(OUTER) || !is_clean(&both) {
            let why = format!("two honest requests on one connection are not answered: {}", both.answer.describe());
            return Err(Stop::Unclear(why));
        }
        probe.count_control();
        // Every line ends with a line feed alone, which a service may accept; then it is one request.
        let lines = String::from_utf8_lossy(&requests.honest).replace("\r\n", "\n").into_bytes();
        let mut repeated = 0;
        for (case, bytes) in shapes(&requests).into_iter().chain([("line feeds alone".to_owned(), lines)]) {
            let bytes = [&bytes[..], &requests.next].concat();
            let mut conversation = probe.converse(&part, &bytes, 2).await;
            if !is_clean(&conversation) && repeated < REPEATED {
                repeated += 1;
                conversation = probe.converse(&part, &bytes, 2).await;
            }
            judge(probe, &part, &case, &list, &conversation).await;
        }
    }
    Ok(())
}

/// Returns true if the honest request after the outer one was answered, or if nothing on the connection can be taken for its reply.
fn is_clean(conversation: &Conversation) -> bool {
    conversation.closed || conversation.answers(NEXT)
}

async fn judge(probe: &Probe<'_>, part: &str, case: &str, list: &HttpRequest, conversation: &Conversation) {
    let later = probe.send(part, list).await;
    let (hidden, replies) = (conversation.answers(HIDDEN), conversation.count());
    let signs = [
        ("the hidden request was answered", hidden),
        ("its reply came beside that of the request that hid it", hidden && replies > 1),
        ("there are more replies than requests", replies > 2),
        ("the connection stays open, and the next request on it is not answered", !is_clean(conversation)),
        ("a request on a new connection is not answered", !later.has_result()),
    ];
    let holds = !hidden && replies <= 2 && is_clean(conversation) && later.has_result();
    probe.judge(part, case, holds, &signs, &[&conversation.answer, &later]);
}

#[cfg(test)]
mod tests {
    use super::{HIDDEN, Requests, extended, in_a_chunk, shapes, unframed};

    fn request(id: u64) -> Vec<u8> {
        let body = format!("{{\"id\":{id}}}");
        format!("POST /mcp HTTP/1.1\r\nhost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[test]
    fn every_shape_has_the_hidden_request_where_the_shorter_reading_ends() {
        let requests =
            Requests { head: unframed(&request(41)), hidden: request(HIDDEN), next: request(42), honest: request(41) };
        assert_eq!(requests.head, "POST /mcp HTTP/1.1\r\nhost: a\r\n");
        let all = shapes(&requests);
        assert_eq!(all.len(), 15);
        for (name, bytes) in &all {
            let text = String::from_utf8_lossy(bytes);
            assert!(text.matches("POST /mcp").count() == 2 && text.contains("{\"id\":666}"), "{name}: {text}");
        }
        let (body, length) = in_a_chunk(&requests.hidden);
        assert!(body[length..].starts_with(b"POST /mcp"));
    }

    #[test]
    fn an_extension_with_a_line_feed_has_two_readings() {
        let hidden = request(HIDDEN);
        let text = String::from_utf8(extended(&hidden)).unwrap();
        // By the line feed: a chunk of letters, then one with everything else.
        let (first, rest) = text.split_once(";\n").unwrap();
        let letters = first.parse::<usize>().unwrap();
        let (size, inner) = rest[letters + 2..].split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        assert_eq!(&inner[size..], "\r\n0\r\n\r\n");
        // By CRLF: the size of that chunk is the data, and the body ends before the hidden request.
        let (_, data) = text.split_once("\r\n").unwrap();
        assert!(data[letters..].starts_with("\r\n0\r\n\r\nPOST /mcp"), "{data}");
    }
}
