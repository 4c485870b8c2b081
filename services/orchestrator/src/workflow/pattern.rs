//! The two pattern steps. Selecting a pattern has no effect, so it may run while guardrails check the action. Injecting a pattern requires a
//! [`InjectionGrant`], which only a verdict creates.

use super::guardrails::InjectionGrant;
use super::memory::cut;
use super::steps::{StepResult, StepTimer, reason};
use super::{Run, Workflow};
use crate::peer::PeerError;
use crate::peers::{INJECT, SELECT};
use mcp_contracts::orchestrator::{Reason, StepName, StepOutcome, UsedPattern};
use mcp_contracts::patterns::{InjectPattern, InjectedPattern, Recommendation, SelectPattern, SelectedPatterns};
use mcp_contracts::{ErrorCode, ToolError};
use std::collections::BTreeMap;

const MAX_VALUE_BYTES: usize = 2 << 10;
/// Variables that get the text of the request; the others get its intent.
const FACTS: [&str; 16] = [
    "actions",
    "changes",
    "code",
    "context",
    "details",
    "diff",
    "evidence",
    "facts",
    "log",
    "logs",
    "material",
    "notes",
    "problem",
    "situation",
    "sources",
    "text",
];

#[derive(Debug)]
pub(super) struct Selected {
    pub(super) best: Option<Recommendation>,
    pub(super) step: StepResult,
}

#[derive(Debug)]
pub(super) struct Injected {
    pub(super) pattern: Option<UsedPattern>,
    pub(super) step: StepResult,
}

impl Injected {
    /// Returns the result of a step that makes no call.
    pub(super) fn skipped(why: &str) -> Self {
        Self { pattern: None, step: StepTimer::skipped(StepName::InjectPattern, why) }
    }
}

impl Workflow {
    pub(super) async fn select(&self, run: &Run<'_>) -> Selected {
        let timer = StepTimer::begin(StepName::SelectPattern);
        let arguments = SelectPattern {
            intent: run.request.action.intent.clone(),
            role: Some(run.request.role.clone()),
            category: None,
            recent: Vec::new(),
            limit: Some(1),
        };
        let called = self.peers.patterns.call::<_, SelectedPatterns>(&run.call(SELECT, true), &arguments).await;
        let step = match &called.result {
            Ok(selected) if selected.patterns.is_empty() => timer.ok("patterns", &called).with_detail("nothing fits"),
            Ok(_) => timer.ok("patterns", &called),
            Err(error) => timer
                .end(StepOutcome::Fallback, "none", called.attempts)
                .with_detail(error.name())
                .degraded(reason(error, Reason::PatternsUnavailable)),
        };
        Selected { best: called.result.ok().and_then(|selected| selected.patterns.into_iter().next()), step }
    }

    /// Injects `best`. Uses an acknowledged verdict up, even if no pattern is injected.
    ///
    /// Fails if the verdict was used before, or if it is unknown whether it was.
    pub(super) async fn inject(
        &self,
        run: &Run<'_>,
        grant: &InjectionGrant,
        best: Option<&Recommendation>,
    ) -> Result<Injected, ToolError> {
        let injected = match best {
            Some(best) => self.fill(run, grant, best).await?,
            None => Injected::skipped("no pattern"),
        };
        // An acknowledgement is for one run. Patterns did not use it up, so a second run could.
        if injected.pattern.is_none() && grant.single_use() {
            self.single_use.take(&grant.claims).await?;
        }
        Ok(injected)
    }

    async fn fill(&self, run: &Run<'_>, grant: &InjectionGrant, best: &Recommendation) -> Result<Injected, ToolError> {
        let timer = StepTimer::begin(StepName::InjectPattern);
        let arguments = InjectPattern {
            pattern_id: best.id.clone(),
            request: run.request.action.clone(),
            execution_id: run.id.to_owned(),
            verdict_token: Some(grant.token.clone()),
            variables: variables(run, best),
        };
        // A call with an acknowledged verdict is not retried, because the first attempt may have used the verdict.
        let call = run.call(INJECT, !grant.single_use());
        let called = self.peers.patterns.call::<_, InjectedPattern>(&call, &arguments).await;
        let result = called.result.and_then(|injected| {
            // A reply about another pattern, run or verdict must not reach the agent.
            let ours = injected.pattern_id == best.id
                && injected.execution_id == run.id
                && injected.verdict_id == grant.claims.jti;
            if ours { Ok(injected) } else { Err(PeerError::Malformed("the pattern is not the selected one")) }
        });
        match result {
            Ok(injected) => {
                let InjectedPattern { pattern_id: id, title, text, verdict_id, .. } = injected;
                let step = timer.end(StepOutcome::Ok, "patterns", called.attempts);
                Ok(Injected { pattern: Some(UsedPattern { id, title, text, verdict_id }), step })
            }
            Err(PeerError::Tool(error)) if error.code == ErrorCode::VerdictUsed => Err(error),
            Err(error) => {
                let why = match &error {
                    PeerError::Tool(tool) => match tool.code {
                        ErrorCode::VerdictRequired | ErrorCode::VerdictInvalid => Reason::VerdictRefused,
                        _ => reason(&error, Reason::PatternsUnavailable),
                    },
                    other => reason(other, Reason::PatternsUnavailable),
                };
                let step = timer.end(StepOutcome::Fallback, "none", called.attempts).with_detail(error.name());
                Ok(Injected { pattern: None, step: step.degraded(why) })
            }
        }
    }
}

/// Returns a value for each variable without a default. Patterns accepts only parts of the judged request, which end where a word does, and the
/// role in the token (decision 0023).
fn variables(run: &Run<'_>, best: &Recommendation) -> BTreeMap<String, String> {
    let action = &run.request.action;
    let facts = action.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let value = |name: &str| match name {
        "role" | "audience" | "readers" => run.claims.role.0.as_str(),
        name if FACTS.contains(&name) => facts.unwrap_or(&action.intent),
        _ => &action.intent,
    };
    best.variables
        .iter()
        .map(|name| (name.clone(), cut_at_word(value(name).trim(), MAX_VALUE_BYTES).to_owned()))
        .collect()
}

/// Cuts a text to at most `most` bytes, behind a whole word if there is one.
fn cut_at_word(text: &str, most: usize) -> &str {
    let short = cut(text, most);
    if short.len() == text.len() {
        return short;
    }
    short.rfind(char::is_whitespace).map_or(short, |end| short[..end].trim_end())
}
