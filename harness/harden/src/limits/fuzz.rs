//! Inputs that no person would write, made by a seed: arguments of every tool, and envelopes of JSON-RPC.

use crate::handles;
use crate::shapes::{Distance, HOSTILE, Shapes};
use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{ErrorCode, rpc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

/// Calls of each tool, by their distance from its schema.
const CALLS: [(Distance, &str, usize); 4] = [
    (Distance::Plain, "plain", 2),
    (Distance::Valid, "valid", 4),
    (Distance::Near, "nearly valid", 8),
    (Distance::Hostile, "hostile", 8),
];
/// Envelopes for each service.
const ENVELOPES: usize = 150;
/// What no reply may show.
const INSIDE: [&str; 4] = ["panicked at", "stack backtrace", ".rs:", "Traceback (most recent call last)"];

pub(crate) const TOOLS: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-12",
    title: "no argument of a tool causes an error of the service, a malformed reply or a reply that shows internals",
    score: 6.5,
    why: "An error of status 500 shows a path that was never tested, and the next input on it may end the process.",
    sources: &["OWASP API4:2023", "OWASP API8:2023", "CWE-20", "CWE-209", "CWE-755"],
    needs: &[Need::Token, Need::Product],
    how: "Calls every tool with arguments that its input schema makes: only the required ones, valid, nearly valid and hostile ones, by the seed of the run. No reply may have status 500 or above, the code -32603 or `internal`; each must be a message of JSON-RPC whose result fits the output schema, none may show a key or a trace, and the service must be ready afterwards. A tool that takes an id, a confirmation, a verdict or an execution gets fresh ones of real calls, with eight hostile texts beside them. A tool of which no call has a result was not reached, and the check is unknown. A call that a limit refuses is not judged.",
    remedy: "Parse arguments into types that cannot be wrong, and turn every error into one of the contract.",
    fix_in: &["services/kit/src/tool/arguments.rs", "services/kit/src/tool.rs"],
    follows: &["MCP-AUTH-06", "MCP-TRN-13"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(tools(probe)),
};

pub(crate) const ENVELOPE: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-13",
    title: "no envelope of JSON-RPC causes an error of the service or a malformed reply",
    score: 5.3,
    why: "The envelope is parsed before the tool is known, so that a defect there is open to everyone with a token.",
    sources: &["JSON-RPC 2.0, sections 4 and 5", "OWASP API8:2023", "CWE-20", "CWE-755"],
    needs: &[Need::Token],
    how: "Changes a valid request 150 times by the seed of the run: bytes are flipped, cut, repeated and inserted, and members get other types. No reply may have status 500 or above, the code -32603 or be missing, each must be a message of JSON-RPC, and the service must answer afterwards.",
    remedy: "Parse the envelope strictly before anything else.",
    fix_in: &["services/kit/src/mcp/envelope.rs"],
    follows: &["MCP-TRN-07"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(envelopes(probe)),
};

async fn tools(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.services() {
        let ann = probe.user("ann", "acme");
        let listed = probe.control(&part, "the list of tools", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        let mut known = Map::new();
        for tool in listed.result()["tools"].as_array().into_iter().flatten() {
            fuzz_tool(probe, &part, tool, &ann, &mut known).await?;
        }
        probe.control(&part, "the list of tools afterwards", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        let ready = probe.stage().is_ready(&part).await;
        let signs = [("the service is not ready", !ready), ("it was ready before", true)];
        probe.judge(&part, "the service afterwards", ready, &signs, &[]);
    }
    Ok(())
}

/// The calls of one tool.
struct ToolFuzz<'a, 's> {
    probe: &'a Probe<'s>,
    part: &'a str,
    name: &'a str,
    output: Option<jsonschema::Validator>,
    ann: &'a Caller,
    /// True if a call had a result.
    reached: bool,
    /// Code of the first refusal, which explains why a tool was not reached.
    refusal: Option<String>,
    made: usize,
    /// Calls that a limit refused, which show nothing.
    limited: usize,
}

/// A reply with a defect, and true if the same request had it again.
type Wrong = Option<(&'static str, bool, Answer)>;

impl ToolFuzz<'_, '_> {
    async fn call(&mut self, arguments: &Value) -> Answer {
        let request = HttpRequest::tool(self.name, arguments).bearer(&self.ann.token);
        let answer = self.probe.send(self.part, &request).await;
        self.reached |= answer.has_result();
        if self.refusal.is_none() {
            self.refusal = answer.refusal_code();
        }
        self.made += 1;
        self.limited += usize::from(is_limit(answer.status));
        answer
    }

    /// Returns what is wrong with a reply.
    fn defect(&self, answer: &Answer) -> Option<&'static str> {
        let fits = match &self.output {
            Some(schema) if answer.has_result() => schema.is_valid(&answer.structured()),
            Some(_) | None => true,
        };
        defects(self.probe, self.ann, answer).or((!fits).then_some("the result does not fit the output schema"))
    }

    /// Judges the first reply with a defect. The second sign is that the same request has it again.
    fn judge(&self, case: &str, wrong: Wrong) {
        judge(self.probe, self.part, &format!("{case} arguments of `{}`", self.name), wrong);
    }

    /// Puts hostile texts beside a valid handle, which is fresh for each call, because a token is used up by the first.
    async fn beside_handles(&mut self) -> Result<(), Stop> {
        let (mut wrong, mut tried): (Wrong, usize) = (None, 0);
        // Every second text, because each needs several calls before it.
        for text in std::iter::once(&"the ledger was slow").chain(HOSTILE.iter().skip(1).step_by(2)) {
            let Some(arguments) = handles::arguments(self.probe, self.name, self.ann, text).await? else { continue };
            let answer = self.call(&arguments).await;
            tried += 1;
            let Some(defect) = self.defect(&answer).filter(|_| wrong.is_none()) else { continue };
            let again = match handles::arguments(self.probe, self.name, self.ann, text).await? {
                Some(arguments) => Some(self.call(&arguments).await),
                None => None,
            };
            wrong = Some((defect, again.is_some_and(|again| self.defect(&again) == Some(defect)), answer));
        }
        let case = "hostile texts and a valid handle as";
        if tried == 0 {
            self.probe.doubt(self.part, &format!("{case} arguments of `{}`", self.name), "no call gave a handle");
        } else {
            self.judge(case, wrong);
        }
        Ok(())
    }
}

/// Calls a tool. Ids and tokens of earlier results go into valid arguments.
async fn fuzz_tool(
    probe: &Probe<'_>,
    part: &str,
    tool: &Value,
    ann: &Caller,
    known: &mut Map<String, Value>,
) -> Result<(), Stop> {
    let name = tool["name"].as_str().unwrap_or_default();
    let output = tool.get("outputSchema").map(jsonschema::validator_for).transpose();
    let Ok(output) = output else {
        probe.doubt(part, &format!("results of `{name}`"), "its output schema is no schema");
        return Ok(());
    };
    let mut calls = ToolFuzz { probe, part, name, output, ann, reached: false, refusal: None, made: 0, limited: 0 };
    let mut shapes = Shapes::new(&tool["inputSchema"], probe.stage().seed());
    for (distance, word, count) in CALLS {
        let mut wrong: Wrong = None;
        for _ in 0..count {
            let mut arguments = shapes.next(distance);
            if matches!(distance, Distance::Plain | Distance::Valid) {
                fill_known(&mut arguments, known);
            }
            let answer = calls.call(&arguments).await;
            if let Value::Object(fields) = answer.structured() {
                known.extend(fields.into_iter().filter(|(_, value)| value.is_string()));
            }
            if wrong.is_none()
                && let Some(defect) = calls.defect(&answer)
            {
                let again = calls.call(&arguments).await;
                wrong = Some((defect, calls.defect(&again) == Some(defect), answer));
            }
        }
        calls.judge(word, wrong);
    }
    if handles::TOOLS.contains(&name) {
        calls.beside_handles().await?;
    }
    if !calls.reached {
        // Nothing is known of what a tool does with arguments that it has refused.
        let refusal = calls.refusal.map_or_else(String::new, |code| format!("; the first was refused with `{code}`"));
        let reason = format!("no call has a result, so the tool was not reached{refusal}");
        probe.doubt(part, &format!("arguments of `{name}`"), &reason);
    } else if calls.limited > calls.made / 2 {
        probe.doubt(part, &format!("arguments of `{name}`"), "a limit refused most calls");
    }
    Ok(())
}

/// Replaces ids and tokens by those of earlier results with the same name. A random text would be the id of no record.
fn fill_known(arguments: &mut Value, known: &Map<String, Value>) {
    for (name, value) in arguments.as_object_mut().into_iter().flatten() {
        let is_handle = ["id", "Id", "token", "Token"].iter().any(|end| name.ends_with(end));
        if let Some(earlier) = known.get(name).filter(|_| is_handle) {
            *value = earlier.clone();
        }
    }
}

/// Judges the first reply with a defect. The second sign is that the same request has it again.
fn judge(probe: &Probe<'_>, part: &str, case: &str, wrong: Option<(&str, bool, Answer)>) {
    match wrong {
        None => probe.judge(part, case, true, &[], &[]),
        Some((defect, again, answer)) => {
            probe.judge(part, case, false, &[(defect, true), ("the same request has it again", again)], &[&answer]);
        }
    }
}

/// Returns what is wrong with a reply, whatever the request was.
fn defects(probe: &Probe<'_>, ann: &Caller, answer: &Answer) -> Option<&'static str> {
    let (message, body) = (answer.message(), answer.body_text());
    let is_accepted = answer.has_status(202) && body.is_empty();
    let is_rpc = message["jsonrpc"] == "2.0" && (message.get("result").is_some() != message.get("error").is_some());
    if is_limit(answer.status) {
        None
    } else if answer.status.is_none_or(|status| status >= 500) {
        Some("there is no reply, or its status is 500 or above")
    } else if is_defect_of_the_service(&answer.error(), answer.refusal_code().as_deref()) {
        Some("the error is one of the service")
    } else if !is_rpc && !is_accepted && !probe.is_foreign() {
        Some("the reply is no message of JSON-RPC")
    } else if [probe.key(), &ann.token].iter().any(|secret| !secret.is_empty() && body.contains(secret)) {
        Some("the reply has a key or a token")
    } else {
        INSIDE.iter().any(|word| body.contains(word)).then_some("the reply shows the inside of the service")
    }
}

/// Returns true for an error that the service itself blames on itself, which has status 200: the code of JSON-RPC, or that of a tool.
fn is_defect_of_the_service(error: &Value, code: Option<&str>) -> bool {
    error["code"] == rpc::INTERNAL_ERROR || code == Some(ErrorCode::Internal.name())
}

/// Returns true for the reply of a limit or a gateway, which shows nothing of what is behind it.
const fn is_limit(status: Option<u16>) -> bool {
    matches!(status, Some(429 | 502 | 503 | 504))
}

async fn envelopes(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let valid = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a valid request", &valid).await?;
        let mut random = ChaCha8Rng::seed_from_u64(probe.stage().seed());
        let mut wrong: [Option<(&str, bool, Answer)>; 2] = [None, None];
        let mut limited = 0;
        for number in 0..ENVELOPES {
            let kind = number % 2;
            let body = if kind == 0 { damaged(valid.body(), &mut random) } else { retyped(valid.body(), &mut random) };
            let request = valid.clone().with_body(body);
            let answer = probe.send(&part, &request).await;
            limited += usize::from(is_limit(answer.status));
            if wrong[kind].is_none()
                && let Some(defect) = defects(probe, &ann, &answer)
            {
                let again = probe.send(&part, &request).await;
                wrong[kind] = Some((defect, defects(probe, &ann, &again) == Some(defect), answer));
            }
        }
        for (case, wrong) in ["damaged bytes", "members of other types"].into_iter().zip(wrong) {
            judge(probe, &part, case, wrong);
        }
        if limited > ENVELOPES / 2 {
            probe.doubt(&part, "damaged envelopes", "a limit refused most of them");
        }
        probe.control(&part, "a valid request afterwards", &valid).await?;
    }
    Ok(())
}

/// Flips, cuts, repeats or inserts bytes.
fn damaged(body: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = body.to_vec();
    for _ in 0..random.random_range(1..=3) {
        let at = random.random_range(0..bytes.len().max(1)).min(bytes.len());
        let end = (at + random.random_range(1..=16)).min(bytes.len());
        match random.random_range(0..4) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes
}

/// Gives one member another type.
fn retyped(body: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut message: Value = serde_json::from_slice(body).unwrap_or_default();
    let hostile = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "$ref": "#" }),
        json!("2.0"),
    ];
    let places = ["/jsonrpc", "/id", "/method", "/params", "/params/_meta"];
    let value = hostile[random.random_range(0..hostile.len())].clone();
    if let Some(member) = message.pointer_mut(places[random.random_range(0..places.len())]) {
        *member = value;
    }
    message.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{damaged, fill_known, is_defect_of_the_service, is_limit, retyped};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use serde_json::json;

    #[test]
    fn a_seed_repeats_what_is_sent_and_it_differs_from_the_original() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{}}}"#;
        let all = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (0..50).flat_map(|_| [damaged(body, &mut random), retyped(body, &mut random)]).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(1).iter().filter(|changed| changed[..] != body[..]).count() > 60);
    }

    #[test]
    fn an_error_of_the_service_is_a_defect_whatever_its_status() {
        for (error, code, defect) in [
            (json!({ "code": -32603 }), None, true),
            (json!(null), Some("internal"), true),
            (json!({ "code": -32602 }), None, false),
            (json!(null), Some("invalid_argument"), false),
            (json!(null), None, false),
        ] {
            assert_eq!(is_defect_of_the_service(&error, code), defect, "{error} {code:?}");
        }
        for (status, limit) in [(429, true), (502, true), (503, true), (504, true), (500, false), (200, false)] {
            assert_eq!(is_limit(Some(status)), limit, "{status}");
        }
        assert!(!is_limit(None), "a reply that is missing is no limit");
    }

    #[test]
    fn only_handles_are_filled_in_from_earlier_results() {
        let known = json!({ "id": "m1", "text": "b", "verdictToken": "t" });
        let mut arguments = json!({ "id": "words", "text": "a", "limit": 1 });
        fill_known(&mut arguments, known.as_object().unwrap());
        assert_eq!(arguments, json!({ "id": "m1", "text": "a", "limit": 1 }));
    }

    #[test]
    fn an_empty_body_can_be_damaged() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        (0..200).for_each(|_| drop(damaged(b"a", &mut random)));
    }
}
