//! The orchestrator joins guardrails, memory and patterns into workflows. It reaches its peers by URL and contract only and links none of their
//! code. Tools use workflows and the store, workflows use peers and agents, and agents use only their input.

pub mod agent;
mod counters;
pub mod llm;
pub mod outbox;
pub mod peer;
pub mod peers;
pub mod quota_page;
mod settings;
pub mod store;
pub mod tools;
pub mod warm;
pub mod workflow;

use futures::FutureExt;
use llm::{LlmError, Model, SpendLedger};
use mcp_kit::database::OpenError;
use mcp_kit::{Application, Start};
use outbox::Outbox;
use peers::Peers;
pub use settings::{LlmSettings, OrchestratorSettings, PeerUrls};
use std::sync::Arc;
use store::{Spend, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workflow::Workflow;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot create the HTTP client for the peers: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot create the client for the model: {0}")]
    Model(#[from] LlmError),
}

/// Starts the service. It does not wait for its peers: the fallbacks cover one that is down.
pub async fn start(start: Start<OrchestratorSettings>) -> Result<Application, StartError> {
    let settings = &start.own;
    counters::begin();
    let opening = start.readiness.latch("store");
    let store = Store::open(start.settings.database_url.reveal())?;
    store.watch(&start.readiness);
    drop(opening);
    let ledger = SpendLedger::new(Arc::new(Spend(store.clone())), settings.llm_daily_budgets);
    let model = settings.llm.as_ref().map(|llm| Model::new(llm, ledger.clone())).transpose()?;
    let transport = Arc::new(peer::Transport::new(&start.settings, settings.peer_deadline)?);
    let peers = Arc::new(Peers::new(settings, &transport, &start.readiness));
    let outbox = Arc::new(Outbox::new(store.clone(), Arc::clone(&peers), settings.peer_deadline));
    let stop = CancellationToken::new();
    let mut background = JoinSet::new();
    background.spawn(Arc::clone(&outbox).run(stop.clone()));
    background.spawn_blocking(warm::up);
    background.spawn(peer::watch(peers.all(), stop.clone()));
    let workflow = Arc::new(Workflow::new(peers, store.clone(), outbox, model, &start));
    let tools = tools::all(workflow, &store);
    let shutdown = move || {
        async move {
            // In this order, because a task may use the store until it has ended.
            stop.cancel();
            background.join_all().await;
            store.close().await;
        }
        .boxed()
    };
    Ok(Application::new(tools).with_page(quota_page::page(start.quota, ledger)).with_shutdown(shutdown))
}
