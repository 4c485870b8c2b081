//! What scenarios share in which services leave: how one goes, and the tally of the calls that came meanwhile. No scenario.

use harness_core::scenario::{Broken, Reply, Stage};
use mcp_contracts::service::READYZ_PATH;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// How long a service that was told to end still takes calls, while it says already that it is not ready. Longer than a caller's breaker needs
/// to see that the instance which went before is back: at most two seconds and a probe.
pub(crate) const NOTICE: Duration = Duration::from_millis(3_000);
/// How long it may take until it says so; longer than it lives then.
const SAID: Duration = Duration::from_secs(10);

/// Tells a part to end and waits until it has; expects that it says so to balancers first.
pub(crate) async fn leaves(stage: &Stage<'_>, part: &str) -> Result<(), Broken> {
    let ended = Cell::new(false);
    let going = async {
        let ended_as = stage.terminate(part).await;
        ended.set(true);
        ended_as
    };
    let said = async {
        let drains = async || {
            let (status, said) = stage.page(part, READYZ_PATH, None).await;
            if status == Some(503) && names(&said["missing"], "draining") {
                return Some(true);
            }
            // Who has gone says nothing any more.
            ended.get().then_some(false)
        };
        let said = stage.until(&format!("`{part}` says that it goes, or is gone"), SAID, drains).await;
        let expected = format!("before it goes `{part}` says that it is not ready");
        stage.expect(&expected, said == Some(true), "503 that names `draining`", &[]);
    };
    let (ended, ()) = futures::future::join(going, said).await;
    ended.map(drop)
}

fn names(missing: &serde_json::Value, what: &str) -> bool {
    missing.as_array().is_some_and(|missing| missing.iter().any(|name| name == what))
}

/// Counts calls that must all succeed, for one expectation about all of them.
#[derive(Default)]
pub(crate) struct Tally {
    made: Cell<u64>,
    failed: RefCell<Vec<u64>>,
    first: RefCell<Option<String>>,
}

impl Tally {
    /// Takes a reply into account; `held` says whether it was as it should be.
    pub(crate) fn count(&self, reply: &Reply<'_>, held: bool) {
        self.made.set(self.made.get() + 1);
        if !held {
            self.failed.borrow_mut().push(reply.op());
            let told = || format!("`{}` {:?} {:?} {}", reply.asked(), reply.outcome(), reply.status(), reply.value());
            self.first.borrow_mut().get_or_insert_with(told);
        }
    }

    /// How many there were.
    pub(crate) fn made(&self) -> u64 {
        self.made.get()
    }

    /// Expects that there were some, and that none failed.
    pub(crate) fn expect(&self, stage: &Stage<'_>, expected: &str, at_least: u64) {
        let failed = self.failed.borrow();
        let first = self.first.borrow().clone().unwrap_or_default();
        let seen = format!("{} calls, {} not answered as they should be {first}", self.made(), failed.len());
        stage.expect(expected, failed.is_empty() && self.made() >= at_least, seen, &failed);
    }
}
