//! Completing a draft by a model behind an OpenAI-compatible endpoint, held to the plan's budget. The model words prose and
//! nothing else; every failure leaves the template's artefact as it was. Which workflow asks is not known here.

mod completion;
mod ledger;
mod price;
mod prompt;
mod wire;

pub use completion::MAX_REPLY_BYTES;
pub use ledger::{Ledger, MemorySpend, SpendError, SpendStore};
pub use prompt::MAX_PROMPT_BYTES;

use crate::agent::Draft;
use completion::Completion;
use mcp_contracts::orchestrator::{Artefact, ModelUsage, Reason};
use mcp_contracts::{Plan, metric};
use mcp_kit::settings::LlmSettings;
use price::Prices;
use std::time::{Duration, Instant};
use wire::Wire;

/// Most tokens that a model may write.
pub const MAX_COMPLETION_TOKENS: u64 = 2_000;

/// Why a model did not complete a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// It could not be reached, refused, or took too long.
    #[error("the model did not answer: {0}; the template's artefact stands")]
    Unavailable(&'static str),
    /// The plan's budget does not cover the call.
    #[error("the plan's daily budget for models does not cover the call; the template's artefact stands")]
    Budget,
    /// It answered something that cannot be used.
    #[error("the model's answer cannot be used: {0}; the template's artefact stands")]
    Unusable(&'static str),
}

impl LlmError {
    /// The reason that a workflow gives.
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

/// A model and the ledger that it is paid from.
#[derive(Debug)]
pub struct Model {
    name: String,
    wire: Wire,
    prices: Prices,
    deadline: Duration,
    ledger: Ledger,
}

impl Model {
    /// A model as the settings describe it.
    ///
    /// # Errors
    /// [`LlmError::Unavailable`] where no HTTP client can be made, as without usable TLS roots.
    pub fn new(settings: &LlmSettings, ledger: Ledger) -> Result<Self, LlmError> {
        Ok(Self {
            name: settings.model.clone(),
            wire: Wire::new(settings)?,
            prices: Prices { prompt: settings.prompt_price, completion: settings.completion_price },
            deadline: settings.deadline,
            ledger,
        })
    }

    /// The ledger that the model is paid from.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Has the prose of `draft` completed before `deadline`, once, at the cost of `org`.
    ///
    /// # Errors
    /// Says why the template's artefact stands; what the attempt cost is in the ledger nevertheless.
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
        match &completed {
            Ok((_, usage)) => tracing::info!(
                orgId = org,
                model = usage.model,
                promptTokens = usage.prompt_tokens,
                completionTokens = usage.completion_tokens,
                costMicroUsd = usage.cost_micro_usd,
                "a model completed a draft"
            ),
            Err(error) => {
                tracing::warn!(orgId = org, model = self.name, outcome, %error, "no model completed the draft")
            }
        }
        completed
    }

    async fn attempt(
        &self,
        draft: &Draft,
        org: &str,
        plan: Plan,
        deadline: Instant,
    ) -> Result<(Artefact, ModelUsage), LlmError> {
        let left = deadline.saturating_duration_since(Instant::now()).min(self.deadline);
        if left.is_zero() {
            return Err(LlmError::Unavailable("no time was left to ask it"));
        }
        let request = prompt::request(&self.name, draft);
        let most = self.prices.most(request.len(), MAX_COMPLETION_TOKENS);
        let reservation = self.ledger.reserve(org, plan, most).await?;
        // a future that is dropped from here on leaves the reservation in the ledger: what the endpoint did is not known
        let body = match self.wire.send(request, left).await {
            Ok(body) => body,
            Err(failure) => {
                reservation.settle(if failure.may_have_cost { most } else { 0 }).await;
                return Err(failure.error);
            }
        };
        let reply = match Completion::read(&body) {
            Ok(reply) => reply,
            Err(error) => {
                reservation.settle(most).await;
                return Err(error);
            }
        };
        let usage = self.usage(&reply, most);
        reservation.settle(usage.cost_micro_usd).await;
        let wording = reply.wording()?;
        let completed = draft
            .completed(&wording)
            .map_err(|_| LlmError::Unusable("it wrote a field that is none of the draft's"))?;
        Ok((completed.artefact(), usage))
    }

    /// What the reply cost; without figures of the endpoint, the most that it can have cost.
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
