//! Texts that make regular expressions, searches or path matchers take time that grows faster than the text.

use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::limits::MAX_QUERY_BYTES;
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};
use std::time::Duration;

/// Size of a text of an action, in bytes. Above it an engine with quadratic cost is far beyond the others.
const TEXT_BYTES: usize = 16 << 10;
/// Maximum cost of a hostile text, as a multiple of that of an ordinary text of the same size.
const DEARER: u32 = 10;
/// Maximum factor by which the cost may grow if the text doubles. Linear cost doubles, quadratic cost is four times as much.
const GROWTH: u32 = 3;
/// What a text may cost, whatever its shape. The services of this product need less than a fifth of it in a debug build.
const MOST: Duration = Duration::from_millis(500);
/// How often more a text may cost than the list of the tools, which reads none. On a slow machine both cost more.
const TIMES_A_LIST: u32 = 100;
/// Cost that an ordinary call is assumed to have at least. Below it, the CPU time of a process is mostly measurement error.
const LEAST: Duration = Duration::from_millis(1);
/// Number of measurements of a text that seems to be expensive; the lowest one counts.
const MEASURES: usize = 3;

pub(crate) const EXPLOSION: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-08",
    title: "no text makes a pattern, a search or a path expensive, neither by its size nor by its shape",
    score: 7.5,
    why: "One request on which an engine backtracks occupies a processor for minutes, and a few of them stop the service for everyone.",
    sources: &["OWASP API4:2023", "CWE-1333", "CWE-407"],
    needs: &[Need::Token, Need::Processes, Need::Service(Service::Memory), Need::Service(Service::Guardrails)],
    how: "Sends twenty-two texts that are known to explode, as queries, as texts that are scanned and checked, and as paths, and measures the CPU time of the service. A text that costs more than ten times as much as prose of the same size is measured at a half and a quarter of its size too: its cost must not grow faster than its size. A text on which a call reaches its deadline, while prose is answered, grows too fast. Neither prose nor such a text may cost half a second of a processor and more than a hundred times as much as the list of the tools. The cheapest of three measurements counts. A text that is refused is not judged, and the summary names how many were.",
    remedy: "Use engines with linear time, and bound the size of what they read.",
    fix_in: &["services/guardrails/src/detect/sql.rs", "services/memory/src/terms.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Alone,
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

/// What ordinary calls cost, which the others are compared with.
struct Ordinary {
    /// A call with prose of the largest size.
    prose: Duration,
    /// The list of the tools.
    list: Duration,
}

impl Ordinary {
    /// Returns the cost above which a text is measured again and judged by how it grows.
    fn limit(&self) -> Duration {
        self.prose.max(LEAST) * DEARER
    }

    /// Returns true if a cost is too high for any text.
    fn is_too_dear(&self, cost: Duration) -> bool {
        cost > MOST && cost > self.list.max(LEAST) * TIMES_A_LIST
    }
}

async fn explosion(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    for taker in &TAKERS {
        let part = probe.need(taker.service)?;
        let prose = repeated("the ledger was slow after the release ", "", taker.bytes);
        let call = |text: &str| HttpRequest::tool(taker.tool, &(taker.arguments)(text)).bearer(&ann.token);
        probe.control(&part, &format!("`{}` with prose", taker.tool), &call(&prose)).await?;
        let (list, _) = least(probe, &part, &HttpRequest::tools_list().bearer(&ann.token)).await?;
        let (prose, answer) = least(probe, &part, &call(&prose)).await?;
        let ordinary = Ordinary { prose, list };
        if !judge_cost(probe, &part, &format!("`{}` with prose", taker.tool), &ordinary, prose, &answer) {
            // Further texts would each take as long.
            continue;
        }
        let mut refused = 0;
        for (piece, end) in HOSTILE {
            let text = |bytes: usize| call(&repeated(piece, end, bytes));
            match judge(probe, &part, taker, piece, &ordinary, text).await? {
                Judged::Reached => {}
                Judged::Refused => refused += 1,
                // Further texts would each take as long as a deadline.
                Judged::Late => break,
            }
        }
        if refused == HOSTILE.len() {
            probe.doubt(&part, &format!("`{}`", taker.tool), "every text was refused, so the engine was not reached");
        } else if refused > 0 {
            probe.omit(&format!("{refused} of {} texts by `{}`, which refuses them", HOSTILE.len(), taker.tool));
        }
    }
    later(probe, &ann).await
}

/// Judges what a text costs in itself. Returns true if it is not too much.
fn judge_cost(probe: &Probe<'_>, part: &str, case: &str, ordinary: &Ordinary, cost: Duration, answer: &Answer) -> bool {
    let too_dear = ordinary.is_too_dear(cost);
    let signs = [
        ("it costs more than half a second of a processor", cost > MOST),
        (
            "it costs more than a hundred times as much as the list of the tools",
            cost > ordinary.list.max(LEAST) * TIMES_A_LIST,
        ),
    ];
    probe.judge(part, &format!("the cost of {case}"), !too_dear, &signs, &[answer]);
    !too_dear
}

/// What became of a text.
enum Judged {
    Reached,
    /// It never reached the engine.
    Refused,
    /// The call reached its deadline, or cost as much.
    Late,
}

async fn judge(
    probe: &Probe<'_>,
    part: &str,
    taker: &Taker,
    piece: &str,
    ordinary: &Ordinary,
    text: impl Fn(usize) -> HttpRequest,
) -> Result<Judged, Stop> {
    let case = format!("`{}` with `{}` repeated", taker.tool, piece.trim());
    let limit = ordinary.limit();
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
        return Ok(Judged::Late);
    }
    if !answer.has_result() {
        return Ok(Judged::Refused);
    }
    if first <= limit && !ordinary.is_too_dear(first) {
        probe.judge(part, &case, true, &[], &[&answer]);
        return Ok(Judged::Reached);
    }
    // Another process may have disturbed a single measurement.
    let (whole, answer) = least(probe, part, &text(taker.bytes)).await?;
    let is_bearable = judge_cost(probe, part, &case, ordinary, whole, &answer);
    let (half, _) = least(probe, part, &text(taker.bytes / 2)).await?;
    let (quarter, _) = least(probe, part, &text(taker.bytes / 4)).await?;
    let (dear, grows) = (whole > limit, grows(quarter, half, whole));
    let signs = [
        ("it costs more than ten times as much as prose of the same size", dear),
        ("twice the size costs more than three times as much, or four times the size more than nine times", grows),
    ];
    probe.judge(part, &case, !(dear && grows), &signs, &[&answer]);
    Ok(if is_bearable { Judged::Reached } else { Judged::Late })
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

/// Returns the CPU time that a request costs the part.
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
    use super::{HOSTILE, Ordinary, TAKERS, grows, repeated};
    use std::time::Duration;

    #[test]
    fn a_cost_is_too_high_only_by_the_clock_and_by_comparison() {
        let ms = Duration::from_millis;
        for (list, cost, wanted) in
            [(1, 400, false), (1, 600, true), (10, 900, false), (10, 1_100, true), (0, 501, true)]
        {
            let ordinary = Ordinary { prose: ms(1), list: ms(list) };
            assert_eq!(ordinary.is_too_dear(ms(cost)), wanted, "{list} {cost}");
        }
    }

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
