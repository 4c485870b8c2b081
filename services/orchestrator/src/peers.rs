//! The peers, and which of their tools are called with which scopes.

use crate::OrchestratorSettings;
use crate::peer::{Peer, RemoteTool, Transport};
use mcp_contracts::{Scope, Service, guardrails, memory, patterns};
use mcp_kit::Readiness;
use std::sync::Arc;

/// Prepaid, so that no caller can use up the quota for the checks of its own workflows.
const CHECKING: &[Scope] = &[Scope::GuardrailsValidate, Scope::Prepaid];
pub const CHECK: RemoteTool = RemoteTool { name: guardrails::tool::CHECK, scopes: CHECKING };
pub const ACKNOWLEDGE: RemoteTool =
    RemoteTool { name: guardrails::tool::ACKNOWLEDGE, scopes: &[Scope::GuardrailsAcknowledge, Scope::Prepaid] };
pub const SEARCH: RemoteTool = RemoteTool { name: memory::tool::SEARCH, scopes: &[Scope::MemoryRead] };
pub const LIST: RemoteTool = RemoteTool { name: memory::tool::LIST, scopes: &[Scope::MemoryRead] };
/// Stores all memories of a run or none.
pub const REMEMBER: RemoteTool = RemoteTool { name: memory::tool::IMPORT, scopes: &[Scope::MemoryWrite] };
pub const SELECT: RemoteTool = RemoteTool { name: patterns::tool::SELECT, scopes: &[Scope::PatternsSelect] };
pub const INJECT: RemoteTool = RemoteTool { name: patterns::tool::INJECT, scopes: &[Scope::PatternsSelect] };
/// What the orchestrator logs has happened, so it counts.
pub const LOG_USAGE: RemoteTool =
    RemoteTool { name: patterns::tool::LOG_USAGE, scopes: &[Scope::PatternsSelect, Scope::PatternsRank] };

/// The tools of each peer.
pub const CALLED: [(Service, &[RemoteTool]); 3] = [
    (Service::Guardrails, &[CHECK, ACKNOWLEDGE]),
    (Service::Memory, &[SEARCH, LIST, REMEMBER]),
    (Service::Patterns, &[SELECT, INJECT, LOG_USAGE]),
];

pub struct Peers {
    pub guardrails: Arc<Peer>,
    pub memory: Arc<Peer>,
    pub patterns: Arc<Peer>,
}

impl Peers {
    /// Makes no call.
    pub fn new(settings: &OrchestratorSettings, transport: &Arc<Transport>, readiness: &Readiness) -> Self {
        let peer = |service, urls: &[String]| {
            Arc::new(Peer::new(service, urls, settings.peer_deadline, Arc::clone(transport), readiness.clone()))
        };
        Self {
            guardrails: peer(Service::Guardrails, &settings.peers.guardrails),
            memory: peer(Service::Memory, &settings.peers.memory),
            patterns: peer(Service::Patterns, &settings.peers.patterns),
        }
    }

    pub fn all(&self) -> Vec<Arc<Peer>> {
        [&self.guardrails, &self.memory, &self.patterns].map(Arc::clone).to_vec()
    }
}
