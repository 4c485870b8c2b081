//! A service in the test's own process, behind a real socket.

use crate::{Caller, Client, SECRET};
use mcp_contracts::{Service, env};
use mcp_kit::run::assemble;
use mcp_kit::serve::{ServeLimits, serve};
use mcp_kit::settings::from_values;
use mcp_kit::telemetry::Telemetry;
use mcp_kit::{Readiness, ServerFeatures, ServiceSettings, Start, Verdicts};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A running service with a client.
pub struct Server {
    pub client: Client,
    /// Signs and checks verdicts with the key of the service.
    pub verdicts: Verdicts,
    /// Starts the drain when it is cancelled.
    pub stop: CancellationToken,
    serving: JoinSet<bool>,
}

impl Server {
    /// Starts `service` with these settings. `features` returns the tools, resources and prompts to serve.
    pub async fn start<Own, F, Made>(service: Service, settings: &[(&str, &str)], caller: Caller, features: F) -> Self
    where
        Own: ServiceSettings,
        F: FnOnce(Start<Own>) -> Made,
        Made: Future<Output = ServerFeatures>,
    {
        let mut values = BTreeMap::from([(env::JWT_SECRET.to_owned(), SECRET.to_owned())]);
        values.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (settings, own) = from_values(service, &values).unwrap();
        let settings = Arc::new(settings);
        let readiness = Readiness::default();
        let (telemetry, guard) = Telemetry::start(&settings);
        // The guard is never dropped: the metrics recorder and the log are global to the process, and other servers of the test still use them.
        std::mem::forget(guard);
        let start = Start::new(Arc::clone(&settings), own, readiness.clone());
        let (quota, verdicts) = (start.quota.clone(), start.verdicts.clone());
        let app = assemble(&settings, features(start).await, quota, telemetry, readiness);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(format!("http://{}", listener.local_addr().unwrap()), caller);
        let limits = ServeLimits {
            header_read: settings.header_read_deadline,
            keep_alive: settings.keep_alive,
            write: settings.write_deadline,
            connections_per_address: settings.max_connections_per_address,
            drain: settings.drain_deadline,
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = async move { serve(app, listener, limits, stopped.cancelled()).await };
        let mut owned = JoinSet::new();
        owned.spawn(serving);
        Self { client, verdicts, stop, serving: owned }
    }

    /// Waits for the end of the drain that `stop` starts. Returns true if every request finished in time.
    pub async fn drained(&mut self) -> bool {
        self.serving.join_next().await.expect("it is awaited once").unwrap()
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
