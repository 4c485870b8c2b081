//! Completes a draft by a model behind an OpenAI-compatible endpoint, within the plan's budget. The model rewords prose only; after any failure the
//! template's artefact stays as it was.

mod completion;
mod price;
mod prompt;
mod spend_ledger;
mod wire;

pub use completion::MAX_REPLY_BYTES;
pub use prompt::MAX_PROMPT_BYTES;
pub use spend_ledger::{MemorySpend, SpendError, SpendLedger, SpendStore};

use crate::LlmSettings;
use crate::agent::Draft;
use completion::Completion;
use mcp_contracts::orchestrator::{Artefact, ModelUsage, Reason};
use mcp_contracts::{Plan, metric};
use price::Prices;
use std::time::{Duration, Instant};
use wire::Wire;

pub const MAX_COMPLETION_TOKENS: u64 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// The model could not be reached, refused the request, or timed out.
    #[error("the model did not answer: {0}; the template's artefact is used")]
    Unavailable(&'static str),
    #[error("the plan's daily budget for models does not cover the call; the template's artefact is used")]
    Budget,
    /// The answer cannot be used.
    #[error("the model's answer cannot be used: {0}; the template's artefact is used")]
    Unusable(&'static str),
}

impl LlmError {
    pub const fn reason(self) -> Reason {
        match self {
            Self::Unavailable(_) | Self::Unusable(_) => Reason::LlmUnavailable,
            Self::Budget => Reason::LlmBudget,
        }
    }

    const fn outcome(self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Budget => "budget",
            Self::Unusable(_) => "unusable",
        }
    }
}

#[derive(Debug)]
pub struct Model {
    name: String,
    wire: Wire,
    prices: Prices,
    deadline: Duration,
    ledger: SpendLedger,
}

impl Model {
    pub fn new(settings: &LlmSettings, ledger: SpendLedger) -> Result<Self, LlmError> {
        Ok(Self {
            name: settings.model.clone(),
            wire: Wire::new(settings)?,
            prices: Prices { prompt: settings.prompt_price, completion: settings.completion_price },
            deadline: settings.deadline,
            ledger,
        })
    }

    pub const fn ledger(&self) -> &SpendLedger {
        &self.ledger
    }

    /// Rewords the prose of `draft` in one call before `deadline`, at the cost of `org`. A failed call is in the ledger too if it may have cost
    /// something.
    pub async fn complete(
        &self,
        draft: &Draft,
        org: &str,
        plan: Plan,
        deadline: Instant,
    ) -> Result<(Artefact, ModelUsage), LlmError> {
        let completed = self.attempt(draft, org, plan, deadline).await;
        let outcome = completed.as_ref().map_or_else(|error| error.outcome(), |_| "ok");
        metrics::counter!(metric::LLM_CALLS_TOTAL, "outcome" => outcome).increment(1);
        if let Err(error) = &completed {
            tracing::warn!(orgId = org, model = self.name, outcome, %error, "the model did not complete the draft");
        }
        completed
    }

    /// Logs what a call cost, which `harness usage` sums up. A reply that cannot be used costs as much as another one.
    fn log_cost(&self, org: &str, plan: Plan, usage: &ModelUsage) {
        tracing::info!(
            orgId = org,
            plan = plan.name(),
            model = usage.model,
            promptTokens = usage.prompt_tokens,
            completionTokens = usage.completion_tokens,
            costMicroUsd = usage.cost_micro_usd,
            "a call to a model was paid"
        );
    }

    async fn attempt(
        &self,
        draft: &Draft,
        org: &str,
        plan: Plan,
        deadline: Instant,
    ) -> Result<(Artefact, ModelUsage), LlmError> {
        let time_left = deadline.saturating_duration_since(Instant::now()).min(self.deadline);
        if time_left.is_zero() {
            return Err(LlmError::Unavailable("no time was left for the call"));
        }
        let request = prompt::request(&self.name, draft);
        let most = self.prices.most(request.len(), MAX_COMPLETION_TOKENS);
        let reservation = self.ledger.reserve(org, plan, most).await?;
        // If this future is dropped from here on, the reservation stays in the ledger, because it is unknown what the endpoint did.
        let body = match self.wire.send(request, time_left).await {
            Ok(body) => body,
            Err(failure) => {
                if failure.may_have_cost {
                    self.log_cost(org, plan, &self.unmeasured(most));
                }
                reservation.settle(if failure.may_have_cost { most } else { 0 }).await;
                return Err(failure.error);
            }
        };
        let reply = match Completion::read(&body) {
            Ok(reply) => reply,
            Err(error) => {
                self.log_cost(org, plan, &self.unmeasured(most));
                reservation.settle(most).await;
                return Err(error);
            }
        };
        let usage = self.usage(&reply, most);
        self.log_cost(org, plan, &usage);
        // Before the wording is read, because an answer that cannot be used costs the same.
        reservation.settle(usage.cost_micro_usd).await;
        let wording = reply.wording()?;
        let completed =
            draft.completed(&wording).map_err(|_| LlmError::Unusable("it has a field that the draft does not have"))?;
        Ok((completed.artefact(), usage))
    }

    /// Returns the usage of a call whose tokens are not known: it counts with its highest possible cost.
    fn unmeasured(&self, most: u64) -> ModelUsage {
        ModelUsage { model: self.name.clone(), prompt_tokens: 0, completion_tokens: 0, cost_micro_usd: most }
    }

    /// Returns the usage and cost of the reply; the highest possible cost if the endpoint reports no usage.
    fn usage(&self, reply: &Completion, most: u64) -> ModelUsage {
        let (prompt_tokens, completion_tokens) = reply.tokens().unwrap_or((0, 0));
        let cost_micro_usd = match reply.tokens() {
            Some((prompt, completion)) => self.prices.cost(prompt, completion),
            None => most,
        };
        metrics::counter!(metric::LLM_TOKENS_TOTAL, "kind" => "prompt").increment(prompt_tokens);
        metrics::counter!(metric::LLM_TOKENS_TOTAL, "kind" => "completion").increment(completion_tokens);
        metrics::counter!(metric::LLM_COST_MICRO_USD_TOTAL).increment(cost_micro_usd);
        ModelUsage { model: self.name.clone(), prompt_tokens, completion_tokens, cost_micro_usd }
    }
}
