//! A scenario: a sequence of real calls and expectations. This file defines the type and runs it. A scenario uses the
//! methods of [`Stage`] and [`Actor`]. The scenarios themselves are in the crate `scenarios`.

mod actor;
mod collector;
mod control;
mod loopback;
mod observe;
mod provider;
mod raw;
mod reply;
mod request;
mod restore;
mod stage;
mod stage_recorder;
mod tapped_calls;

pub use actor::Actor;
pub use collector::{Span, TraceCollector};
pub(crate) use observe::sum;
pub use provider::{IdentityProvider, MAX_LIFETIME_SECS, SigningKey, claims_of};
pub use raw::{RawConnection, RawReply};
pub use reply::Reply;
pub use request::ScenarioRequest;
pub use stage::{Stage, StageRequest};
pub use tapped_calls::TappedCall;

use crate::plan::Script;
use crate::plan::topology::Topology;
use crate::stack::{Fixture, StackError};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use harness_history::Quota;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Default deadline of a scenario.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub type Steps = for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<(), StepFailed>>;

#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name, such as `tenant-isolation`.
    pub name: &'static str,
    /// What it shows, in one sentence.
    pub about: &'static str,
    pub topology: fn() -> Topology,
    /// Files and databases that the services have at the start.
    pub fixtures: fn() -> Vec<Fixture>,
    pub backends: SupportedBackends,
    /// True if it is about a SQLite file: its upgrade or its backup.
    pub sqlite_only: bool,
    pub deadline: Duration,
    /// Standing checks that must come to a decision. The run is *unknown* if one of them has nothing to judge.
    pub required: &'static [&'static str],
    pub steps: Steps,
}

/// Where a scenario can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupportedBackends {
    /// On any stack, including an external one.
    Everywhere,
    /// Only on a stack of its own, because it needs its own settings or stops parts.
    OwnStack,
    /// Only on a stack of its own that runs as plain processes, because it changes settings of a running stack or runs
    /// programs beside it.
    OwnProcesses,
}

impl Scenario {
    /// Returns a scenario that can run everywhere, with the default deadline.
    pub const fn new(name: &'static str, about: &'static str, topology: fn() -> Topology, steps: Steps) -> Self {
        let fixtures: fn() -> Vec<Fixture> = Vec::new;
        Self {
            name,
            about,
            topology,
            fixtures,
            backends: SupportedBackends::Everywhere,
            sqlite_only: false,
            deadline: DEADLINE,
            required: &[],
            steps,
        }
    }

    /// Restricts the scenario to a stack of its own.
    #[must_use]
    pub const fn on_its_own_stack(mut self) -> Self {
        self.backends = SupportedBackends::OwnStack;
        self
    }

    /// Restricts the scenario to a stack of its own on the process backend.
    #[must_use]
    pub const fn on_its_own_processes(mut self) -> Self {
        self.backends = SupportedBackends::OwnProcesses;
        self
    }

    /// Restricts the scenario to services that keep their records in SQLite files.
    #[must_use]
    pub const fn on_sqlite_files(mut self) -> Self {
        self.sqlite_only = true;
        self
    }

    /// Provides files or a database, which needs a stack of its own.
    #[must_use]
    pub const fn with_fixtures(mut self, fixtures: fn() -> Vec<Fixture>) -> Self {
        self.fixtures = fixtures;
        self.on_its_own_stack()
    }

    /// Sets the deadline.
    #[must_use]
    pub const fn within(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Requires standing checks to come to a decision.
    #[must_use]
    pub const fn requires(mut self, checks: &'static [&'static str]) -> Self {
        self.required = checks;
        self
    }

    /// Returns the part of the scenario that a plan records.
    pub fn script(&self) -> Script {
        Script {
            name: self.name.to_owned(),
            about: self.about.to_owned(),
            deadline: self.deadline,
            required: self.required.iter().map(|check| (*check).to_owned()).collect(),
            thresholds: Vec::new(),
        }
    }
}

/// The reason why a scenario ended early. The expectations recorded so far still count, and the run cannot pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StepFailed(pub String);

impl From<StackError> for StepFailed {
    fn from(error: StackError) -> Self {
        Self(error.to_string())
    }
}

/// How a scenario ended (`scenario.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioReport {
    pub ended: ScenarioEnd,
    /// Why it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub took_us: u64,
    /// Limits that the scenario promised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// Calls past these limits that the services reported, by organisation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioEnd {
    Completed,
    Broken,
    DeadlineExceeded,
    Panicked,
    Interrupted,
}

impl ScenarioReport {
    /// Returns why the run cannot pass; `None` if the scenario completed.
    pub fn doubt(&self) -> Option<String> {
        let why = self.why.as_deref().unwrap_or("no reason was given");
        match self.ended {
            ScenarioEnd::Completed => None,
            ScenarioEnd::Broken => Some(format!("it ended early: {why}")),
            ScenarioEnd::DeadlineExceeded => Some(format!("it exceeded its deadline: {why}")),
            ScenarioEnd::Panicked => Some(format!("it panicked: {why}")),
            ScenarioEnd::Interrupted => Some("it was interrupted".to_owned()),
        }
    }

    pub fn was_interrupted(&self) -> bool {
        self.ended == ScenarioEnd::Interrupted
    }
}

/// Runs a scenario until it ends, panics, exceeds its deadline or is interrupted. Unless it was interrupted, it then reads back every
/// acknowledged write.
pub async fn play(scenario: &Scenario, stage: &Stage<'_>, cancel: &CancellationToken) -> ScenarioReport {
    let start = Instant::now();
    // A panic ends only this scenario. The operations and expectations that it has recorded are still judged.
    // The stage is used after a panic, which is safe because its locks ignore poisoning.
    let playing = AssertUnwindSafe((scenario.steps)(stage)).catch_unwind();
    let (ended, why) = tokio::select! {
        played = tokio::time::timeout(scenario.deadline, playing) => match played {
            Ok(Ok(Ok(()))) => (ScenarioEnd::Completed, None),
            Ok(Ok(Err(StepFailed(why)))) => (ScenarioEnd::Broken, Some(why)),
            Ok(Err(panic)) => (ScenarioEnd::Panicked, Some(panic_text(&*panic))),
            Err(_) => (ScenarioEnd::DeadlineExceeded, Some(format!("{} s", scenario.deadline.as_secs()))),
        },
        () = cancel.cancelled() => (ScenarioEnd::Interrupted, None),
    };
    // A scenario that ended early has acknowledged writes as well, and the checks judge them.
    if ended != ScenarioEnd::Interrupted {
        stage.read_back().await;
    }
    let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    ScenarioReport { ended, why, took_us, quotas: stage.quotas(), declared: BTreeMap::new() }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".to_owned())
}
