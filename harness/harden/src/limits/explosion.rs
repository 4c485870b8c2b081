//! Texts on which engines of patterns, searches and paths explode.

use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Need, Probe, Stop};
use mcp_contracts::limits::MAX_QUERY_BYTES;
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};
use std::time::Duration;

/// Size of a text of an action, in bytes. Above it an engine with quadratic cost is far beyond the others.
const TEXT_BYTES: usize = 16 << 10;
/// How often more a hostile text may cost than an ordinary one of the same size.
const DEARER: u32 = 10;
/// How often more the doubled text may cost. Linear cost doubles, quadratic cost is four times as much.
const GROWTH: u32 = 3;
/// What an ordinary call costs at least. Below it the clock of a process measures mostly itself.
const LEAST: Duration = Duration::from_millis(1);
/// Measurements of a text that seems to be dear; the cheapest one counts.
const MEASURES: usize = 3;

pub(crate) const EXPLOSION: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-08",
    title: "no text that is known to explode makes the cost of a pattern, a search or a path grow faster than its size",
    score: 7.5,
    why: "One request on which an engine backtracks occupies a processor for minutes, and a few of them stop the service for everyone.",
    sources: &["OWASP API4:2023", "CWE-1333", "CWE-407"],
    needs: &[Need::Token, Need::Processes, Need::Service(Service::Memory), Need::Service(Service::Guardrails)],
    how: "Sends twenty-two texts that are known to explode, as queries, as texts that are scanned and checked, and as paths, and measures the time of processors of the service. A text that costs more than ten times as much as prose of the same size is measured at a half and a quarter of its size too: its cost must not grow faster than its size. A text on which a call reaches its deadline, while prose is answered, grows too fast. A text that is refused is not judged.",
    remedy: "Use engines with linear time, and bound the size of what they read.",
    fix_in: &["services/guardrails/src/detect/sql.rs", "services/memory/src/terms.rs"],
    follows: &["MCP-AUTH-06"],
    alone: true,
    probing: |probe| Box::pin(explosion(probe)),
};

/// Pieces that are repeated, and the end that keeps a pattern from matching.
const HOSTILE: [(&str, &str); 22] = [
    ("a", "!"),
    ("a ", "!"),
    ("a@", "!"),
    ("a.", "@"),
    ("a@a.", "!"),
    ("1 ", "x"),
    ("1-", "x"),
    ("4111 ", "x"),
    ("eyJ", "!"),
    ("eyJa.", "!"),
    ("-----BEGIN ", "!"),
    ("AKIA", "!"),
    ("/*", "!"),
    ("--", "!"),
    ("'", "!"),
    ("\"", "!"),
    ("(", "!"),
    ("a* OR ", "!"),
    ("NEAR(", "!"),
    ("**/", "!"),
    ("SELECT (", "!"),
    ("ignore all ", "!"),
];

/// A call that takes a text.
struct Taker {
    service: Service,
    tool: &'static str,
    bytes: usize,
    arguments: fn(&str) -> Value,
}

const TAKERS: [Taker; 4] = [
    Taker {
        service: Service::Memory,
        tool: "search_memory",
        bytes: MAX_QUERY_BYTES,
        arguments: |text| json!({ "query": text }),
    },
    Taker {
        service: Service::Guardrails,
        tool: "scan_text",
        bytes: TEXT_BYTES,
        arguments: |text| json!({ "text": text }),
    },
    Taker {
        service: Service::Guardrails,
        tool: "check_guardrails",
        bytes: TEXT_BYTES,
        arguments: |text| json!({ "action": "database", "intent": "review a text", "text": text }),
    },
    Taker {
        service: Service::Guardrails,
        tool: "validate_commit",
        bytes: 1_000,
        arguments: |text| json!({ "message": "release notes", "files": [{ "path": text }] }),
    },
];

async fn explosion(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    for taker in &TAKERS {
        let part = probe.need(taker.service)?;
        let prose = repeated("the ledger was slow after the release ", "", taker.bytes);
        let call = |text: &str| HttpRequest::tool(taker.tool, &(taker.arguments)(text)).bearer(&ann.token);
        probe.control(&part, &format!("`{}` with prose", taker.tool), &call(&prose)).await?;
        let (ordinary, _) = least(probe, &part, &call(&prose)).await?;
        for (piece, end) in HOSTILE {
            let text = |bytes: usize| call(&repeated(piece, end, bytes));
            // Further texts would each take as long as a deadline.
            if !judge(probe, &part, taker, piece, ordinary, text).await? {
                break;
            }
        }
    }
    later(probe, &ann).await
}

/// Returns false if the call reached its deadline.
async fn judge(
    probe: &Probe<'_>,
    part: &str,
    taker: &Taker,
    piece: &str,
    ordinary: Duration,
    text: impl Fn(usize) -> HttpRequest,
) -> Result<bool, Stop> {
    let case = format!("`{}` with `{}` repeated", taker.tool, piece.trim());
    let limit = ordinary.max(LEAST) * DEARER;
    let (first, answer) = measured(probe, part, &text(taker.bytes)).await?;
    if is_late(&answer) {
        // Work that goes on after the deadline would be measured with the next text.
        let (_, small) = measured(probe, part, &text(taker.bytes / 4)).await?;
        let signs = [
            ("the call reached its deadline, and one with prose of the same size did not", true),
            (
                "it used more than ten times as much as prose, or a quarter of the size is late too",
                first > limit || is_late(&small),
            ),
        ];
        probe.judge(part, &case, false, &signs, &[&answer, &small]);
        return Ok(false);
    }
    // A text that is refused never reaches the engine.
    if !answer.has_result() {
        return Ok(true);
    }
    if first <= limit {
        probe.judge(part, &case, true, &[], &[&answer]);
        return Ok(true);
    }
    // Another process may have disturbed a single measurement.
    let (whole, answer) = least(probe, part, &text(taker.bytes)).await?;
    let (half, _) = least(probe, part, &text(taker.bytes / 2)).await?;
    let (quarter, _) = least(probe, part, &text(taker.bytes / 4)).await?;
    let (dear, grows) = (whole > limit, grows(quarter, half, whole));
    let signs = [
        ("it costs more than ten times as much as prose of the same size", dear),
        ("twice the size costs more than three times as much, or four times the size more than nine times", grows),
    ];
    probe.judge(part, &case, !(dear && grows), &signs, &[&answer]);
    Ok(true)
}

/// Returns true if a call got no reply in time, by the harness or by the service.
fn is_late(answer: &Answer) -> bool {
    answer.status.is_none() || answer.refusal_code().as_deref() == Some(ErrorCode::DeadlineExceeded.name())
}

/// Returns true if the costs of three sizes, each twice the one before, grow faster than the size. One step alone may hide it: a cheap part that does
/// not depend on the text weighs most in the smallest.
fn grows(quarter: Duration, half: Duration, whole: Duration) -> bool {
    whole > half * GROWTH || whole > quarter * GROWTH * GROWTH
}

/// Shows that the service still answers.
async fn later(probe: &Probe<'_>, ann: &Caller) -> Result<(), Stop> {
    for (_, part) in probe.services() {
        probe.control(&part, "a request afterwards", &HttpRequest::tools_list().bearer(&ann.token)).await?;
    }
    Ok(())
}

/// Returns the cheapest of some measurements, and its reply.
async fn least(probe: &Probe<'_>, part: &str, request: &HttpRequest) -> Result<(Duration, Answer), Stop> {
    let mut best = measured(probe, part, request).await?;
    for _ in 1..MEASURES {
        let next = measured(probe, part, request).await?;
        if next.0 < best.0 {
            best = next;
        }
    }
    Ok(best)
}

/// Returns the time of processors that a request costs the part.
async fn measured(probe: &Probe<'_>, part: &str, request: &HttpRequest) -> Result<(Duration, Answer), Stop> {
    let used = || {
        let unseen = || Stop::Unclear(format!("the process of `{part}` is not visible on this machine"));
        probe.stage().cpu_time(part).ok_or_else(unseen)
    };
    let before = used()?;
    let answer = probe.send(part, request).await;
    Ok((used()?.saturating_sub(before), answer))
}

/// Repeats a text up to this size.
fn repeated(piece: &str, end: &str, bytes: usize) -> String {
    let mut text = piece.repeat((bytes - end.len()) / piece.len());
    text.push_str(end);
    text
}

#[cfg(test)]
mod tests {
    use super::{HOSTILE, TAKERS, grows, repeated};
    use std::time::Duration;

    #[test]
    fn only_costs_that_grow_faster_than_the_size_do_so() {
        for (costs, wanted) in [
            ([10, 20, 40], false),
            ([20, 21, 24], false),
            ([10, 40, 160], true),
            ([10, 35, 100], true),
            ([15, 30, 400], true),
        ] {
            let [quarter, half, whole] = costs.map(Duration::from_millis);
            assert_eq!(grows(quarter, half, whole), wanted, "{costs:?}");
        }
    }

    #[test]
    fn texts_fill_their_size_and_do_not_exceed_it() {
        for (piece, end) in HOSTILE {
            for taker in &TAKERS {
                let length = repeated(piece, end, taker.bytes).len();
                assert!(length <= taker.bytes && length + piece.len() > taker.bytes, "{piece} {length}");
            }
        }
    }
}
