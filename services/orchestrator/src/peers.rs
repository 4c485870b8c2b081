//! Which peers there are, and which of their tools are used with which scopes. What the tools are used for is not known here.

use crate::OrchestratorSettings;
use crate::peer::{Peer, RemoteTool, Transport};
use mcp_contracts::{Scope, Service, guardrails, memory, patterns};
use mcp_kit::Readiness;
use std::sync::Arc;

/// Asks whether an action may go on.
pub const CHECK: RemoteTool = RemoteTool { name: guardrails::tool::CHECK, scopes: &[Scope::GuardrailsValidate] };
/// Signs that broken rules were acknowledged.
pub const ACKNOWLEDGE: RemoteTool =
    RemoteTool { name: guardrails::tool::ACKNOWLEDGE, scopes: &[Scope::GuardrailsValidate] };
/// Finds memories by words.
pub const SEARCH: RemoteTool = RemoteTool { name: memory::tool::SEARCH, scopes: &[Scope::MemoryRead] };
/// Lists memories by tags.
pub const LIST: RemoteTool = RemoteTool { name: memory::tool::LIST, scopes: &[Scope::MemoryRead] };
/// Stores what is to be remembered, all of it or nothing.
pub const REMEMBER: RemoteTool = RemoteTool { name: memory::tool::IMPORT, scopes: &[Scope::MemoryWrite] };
/// Recommends patterns.
pub const SELECT: RemoteTool = RemoteTool { name: patterns::tool::SELECT, scopes: &[Scope::PatternsSelect] };
/// Injects one.
pub const INJECT: RemoteTool = RemoteTool { name: patterns::tool::INJECT, scopes: &[Scope::PatternsSelect] };
/// Logs what became of it.
pub const LOG_USAGE: RemoteTool = RemoteTool { name: patterns::tool::LOG_USAGE, scopes: &[Scope::PatternsSelect] };

/// The peers of a workflow.
pub struct Peers {
    /// Says what may be done.
    pub guardrails: Arc<Peer>,
    /// Knows what was.
    pub memory: Arc<Peer>,
    /// Knows how.
    pub patterns: Arc<Peer>,
}

impl Peers {
    /// The peers that the settings name; none is asked yet.
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

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Peer>> {
        [&self.guardrails, &self.memory, &self.patterns].map(Arc::clone).to_vec()
    }
}
