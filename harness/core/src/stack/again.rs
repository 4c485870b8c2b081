//! A part of a stack that was left running, started again by a harness that did not start the stack: at its port, with its data, as its
//! program is now.

use super::process::Processes;
use super::{RunningPart, StackError, StackRequest, ready, wiring};

/// Starts the part, which has ended; `parts` is the stack as it was left.
pub(crate) async fn start(
    request: &StackRequest,
    parts: &[RunningPart],
    name: &str,
) -> Result<RunningPart, StackError> {
    let refused = |why: &str| StackError::control(name, "started again", why);
    let part = request.topology.part(name).ok_or_else(|| refused("it is no part of the stack"))?;
    let find = |name: &str| parts.iter().find(|running| running.name == name);
    let left = find(name).ok_or_else(|| refused("it was never started"))?;
    let mut part = part.clone();
    part.port = left.url.rsplit(':').next().and_then(|port| port.parse().ok());
    let targets = part.edges.iter().filter_map(|edge| find(&edge.to));
    let addresses: Vec<_> = targets.map(|target| (target.kind, target.url.clone())).collect();
    let environment = wiring::environment(request, &part, &addresses);
    let processes = Processes::new(None, ready::asker()?);
    let running = processes.start(request, &part, environment).await?;
    processes.leave();
    Ok(running)
}
