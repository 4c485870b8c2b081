//! Derives the effect of a tool call from its arguments and its reply: the records, verdicts, injections and workflows that checks judge.
//! No I/O.

mod data;
mod digest;
mod guard;
mod record;
mod sent;
mod shape;

pub(crate) use data::{DataReply, of as of_data};
pub(crate) use digest::{digest_of_tags, low_half, visibility};
pub(crate) use guard::verdict_claims;
pub(crate) use sent::{SentEffect, injection};

use crate::drive::canary::InternedNames;
use harness_history::{Effect, ErrorKind, Outcome};
use mcp_contracts::{guardrails, memory, orchestrator, patterns};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Returns the outcome and the effect of a tool call whose request was written by hand; see [`of_sent`]. `arguments` is a JSON text.
pub(crate) fn of(
    tool: &str,
    arguments: &str,
    outcome: &Outcome,
    reply: Option<&str>,
    names: &InternedNames,
) -> (Outcome, Effect) {
    of_sent(tool, &SentEffect::parse(tool, arguments, names), outcome, reply, names)
}

/// Returns the outcome and the effect of a tool call. The outcome can differ from `outcome`: `not_found` is a valid answer to a read, and a
/// reply that does not fit the output type of the tool is malformed. `reply` (the structured content) is a JSON text, because a load never builds
/// a tree of its replies.
pub(crate) fn of_sent(
    tool: &str,
    sent: &SentEffect,
    outcome: &Outcome,
    reply: Option<&str>,
    names: &InternedNames,
) -> (Outcome, Effect) {
    match tool {
        memory::tool::STORE => record::store(sent, outcome, reply),
        memory::tool::UPDATE => record::update(sent, outcome, reply),
        memory::tool::GET => record::get(sent, outcome, reply, names),
        memory::tool::SEARCH => record::search(sent, outcome, reply, names),
        memory::tool::LIST | memory::tool::EXPORT => record::list(sent, outcome, reply, names),
        memory::tool::DELETE => record::delete(sent, outcome, reply),
        memory::tool::IMPORT => record::import(sent, outcome, reply),
        guardrails::tool::CHECK
        | guardrails::tool::ACKNOWLEDGE
        | guardrails::tool::VALIDATE_COMMIT
        | guardrails::tool::VALIDATE_DB_OPERATION => guard::verdict(outcome, reply),
        patterns::tool::INJECT => guard::inject(sent, outcome, reply),
        orchestrator::tool::RUN_WORKFLOW => guard::workflow(sent, outcome, reply),
        memory::tool::DELETE_BY_TAG => without_effect::<memory::DeletedByTag>(outcome, reply),
        memory::tool::STATS => without_effect::<memory::MemoryStatsReply>(outcome, reply),
        guardrails::tool::SCAN_TEXT => without_effect::<guardrails::Scan>(outcome, reply),
        guardrails::tool::VALIDATE_ICONS => without_effect::<guardrails::IconReport>(outcome, reply),
        patterns::tool::SELECT => without_effect::<patterns::SelectedPatterns>(outcome, reply),
        patterns::tool::LOG_USAGE => without_effect::<patterns::LoggedUsage>(outcome, reply),
        orchestrator::tool::GET_EXECUTION => without_effect::<orchestrator::Execution>(outcome, reply),
        orchestrator::tool::LIST_EXECUTIONS => without_effect::<orchestrator::ExecutionList>(outcome, reply),
        // A tool of no contract, such as one that a scenario invents.
        _ => (outcome.clone(), Effect::None),
    }
}

/// The outcome of a call that no check follows, held to the output type of its tool.
fn without_effect<T: DeserializeOwned>(outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let outcome = fitting::<T>(outcome, reply).map_or_else(|outcome| outcome, |_| Outcome::Ok);
    (outcome, Effect::None)
}

/// Parses the structured content of a call that succeeded. Fails with the outcome of any other call, or if the content does not fit.
fn fitting<'a, T: Deserialize<'a>>(outcome: &Outcome, reply: Option<&'a str>) -> Result<T, Outcome> {
    if *outcome != Outcome::Ok {
        return Err(outcome.clone());
    }
    let text = reply.ok_or_else(|| malformed("a result without `structuredContent`"))?;
    serde_json::from_str(text).map_err(|error| malformed(&format!("not the reply of this tool: {error}")))
}

fn malformed(why: &str) -> Outcome {
    Outcome::Unknown(ErrorKind::Malformed(Arc::from(why)))
}

#[cfg(test)]
mod tests {
    use super::{Effect, ErrorKind, InternedNames, Outcome, of};
    use mcp_contracts::{guardrails, memory, orchestrator, patterns};

    #[test]
    fn a_call_that_no_check_follows_has_no_effect() {
        let stats = r#"{"private":1,"workspace":0,"contentBytes":3,"tags":[]}"#;
        assert_eq!(
            of("memory_stats", "{}", &Outcome::Ok, Some(stats), &InternedNames::default()),
            (Outcome::Ok, Effect::None)
        );
    }

    #[test]
    fn no_tool_of_a_contract_accepts_a_reply_of_another_form() {
        let tools = [
            &memory::tool::ALL[..],
            &guardrails::tool::ALL[..],
            &patterns::tool::ALL[..],
            &orchestrator::tool::ALL[..],
        ];
        for tool in tools.concat() {
            for reply in [r#"{"surprise":1}"#, "{}", "[]", "null", "7"] {
                let (outcome, effect) = of(tool, "{}", &Outcome::Ok, Some(reply), &InternedNames::default());
                assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{tool} {reply}: {outcome:?}");
                assert!(matches!(effect, Effect::None | Effect::Inject { .. }), "{tool} {reply}: {effect:?}");
            }
        }
    }
}
