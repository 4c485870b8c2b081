//! The guardrails service: rules are data and are checked before risky actions. The module `rules` depends on no tool and no token. Tools get
//! the rules through a handle that always has the last good set. This service calls no other one.

mod acknowledge;
mod command;
pub mod detect;
pub mod judge;
mod linear;
mod prompts;
mod resources;
pub mod rules;
mod settings;
pub mod tools;
pub mod warm;

pub use command::GuardrailsCommand;
pub use settings::GuardrailsSettings;

use judge::Judge;
use mcp_contracts::metric;
use mcp_kit::data::{FolderData, Live, Problems, Reloader};
use mcp_kit::telemetry::zero_counters;
use mcp_kit::{Application, Start};
use prompts::ActionPrompts;
use resources::RuleResources;
use rules::Library;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}\nhint: `mcp-guardrails check-rules DIR` checks the rules without starting the service")]
    Rules(#[from] Problems),
}

/// Starts the service.
///
/// # Errors
/// Fails if the rules have problems.
pub async fn start(start: Start<GuardrailsSettings>) -> Result<Application, StartError> {
    zero_counters(metric::GUARDRAIL_RELOAD_TOTAL, &[("outcome", &Library::OUTCOMES)]);
    zero_counters(metric::GUARDRAIL_VERDICTS_TOTAL, &[("verdict", &["allow", "acknowledge", "block", "acknowledged"])]);
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    // A ready instance must answer its first call within the deadline of its clients, so the detectors are warmed up before. It happens
    // in parallel with loading the rules.
    let detectors = start.readiness.latch("detectors");
    tasks.spawn_blocking(move || {
        warm::up();
        drop(detectors);
    });
    let loading = start.readiness.latch("rules");
    let live = match start.own.rules_dir {
        Some(folder) => {
            let (reloader, live) = Reloader::start(folder, start.readiness.clone())?;
            tasks.spawn(reloader.run(stop.clone()));
            live
        }
        None => Live::new(Library::built_in()?),
    };
    for rule in live.get().common().set.rules() {
        let labels = [("rule", rule.compiled.rule.id.clone()), ("severity", rule.severity.name().to_owned())];
        metrics::counter!(metric::GUARDRAIL_ACTIVATIONS_TOTAL, &labels).increment(0);
    }
    drop(loading);
    tasks.close();
    let judge = Judge { live: live.clone(), verdicts: start.verdicts, single_use: start.single_use };
    Ok(Application::new(tools::all(&judge))
        .with_resources(Arc::new(RuleResources::new(live.clone())))
        .with_prompts(Arc::new(ActionPrompts::new(live)))
        .with_shutdown(move || {
            stop.cancel();
            Box::pin(async move { tasks.wait().await })
        }))
}
