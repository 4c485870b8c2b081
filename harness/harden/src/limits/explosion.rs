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
/// Size of the memories that a search looks through, in bytes.
const STORED_BYTES: usize = 2 << 10;
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
    how: "Sends twenty-two texts that are known to explode, as queries among memories of the same texts, as texts that are scanned and checked, and as paths, and measures the CPU time of the service. A text that costs more than ten times as much as prose of the same size is measured at a half and a quarter of its size too: its cost must not grow faster than its size. A text on which a call reaches its deadline, while prose is answered, grows too fast. Neither prose nor such a text may cost half a second of a processor and more than a hundred times as much as the list of the tools. The cheapest of three measurements counts. A text that is refused is not judged, and the summary names how many were.",
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
    /// The cost of a call with prose of the largest size.
    cost: Duration,
    /// That of the list of the tools.
    list: Duration,
    /// The call with prose.
    prose: HttpRequest,
}

impl Ordinary {
    /// Returns the cost above which a text is measured again and judged by how it grows.
    fn limit(&self) -> Duration {
        self.cost.max(LEAST) * DEARER
    }

    /// Returns true if a cost is too high for any text.
    fn is_too_dear(&self, cost: Duration) -> bool {
        cost > MOST && cost > self.list.max(LEAST) * TIMES_A_LIST
    }
}

async fn explosion(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    store(probe, &ann).await?;
    for taker in &TAKERS {
        let part = probe.need(taker.service)?;
        let prose = repeated("the ledger was slow after the release ", "", taker.bytes);
        let call = |text: &str| HttpRequest::tool(taker.tool, &(taker.arguments)(text)).bearer(&ann.token);
        probe.control(&part, &format!("`{}` with prose", taker.tool), &call(&prose)).await?;
        let listing = HttpRequest::tools_list().bearer(&ann.token);
        let (list, listed) = least(probe, &part, &listing).await?;
        let prose = call(&prose);
        let (cost, answer) = least(probe, &part, &prose).await?;
        if !listed.has_result() || !answer.has_result() {
            // What a refusal costs is no measure for a text that is read.
            let why = format!("`{}` with prose or the list of the tools has no result any more", taker.tool);
            return Err(Stop::Unclear(why));
        }
        let ordinary = Ordinary { cost, list, prose };
        if !judge_cost(probe, &part, &format!("`{}` with prose", taker.tool), &ordinary, cost, &answer) {
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

/// Stores a memory of each hostile text, because a search among none would reach nothing that ranks or compares.
async fn store(probe: &Probe<'_>, ann: &Caller) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    for (piece, end) in HOSTILE {
        let memory = json!({ "content": repeated(piece, end, STORED_BYTES) });
        let store = HttpRequest::tool("store_memory", &memory).bearer(&ann.token);
        probe.control(&part, "a memory is stored", &store).await?;
    }
    Ok(())
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
        // A call that waits without using a processor may be late because the machine stands still; then prose is late too.
        let stands_still = first <= limit && !probe.send(part, &ordinary.prose).await.has_result();
        let signs = [
            ("the call reached its deadline, and one with prose of the same size did not", !stands_still),
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
    if !answer.has_result() {
        probe.doubt(part, &case, &format!("it was dear once, and has no result any more: {}", answer.describe()));
        return Ok(Judged::Reached);
    }
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

/// Returns the cheapest of some measurements, and its reply. A refusal costs little and counts only if there is nothing else.
async fn least(probe: &Probe<'_>, part: &str, request: &HttpRequest) -> Result<(Duration, Answer), Stop> {
    let mut best = measured(probe, part, request).await?;
    for _ in 1..MEASURES {
        let next = measured(probe, part, request).await?;
        if is_better((next.0, next.1.has_result()), (best.0, best.1.has_result())) {
            best = next;
        }
    }
    Ok(best)
}

/// Returns true if a measurement counts more than another: the one with a result, else the cheaper one.
fn is_better(next: (Duration, bool), best: (Duration, bool)) -> bool {
    (!next.1, next.0) < (!best.1, best.0)
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
    use super::{HOSTILE, HttpRequest, Ordinary, TAKERS, grows, is_better, repeated};
    use std::time::Duration;

    #[test]
    fn a_cost_is_too_high_only_by_the_clock_and_by_comparison() {
        let ms = Duration::from_millis;
        for (list, cost, wanted) in
            [(1, 400, false), (1, 600, true), (10, 900, false), (10, 1_100, true), (0, 501, true)]
        {
            let ordinary = Ordinary { cost: ms(1), list: ms(list), prose: HttpRequest::tools_list() };
            assert_eq!(ordinary.is_too_dear(ms(cost)), wanted, "{list} {cost}");
        }
    }

    #[test]
    fn the_cheapest_reply_with_a_result_counts() {
        let ms = Duration::from_millis;
        for (next, best, wanted) in [
            ((2, true), (3, true), true),
            ((3, true), (2, true), false),
            ((0, false), (900, true), false),
            ((900, true), (0, false), true),
            ((1, false), (2, false), true),
        ] {
            assert_eq!(is_better((ms(next.0), next.1), (ms(best.0), best.1)), wanted, "{next:?} {best:?}");
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
