//! Settings that only this service has: peers, deadlines and the model.

use mcp_contracts::env;
use mcp_kit::settings::Secret;
use mcp_kit::{EnvReader, ServiceSettings};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct OrchestratorSettings {
    pub peers: PeerUrls,
    /// Deadline of one attempt to call a peer.
    pub peer_deadline: Duration,
    pub workflow_deadline: Duration,
    pub llm: Option<LlmSettings>,
    /// Daily budgets for models in micro-dollars, in the order of [`mcp_contracts::Plan::ALL`].
    pub llm_daily_budgets: [u64; 4],
}

/// Base URLs of the peers; each has one or more instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUrls {
    pub memory: Vec<String>,
    pub guardrails: Vec<String>,
    pub patterns: Vec<String>,
}

/// An OpenAI-compatible endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmSettings {
    /// Base URL, without a slash at the end.
    pub base_url: String,
    pub api_key: Option<Secret>,
    pub model: String,
    pub deadline: Duration,
    /// Price of a million prompt tokens, in micro-dollars.
    pub prompt_price: u64,
    /// Price of a million completion tokens, in micro-dollars.
    pub completion_price: u64,
}

impl ServiceSettings for OrchestratorSettings {
    fn read(reader: &mut EnvReader<'_>) -> Self {
        Self {
            peers: PeerUrls {
                memory: reader.http_urls(env::MCP_MEMORY_URL),
                guardrails: reader.http_urls(env::MCP_GUARDRAILS_URL),
                patterns: reader.http_urls(env::MCP_PATTERNS_URL),
            },
            peer_deadline: reader.millis(env::PEER_DEADLINE_MS),
            workflow_deadline: reader.millis(env::WORKFLOW_DEADLINE_MS),
            llm: llm(reader),
            llm_daily_budgets: budgets(reader),
        }
    }
}

fn llm(reader: &mut EnvReader<'_>) -> Option<LlmSettings> {
    let base_url = reader.http_url(env::LLM_BASE_URL);
    // The others are read even without a URL, so that their problems are reported before an operator sets one.
    let settings = LlmSettings {
        base_url: base_url.clone().unwrap_or_default(),
        api_key: reader.text(env::LLM_API_KEY).map(Secret::new),
        model: reader.text(env::LLM_MODEL).unwrap_or_default(),
        deadline: reader.millis(env::LLM_DEADLINE_MS),
        prompt_price: reader.number(env::LLM_PROMPT_PRICE, 0, 1_000_000_000_000),
        completion_price: reader.number(env::LLM_COMPLETION_PRICE, 0, 1_000_000_000_000),
    };
    base_url.map(|_| settings)
}

fn budgets(reader: &mut EnvReader<'_>) -> [u64; 4] {
    let value = reader.text(env::LLM_DAILY_BUDGETS).unwrap_or_default();
    let numbers: Option<Vec<u64>> = value.split(',').map(|item| item.trim().parse().ok()).collect();
    numbers.and_then(|numbers| numbers.try_into().ok()).unwrap_or_else(|| {
        let expected = "is not four whole numbers separated by commas: free, pro, team, enterprise";
        reader.problem(env::LLM_DAILY_BUDGETS, format_args!("`{value}` {expected}"));
        [0; 4]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::Service;
    use mcp_kit::settings::from_values;

    #[test]
    fn problems_of_the_service_are_reported_with_those_of_the_kit() {
        let values = [
            (env::LISTEN_ADDR, "nowhere"),
            (env::MCP_MEMORY_URL, "ftp://memory"),
            (env::LLM_DEADLINE_MS, "soon"),
            (env::LLM_DAILY_BUDGETS, "1,2,3"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let error = from_values::<OrchestratorSettings>(Service::Orchestrator, &values).unwrap_err();
        assert_eq!(error.problems.len(), 4, "{error}");
    }
}
