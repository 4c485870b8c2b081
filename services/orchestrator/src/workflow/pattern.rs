//! The two pattern steps. Selecting changes nothing and may run beside the guardrails; injecting needs a [`Grant`], which only a
//! verdict makes, so that no other way to a pattern exists.

use super::judge::Grant;
use super::recall::cut;
use super::trail::{Taken, Taking, reason};
use super::{Run, Workflow};
use crate::peer::PeerError;
use crate::peers::{INJECT, SELECT};
use mcp_contracts::orchestrator::{Reason, StepName, StepOutcome, UsedPattern};
use mcp_contracts::patterns::{InjectPattern, InjectedPattern, Recommendation, SelectPattern, SelectedPatterns};
use mcp_contracts::{ErrorCode, ToolError};
use std::collections::BTreeMap;

/// Longest value of a variable, in bytes.
const MAX_VALUE_BYTES: usize = 2 << 10;
/// Variables that the facts are put into; the others get the intent.
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

/// What was recommended.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) best: Option<Recommendation>,
    pub(super) taken: Taken,
}

/// What came of an injection.
#[derive(Debug)]
pub(super) struct Injected {
    pub(super) pattern: Option<UsedPattern>,
    pub(super) taken: Taken,
}

impl Injected {
    /// Nothing was injected, and nobody was asked to.
    pub(super) fn not(why: &str) -> Self {
        Self { pattern: None, taken: Taking::skipped(StepName::InjectPattern, why) }
    }
}

impl Workflow {
    /// Asks for the pattern that fits best.
    pub(super) async fn select(&self, run: &Run<'_>) -> Selected {
        let taking = Taking::begin(StepName::SelectPattern);
        let arguments = SelectPattern {
            intent: run.order.action.intent.clone(),
            role: Some(run.order.role.clone()),
            category: None,
            recent: Vec::new(),
            limit: Some(1),
        };
        let called = self.peers.patterns.call::<_, SelectedPatterns>(&run.call(SELECT, true), &arguments).await;
        let taken = match &called.result {
            Ok(selected) if selected.patterns.is_empty() => taking.ok("patterns", &called).because("nothing fits"),
            Ok(_) => taking.ok("patterns", &called),
            Err(error) => taking
                .end(StepOutcome::Fallback, "none", called.attempts)
                .because(error.name())
                .degraded(reason(error, Reason::PatternsUnavailable)),
        };
        Selected { best: called.result.ok().and_then(|selected| selected.patterns.into_iter().next()), taken }
    }

    /// Injects `best` under `grant`. A verdict that was acknowledged is used up by this, whether or not a pattern came of it.
    ///
    /// # Errors
    /// The verdict was used before, or nobody can tell.
    pub(super) async fn inject(
        &self,
        run: &Run<'_>,
        grant: &Grant,
        best: Option<&Recommendation>,
    ) -> Result<Injected, ToolError> {
        let injected = match best {
            Some(best) => self.fill(run, grant, best).await?,
            None => Injected::not("no pattern"),
        };
        if injected.pattern.is_none() && grant.single_use() {
            self.single_use.take(&grant.claims).await?;
        }
        Ok(injected)
    }

    async fn fill(&self, run: &Run<'_>, grant: &Grant, best: &Recommendation) -> Result<Injected, ToolError> {
        let taking = Taking::begin(StepName::InjectPattern);
        let arguments = InjectPattern {
            pattern_id: best.id.clone(),
            request: run.order.action.clone(),
            execution_id: run.id.to_owned(),
            verdict_token: Some(grant.token.clone()),
            variables: variables(run, best),
        };
        let call = run.call(INJECT, !grant.single_use());
        let called = self.peers.patterns.call::<_, InjectedPattern>(&call, &arguments).await;
        let result = called.result.and_then(|injected| {
            let ours = injected.pattern_id == best.id
                && injected.execution_id == run.id
                && injected.verdict_id == grant.claims.jti;
            if ours { Ok(injected) } else { Err(PeerError::Malformed("the pattern is not the one that was asked for")) }
        });
        match result {
            Ok(injected) => {
                let InjectedPattern { pattern_id: id, title, text, verdict_id, .. } = injected;
                let taken = taking.end(StepOutcome::Ok, "patterns", called.attempts);
                Ok(Injected { pattern: Some(UsedPattern { id, title, text, verdict_id }), taken })
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
                let taken = taking.end(StepOutcome::Fallback, "none", called.attempts).because(error.name());
                Ok(Injected { pattern: None, taken: taken.degraded(why) })
            }
        }
    }
}

/// A value for each variable that has no default.
fn variables(run: &Run<'_>, best: &Recommendation) -> BTreeMap<String, String> {
    let action = &run.order.action;
    let facts = action.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let value = |name: &str| match name {
        "role" | "audience" | "readers" => run.order.role.as_str(),
        name if FACTS.contains(&name) => facts.unwrap_or(&action.intent),
        _ => &action.intent,
    };
    best.variables.iter().map(|name| (name.clone(), cut(value(name).trim(), MAX_VALUE_BYTES).to_owned())).collect()
}
