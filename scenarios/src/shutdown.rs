//! Shared by the scenarios that shut services down: the shutdown of one service, and a tally of the calls during it.
//! This file is not a scenario.

use harness_core::drive::scenario::{Reply, Stage, StepFailed};
use harness_history::counted;
use mcp_contracts::service::READYZ_PATH;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Time after SIGTERM during which a service reports *not ready* and still accepts calls. It is longer than the circuit
/// breaker of a caller needs to close again for the instance that was restarted before: at most 2 s and a probe.
pub(crate) const NOTICE: Duration = Duration::from_millis(3_000);
/// Deadline for the report *not ready*. It is longer than the service runs after SIGTERM.
const REPORT_DEADLINE: Duration = Duration::from_secs(10);

/// Sends SIGTERM to a part and waits until it has ended. Expects that it first reports *not ready* to load balancers.
pub(crate) async fn terminate(stage: &Stage<'_>, part: &str) -> Result<(), StepFailed> {
    let ended = Cell::new(false);
    let shutdown = async {
        let exit = stage.terminate(part).await;
        ended.set(true);
        exit
    };
    let report = async {
        let drains = async || {
            let (status, page) = stage.page(part, READYZ_PATH, None).await;
            if status == Some(503) && names(&page["missing"], "draining") {
                return Some(true);
            }
            // A part that has ended cannot report any more.
            ended.get().then_some(false)
        };
        let drained =
            stage.wait_until(&format!("`{part}` reports that it drains, or has ended"), REPORT_DEADLINE, drains).await;
        let expected = format!("`{part}` reports not ready before it ends");
        stage.expect(&expected, drained == Some(true), "503 that names `draining`", &[]);
    };
    let (ended, ()) = futures::future::join(shutdown, report).await;
    ended.map(drop)
}

fn names(missing: &serde_json::Value, dependency: &str) -> bool {
    missing.as_array().is_some_and(|missing| missing.iter().any(|name| name == dependency))
}

/// Counts calls that must all succeed, for one expectation about all of them.
#[derive(Default)]
pub(crate) struct Tally {
    calls: Cell<u64>,
    failed: RefCell<Vec<u64>>,
    first: RefCell<Option<String>>,
}

impl Tally {
    pub(crate) fn count(&self, reply: &Reply<'_>, succeeded: bool) {
        self.calls.set(self.calls.get() + 1);
        if !succeeded {
            self.failed.borrow_mut().push(reply.op());
            let describe =
                || format!("`{}` {:?} {:?} {}", reply.request_name(), reply.outcome(), reply.status(), reply.value());
            self.first.borrow_mut().get_or_insert_with(describe);
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Expects at least `at_least` calls and no failure.
    pub(crate) fn expect(&self, stage: &Stage<'_>, expected: &str, at_least: u64) {
        let failed = self.failed.borrow();
        let first = self.first.borrow().clone().unwrap_or_default();
        let details = format!("{}, {} failed {first}", counted(self.calls(), "call", "calls"), failed.len());
        stage.expect(expected, failed.is_empty() && self.calls() >= at_least, details, &failed);
    }
}
