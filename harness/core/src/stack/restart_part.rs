//! Starts a part of a detached stack again, at its port and with its data. Its program may have been rebuilt in
//! between.

use super::process::Processes;
use super::runtime::PartRuntime;
use super::{RunningPart, StackError, StackRequest, ready, wiring};

/// Starts a part that has ended. `parts` are the parts in the state file of the stack, with their ports and addresses.
pub(crate) async fn start(
    request: &StackRequest,
    parts: &[RunningPart],
    name: &str,
) -> Result<RunningPart, StackError> {
    let refused = |why: &str| StackError::control(name, "started again", why);
    let part = request.topology.part(name).ok_or_else(|| refused("it is not a part of the stack"))?;
    let find = |name: &str| parts.iter().find(|running| running.name == name);
    let before = find(name).ok_or_else(|| refused("it was never started"))?;
    let mut part = part.clone();
    // The other parts and the clients of the stack are configured with this port.
    // The URL of Postgres continues with the name of a database.
    let after_host = before.url.rsplit(':').next().and_then(|rest| rest.split('/').next());
    part.port = after_host.and_then(|port| port.parse().ok());
    let targets = part.edges.iter().filter_map(|edge| find(&edge.to));
    let addresses: Vec<_> = targets.map(|target| (target.kind, target.url.clone())).collect();
    let environment = wiring::environment(request, &part, &addresses);
    // No reaper: the part must outlive this command, as the rest of the stack does.
    let processes = Box::new(Processes::new(None, ready::http_client()?));
    let running = processes.start(request, &part, environment).await?;
    processes.detach();
    Ok(running)
}
