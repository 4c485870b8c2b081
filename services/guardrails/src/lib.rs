//! The guardrails service: rules as data, consulted before risky actions. Rules know no tool and no token; tools know the rules in force
//! by a handle that always has the last good set; nothing here reaches another service.

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
use mcp_kit::data::{Live, Problems, Reloader};
use mcp_kit::{Application, Start};
use prompts::ActionPrompts;
use resources::RuleResources;
use rules::Library;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no good set of rules to begin with.
    #[error("{0}\nhint: `mcp-guardrails check-rules DIR` tells the same without starting the service")]
    Rules(#[from] Problems),
}

/// Starts the service.
///
/// # Errors
/// Says what is wrong with the rules.
pub async fn start(start: Start<GuardrailsSettings>) -> Result<Application, StartError> {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    // An instance that says that it is ready must answer its first call within the deadline that its callers have. The detectors get
    // ready while the rules do.
    let warming = start.readiness.latch("detectors");
    tasks.spawn_blocking(move || {
        warm::up();
        drop(warming);
    });
    let opening = start.readiness.latch("rules");
    let live = match start.own.rules_dir {
        Some(folder) => {
            let (reloader, live) = Reloader::start(folder, start.readiness.clone())?;
            tasks.spawn(reloader.run(stop.clone()));
            live
        }
        None => Live::new(Library::built_in()?),
    };
    drop(opening);
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
