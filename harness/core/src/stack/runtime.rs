//! The interface between a stack and the backend that runs its parts: processes, containers, or an external operator.
//! The default methods are those of an external stack: they refuse every action.

use super::{Ended, LOOPBACK, ProgramEnd, RunningPart, StackError, StackRequest};
use crate::plan::reach::ResolvedHost;
use crate::plan::topology::Part;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The future of an action on a part.
// Boxed, because a trait with `async fn` cannot be used as `dyn PartRuntime`.
pub(super) type Action<'r, T> = BoxFuture<'r, Result<T, StackError>>;

/// Runs the parts of one stack.
pub(super) trait PartRuntime: Send + Sync {
    /// Returns the parts if they are running already. Then the stack neither starts nor stops any.
    fn running(&self) -> Option<Vec<RunningPart>> {
        None
    }

    /// Returns the addresses of a target.
    fn resolved_host(&self) -> Option<ResolvedHost> {
        None
    }

    /// Starts a part for the first time and waits until it is ready.
    fn start<'r>(
        &'r self,
        _request: &'r StackRequest,
        part: &'r Part,
        _environment: BTreeMap<String, String>,
    ) -> Action<'r, RunningPart> {
        refuse(&part.name, "started")
    }

    /// Starts a part that has ended, at its address and with its data, and waits until it is ready.
    fn start_again<'r>(&'r self, _request: &'r StackRequest, name: &'r str) -> Action<'r, RunningPart> {
        refuse(name, "started")
    }

    /// Changes environment variables of a part for its next start; `None` removes one. Returns their previous values.
    fn reconfigure(&self, name: &str, _changes: &[(&str, Option<&str>)]) -> Result<Vec<Option<String>>, StackError> {
        Err(StackError::control(name, "reconfigured", ONLY_PROCESSES))
    }

    /// Runs the program of a part with other arguments, beside the running part and with its environment.
    fn run_program<'r>(
        &'r self,
        _request: &'r StackRequest,
        name: &'r str,
        _arguments: &'r [&'r str],
        _deadline: Duration,
    ) -> Action<'r, ProgramEnd> {
        let error = StackError::control(name, "run with other arguments", ONLY_PROCESSES);
        Box::pin(async { Err(error) })
    }

    /// Ends a part by SIGKILL.
    fn kill<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        refuse(name, "killed")
    }

    /// Ends a part by SIGTERM.
    fn terminate<'r>(&'r self, name: &'r str) -> Action<'r, Ended> {
        refuse(name, "stopped")
    }

    fn pause<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        refuse(name, "paused")
    }

    fn resume<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        refuse(name, "resumed")
    }

    /// Returns everything that a part has written to its log since its first start.
    fn log<'r>(&'r self, part: &'r RunningPart) -> Action<'r, String> {
        Box::pin(async {
            let unreadable = |why: String| StackError::control(&part.name, "queried for its log", why);
            let path = part.log.as_ref().ok_or_else(|| unreadable(NOT_OURS.to_owned()))?;
            let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
    }

    /// Stops every part. The waves are stopped in reverse order, so that each part can use the parts that it calls
    /// until it has ended. The parts of one wave are stopped together.
    fn stop<'r>(&'r self, _waves: &'r [Vec<&'r Part>]) -> Action<'r, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Leaves the parts running when the harness ends.
    fn detach(self: Box<Self>) {}

    /// Returns the label of everything in Docker that belongs to the stack; `None` on other backends.
    fn label(&self) -> Option<&str> {
        None
    }

    /// Returns the address at which other parts reach this one without a proxy.
    fn address(&self, part: &RunningPart) -> String {
        part.url.clone()
    }

    /// Returns the address of this machine at which the parts reach a proxy.
    fn proxy_address(&self) -> IpAddr {
        LOOPBACK
    }

    /// Returns the file of a service's SQLite database, if it is on this machine.
    fn database(&self, _request: &StackRequest, _part: &Part) -> Option<PathBuf> {
        None
    }
}

const ONLY_PROCESSES: &str = "only the process backend can do that";
const NOT_OURS: &str = "the harness did not start this stack";

fn refuse<'r, T: Send + 'r>(part: &str, what: &'static str) -> Action<'r, T> {
    let error = StackError::control(part, what, NOT_OURS);
    Box::pin(async { Err(error) })
}
