//! What HTTP offers beside plain requests: version 2 in clear, the upgrade to it, and trailers.

use harness_core::drive::hardening::{Caller, Conversation, HardeningCheck, HttpRequest, Lane, Probe, Stop};
use mcp_contracts::limits::MAX_HEADER_BYTES;
use serde_json::json;

const OUTER: u64 = 41;
const NEXT: u64 = 42;
/// The preface of HTTP/2 and an empty frame of settings (RFC 9113, sections 3.4 and 6.5).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Type of a frame of settings, and the setting that bounds the concurrent streams.
const SETTINGS: u8 = 4;
const MAX_CONCURRENT_STREAMS: u16 = 3;
/// Streams that a server may permit on one connection.
const MOST_STREAMS: u32 = 1_000;

pub(crate) const UPGRADED: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-09",
    title: "HTTP/2 in clear, an upgrade and trailers are refused or bounded, and change nothing of a request",
    score: 6.5,
    why: "A gateway that passes an upgrade on no longer sees the requests on the connection, and a trailer that counts as a header brings a token or a length after everything was checked.",
    sources: &[
        "RFC 9113, sections 3.3, 3.4 and 6.5.2",
        "RFC 9110, sections 6.5 and 7.8",
        "RFC 9112, section 7.1.2",
        "OWASP API4:2023",
        "OWASP API8:2023",
        "CWE-444",
        "CWE-770",
    ],
    needs: &[],
    how: "Begins HTTP/2 without an upgrade: the connection must be refused, or, on a target, its first settings must permit at most 1,000 streams. Requests an upgrade to `h2c`: the reply must not be 101. Sends a chunked request with a length, a coding and a host in its trailer: it must get one reply, and the next request on the connection its own. Sends a token in a trailer alone, which must give no access, and trailers of a megabyte, which must have no result. A chunked request, and one with a harmless trailer, must be answered before; a server that refuses every one of them has no trailers.",
    remedy: "Serve HTTP/1.1 only where TLS does not negotiate the version; never copy a trailer into the head; bound trailers as heads.",
    fix_in: &["services/kit/src/serve.rs"],
    follows: &["MCP-AUTH-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(upgraded(probe)),
};

async fn upgraded(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let list = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "an ordinary request", &list).await?;
        prior_knowledge(probe, &part, &list).await?;
        upgrade(probe, &part, &list).await;
        trailers(probe, &part, &ann, &list).await?;
        probe.control(&part, "a request afterwards", &list).await?;
    }
    Ok(())
}

async fn prior_knowledge(probe: &Probe<'_>, part: &str, list: &HttpRequest) -> Result<(), Stop> {
    let mut conversation = probe.converse(part, PREFACE, 1).await;
    if conversation.raw.is_empty() && !conversation.closed {
        // A service that speaks HTTP/2 and stands still is silent too.
        probe.control(part, "a request after a silence", list).await?;
        conversation = probe.converse(part, PREFACE, 1).await;
    }
    let streams = permitted_streams(&conversation.raw);
    let is_bounded = probe.is_foreign() && streams.flatten().is_some_and(|most| most <= MOST_STREAMS);
    let signs = [
        ("the server answers with settings of HTTP/2", streams.is_some()),
        ("no reply of HTTP/1.1 refuses it", streams.is_some() && conversation.count() == 0),
        ("the connection stays open", streams.is_some() && !conversation.closed),
    ];
    // A server that neither answers nor closes waits for a request of a version that it knows; its limit of slow heads is another check.
    let holds = streams.is_none() || is_bounded;
    probe.judge(part, "HTTP/2 without an upgrade", holds, &signs, &[&conversation.answer]);
    Ok(())
}

/// Returns what the first frame says about concurrent streams; `None` if it is no frame of settings.
fn permitted_streams(raw: &[u8]) -> Option<Option<u32>> {
    let (head, rest) = raw.split_at_checked(9)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    if head[3] != SETTINGS || head[5..9] != [0; 4] || !length.is_multiple_of(6) {
        return None;
    }
    let settings = rest.get(..length.min(rest.len()))?.chunks_exact(6);
    let of = |setting: &[u8]| u16::from_be_bytes([setting[0], setting[1]]);
    let value = |setting: &[u8]| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
    Some(settings.filter(|setting| of(setting) == MAX_CONCURRENT_STREAMS).map(value).next_back())
}

async fn upgrade(probe: &Probe<'_>, part: &str, list: &HttpRequest) {
    let request = list
        .clone()
        .changed(|body| body["id"] = json!(OUTER))
        .header("connection", "Upgrade, HTTP2-Settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__");
    let conversation = probe.converse(part, &probe.rendered(part, &request), 1).await;
    let status = conversation.answer.status;
    let switched = status == Some(101) || permitted_streams(&conversation.raw).is_some();
    let signs = [
        ("the status is 101", status == Some(101)),
        ("no reply of HTTP/1.1 answers the request", switched && !conversation.answers(OUTER)),
    ];
    probe.judge(part, "an upgrade to `h2c`", status.is_some() && !switched, &signs, &[&conversation.answer]);
}

/// Returns a request in one chunk, with this trailer.
fn chunked(probe: &Probe<'_>, part: &str, request: &HttpRequest, trailer: &str) -> Vec<u8> {
    let rendered = probe.rendered(part, &request.clone().header("transfer-encoding", "chunked"));
    let at = memmem(&rendered, b"\r\n\r\n").map_or(rendered.len(), |at| at + 4);
    let (head, body) = rendered.split_at(at);
    let size = format!("{:x}\r\n", body.len());
    [head, size.as_bytes(), body, format!("\r\n0\r\n{trailer}\r\n").as_bytes()].concat()
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

async fn trailers(probe: &Probe<'_>, part: &str, ann: &Caller, list: &HttpRequest) -> Result<(), Stop> {
    let with_id = |request: &HttpRequest, id: u64| request.clone().changed(|body| body["id"] = json!(id));
    let outer = with_id(list, OUTER);
    let next = probe.rendered(part, &with_id(list, NEXT));
    let plain = probe.converse(part, &chunked(probe, part, &outer, ""), 1).await;
    if refuses_form(&plain) {
        probe.omit(&format!("trailers of `{part}`, which refuses chunked requests"));
        return Ok(());
    }
    if !plain.answers(OUTER) {
        return Err(Stop::Unclear(format!("a chunked request is not answered: {}", plain.answer.describe())));
    }
    probe.count_control();
    let harmless = probe.converse(part, &chunked(probe, part, &outer, "x-checksum: a\r\n"), 1).await;
    if refuses_form(&harmless) {
        probe.judge(part, "trailers are refused", true, &[], &[]);
        return Ok(());
    }
    if !harmless.answers(OUTER) {
        let why = harmless.answer.describe();
        return Err(Stop::Unclear(format!("a chunked request with a harmless trailer is not answered: {why}")));
    }
    let framing = "content-length: 5\r\ntransfer-encoding: chunked\r\nhost: evil.example\r\nconnection: keep-alive\r\n";
    let bytes = [chunked(probe, part, &outer, framing), next].concat();
    expect_one_reply(probe, part, "a length, a coding and a host in a trailer", &probe.converse(part, &bytes, 2).await);
    if !ann.token.is_empty() {
        let anonymous = with_id(&HttpRequest::tools_list(), OUTER);
        if probe.send(part, &anonymous).await.has_result() {
            // Then it is not the trailer that gives access.
            probe.omit(&format!("a token in a trailer at `{part}`, which lists its tools without a token"));
        } else {
            let trailer = format!("authorization: Bearer {}\r\n", ann.token);
            let conversation = probe.converse(part, &chunked(probe, part, &anonymous, &trailer), 1).await;
            expect_no_result(probe, part, "a token in a trailer", &conversation);
        }
    }
    let many: String = (0..1 << 16).map(|number| format!("x-{number}: aaaaaaaa\r\n")).collect();
    let long = format!("x-padding: {}\r\n", "a".repeat(64 * MAX_HEADER_BYTES));
    for (case, trailer) in [("a trailer of a megabyte", long), ("a trailer of 65,536 fields", many)] {
        let conversation = probe.converse(part, &chunked(probe, part, &outer, &trailer), 1).await;
        expect_no_result(probe, part, case, &conversation);
    }
    Ok(())
}

/// Returns true if a request is refused because of its form, and not because of its token or a limit.
fn refuses_form(conversation: &Conversation) -> bool {
    !conversation.answers(OUTER) && matches!(conversation.answer.status, Some(400 | 411 | 501))
}

fn expect_one_reply(probe: &Probe<'_>, part: &str, case: &str, conversation: &Conversation) {
    let replies = conversation.count();
    let is_clean = conversation.closed || conversation.answers(NEXT);
    let signs = [
        ("there are more replies than requests", replies > 2),
        ("the next request on the connection is not answered", !is_clean),
        ("the connection stays open", !conversation.closed && !is_clean),
    ];
    probe.judge(part, case, (1..=2).contains(&replies) && is_clean, &signs, &[&conversation.answer]);
}

fn expect_no_result(probe: &Probe<'_>, part: &str, case: &str, conversation: &Conversation) {
    let status = conversation.answer.status;
    let signs = [
        ("the status is that of a success", status.is_some_and(|status| (200..300).contains(&status))),
        ("the reply answers the request", conversation.answers(OUTER)),
    ];
    let refused = status.map_or(conversation.closed, |status| status >= 400);
    probe.judge(part, case, refused && !conversation.answers(OUTER), &signs, &[&conversation.answer]);
}

#[cfg(test)]
mod tests {
    use super::permitted_streams;

    #[test]
    fn the_bound_of_streams_is_read_from_the_first_settings() {
        let frame = |length: u8, kind: u8, settings: &[u8]| [&[0, 0, length, kind, 0, 0, 0, 0, 0], settings].concat();
        let streams = [0, 3, 0, 0, 0, 200];
        let window = [0, 4, 0, 1, 0, 0];
        assert_eq!(permitted_streams(&frame(6, 4, &streams)), Some(Some(200)));
        assert_eq!(permitted_streams(&frame(12, 4, &[window, streams].concat())), Some(Some(200)));
        assert_eq!(permitted_streams(&frame(6, 4, &window)), Some(None));
        assert_eq!(permitted_streams(&frame(0, 4, &[])), Some(None));
        assert_eq!(permitted_streams(&frame(8, 7, &[0; 8])), None, "another frame");
        assert_eq!(permitted_streams(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        assert_eq!(permitted_streams(b""), None);
    }
}
