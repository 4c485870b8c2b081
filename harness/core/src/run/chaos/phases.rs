//! The schedule of an experiment: waits while the load is steady, injects and heals the faults, and waits while the
//! stack recovers. The run ends early if a fault cannot be injected or healed, if more calls fail than the experiment
//! allows, or on an interrupt.

use super::evidence::{Counters, EdgeTraffic, HitCounters, HitWindow};
use crate::drive::experiment::Experiment;
use crate::drive::experiment::traffic::Traffic;
use crate::drive::scenario::Stage;
use crate::fault::{Injector, ScheduledFault};
use crate::stack::Stack;
use crate::stack::view::{Event, View};
use harness_history::experiment::{Experiment as RecordedExperiment, Fault, Span};
use std::cell::RefCell;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time for users to connect. The steady phase begins after it.
const WARM_UP: Duration = Duration::from_secs(3);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Interval at which the share of errors is checked.
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// Minimum number of calls for an abort. Among fewer calls, a high share of errors may be chance.
const LEAST_CALLS: u64 = 50;

pub(super) struct PhaseRunner<'s> {
    experiment: &'s Experiment,
    stage: &'s Stage<'s>,
    stack: &'s Stack,
    traffic: &'s Traffic<'s>,
    injector: Injector<'s>,
    view: &'s Arc<dyn View>,
    hit_counters: HitCounters,
    faults: RefCell<Vec<Fault>>,
    /// The last injection of each fault whose hits are still counted: its position in `faults`, and its window.
    windows: RefCell<Vec<(usize, HitWindow)>>,
    failure: RefCell<Option<String>>,
    /// The current phase: its name, when it began, and when it ends as planned.
    now: RefCell<(String, Span)>,
}

impl<'s> PhaseRunner<'s> {
    pub(super) fn new(
        experiment: &'s Experiment,
        stage: &'s Stage<'s>,
        stack: &'s Stack,
        traffic: &'s Traffic<'s>,
        run_dir: &Path,
        view: &'s Arc<dyn View>,
    ) -> Self {
        let (faults, windows, failure) = (RefCell::default(), RefCell::default(), RefCell::default());
        let hit_counters = HitCounters::of(experiment);
        let now = RefCell::new((String::new(), Span { from_us: 0, until_us: 0 }));
        let injector = Injector::new(stack, run_dir);
        Self { experiment, stage, stack, traffic, injector, view, hit_counters, faults, windows, failure, now }
    }

    /// Runs every phase. Every fault is healed before this returns, however the run ends.
    pub(super) async fn run(&self, cancel: &CancellationToken, over: &CancellationToken) -> RecordedExperiment {
        let early = CancellationToken::new();
        let conducting = self.phases(&early);
        let watching = async {
            tokio::select! {
                () = cancel.cancelled() => self.fails("the experiment was interrupted"),
                why = self.too_many_errors() => self.fails(&why),
                () = over.cancelled() => {}
            }
            early.cancel();
        };
        let reporting = self.report_progress();
        let conducting = async {
            tokio::select! {
                happened = conducting => happened,
                never = reporting => match never {},
            }
        };
        tokio::pin!(conducting, watching);
        let mut happened = tokio::select! {
            happened = &mut conducting => happened,
            // The phases are not dropped here: `early` makes them heal the injected faults and then return.
            () = &mut watching => conducting.await,
        };
        happened.faults = self.faults.take();
        happened.aborted = self.failure.take();
        happened
    }

    async fn phases(&self, early: &CancellationToken) -> RecordedExperiment {
        let mut happened = RecordedExperiment::default();
        self.show("load without a fault", "steady", WARM_UP + self.experiment.steady);
        self.rest(WARM_UP, early).await;
        let from_us = self.stage.now_us();
        self.rest(self.experiment.steady, early).await;
        if early.is_cancelled() {
            return happened;
        }
        let counters = Counters::before(self.stack, self.experiment).await;
        let ways = EdgeTraffic::before(self.stack, self.experiment);
        let fault_us = self.stage.now_us();
        happened.steady = Some(Span { from_us, until_us: fault_us });

        let names: Vec<String> = self.experiment.faults.iter().map(|scheduled| scheduled.fault.name()).collect();
        self.show(&format!("fault: {}", names.join(", ")), "fault", self.experiment.fault_length());
        let done = CancellationToken::new();
        let faults = async {
            let runs = self.experiment.faults.iter().map(|scheduled| self.fault(scheduled, early));
            futures::future::join(futures::future::join_all(runs), self.surge(early)).await;
            done.cancel();
        };
        let ((), mut counters) = tokio::join!(faults, counters.during(self.stack, &done));
        let healed_us = self.stage.now_us();
        happened.fault = Some(Span { from_us: fault_us, until_us: healed_us });

        self.show("healed: recovery", "recovery", self.experiment.recovery);
        self.rest(self.experiment.recovery, early).await;
        for (at, window) in self.windows.take() {
            self.close_window(at, window).await;
        }
        counters.after(self.stack).await;
        let until_us = self.stage.now_us();
        happened.recovery = Some(Span { from_us: healed_us, until_us });
        happened.ways = ways.after(self.stack, Span { from_us: fault_us, until_us });
        happened.counters = counters.into_read();
        happened
    }

    /// Injects one fault as many times as the experiment orders. Each injection is healed before the next one.
    async fn fault(&self, scheduled: &ScheduledFault, early: &CancellationToken) {
        self.rest(scheduled.after, early).await;
        let start = tokio::time::Instant::now();
        for time in 0..scheduled.times {
            // Counted from the start, so that a slow heal does not delay all later injections.
            let due = start + scheduled.every * time;
            self.rest(due.saturating_duration_since(tokio::time::Instant::now()), early).await;
            if early.is_cancelled() {
                return;
            }
            let window = self.hit_counters.open(self.stack, &scheduled.fault.target()).await;
            let at = match self.once(scheduled, early).await {
                Ok(at) => at,
                Err(why) => {
                    self.fails(&why);
                    return early.cancel();
                }
            };
            match window {
                // Hits may be counted some time after the heal, so a window ends at the next injection or with the recovery.
                Some(window) if time + 1 < scheduled.times => {
                    let next = start + scheduled.every * (time + 1);
                    self.rest(next.saturating_duration_since(tokio::time::Instant::now()), early).await;
                    self.close_window(at, window).await;
                }
                Some(window) => self.windows.borrow_mut().push((at, window)),
                None => {}
            }
        }
    }

    async fn close_window(&self, at: usize, window: HitWindow) {
        // A copy, because a borrow must not last over an await.
        let mut fault = self.faults.borrow()[at].clone();
        self.hit_counters.close(self.stack, window, &mut fault).await;
        self.faults.borrow_mut()[at] = fault;
    }

    /// Injects and heals a fault; returns the position of its record.
    async fn once(&self, scheduled: &ScheduledFault, early: &CancellationToken) -> Result<usize, String> {
        let ScheduledFault { fault, lasts, .. } = scheduled;
        let unavailable_parts: Vec<String> = fault.parts().into_iter().map(str::to_owned).collect();
        // Read before the injection: a call may fail from then on, although the fault counts as active only later.
        let ordered_us = self.stage.now_us();
        let active = self.injector.inject(fault).await.map_err(|error| error.to_string())?;
        let active_us = self.stage.now_us();
        self.stage.record_outage(fault.kind(), &unavailable_parts, ordered_us, true);
        // Recorded before the heal, so that the record has the fault even if its heal fails.
        // An index, because a borrow must not last over the awaits below, during which other faults add their records.
        let at = self.faults.borrow().len();
        self.faults.borrow_mut().push(Fault {
            name: fault.name(),
            kind: fault.kind().to_owned(),
            target: fault.target(),
            ordered_us,
            active_us,
            ending_us: None,
            healed_us: None,
            hits: None,
            counted_by: String::new(),
        });
        self.rest(*lasts, early).await;
        let ending_us = self.stage.now_us();
        let healed = active.heal().await.map_err(|error| error.to_string());
        self.stage.record_outage("back after", &unavailable_parts, ending_us, false);
        let mut faults = self.faults.borrow_mut();
        let record = &mut faults[at];
        record.ending_us = Some(ending_us);
        // Counted by the heal, after the rule was removed: a count from before would miss the hits of the last moment.
        if let Some((hits, by)) = healed?.hits {
            (record.hits, record.counted_by) = (Some(hits), by);
        }
        record.healed_us = Some(self.stage.now_us());
        Ok(at)
    }

    async fn surge(&self, early: &CancellationToken) {
        let Some(surge) = &self.experiment.load.surge else { return };
        self.rest(surge.after, early).await;
        self.traffic.surge();
        self.rest(surge.lasts, early).await;
    }

    /// Waits until more calls fail than the experiment allows. Returns the reason for the abort.
    async fn too_many_errors(&self) -> String {
        let abort = &self.experiment.abort;
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            let (share, calls) = self.traffic.error_share(abort.within);
            if calls >= LEAST_CALLS && share > abort.error_share {
                return format!(
                    "stopped early: {:.0} % of {calls} calls in {} s failed with an error that the experiment does not allow",
                    share * 100.0,
                    abort.within.as_secs()
                );
            }
        }
    }

    /// Waits for `length`, or until the run ends early.
    async fn rest(&self, length: Duration, early: &CancellationToken) {
        tokio::select! {
            () = early.cancelled() => {}
            () = tokio::time::sleep(length) => {}
        }
    }

    fn fails(&self, why: &str) {
        self.failure.borrow_mut().get_or_insert_with(|| why.to_owned());
    }

    fn show(&self, what: &str, word: &str, length: Duration) {
        let from_us = self.stage.now_us();
        self.traffic.begin_phase();
        *self.now.borrow_mut() = (word.to_owned(), Span { from_us, until_us: from_us + length.as_micros() as u64 });
        self.view.show(Event::Stage(what.to_owned()));
    }

    /// Shows the progress of the load once a second.
    async fn report_progress(&self) -> Infallible {
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        loop {
            ticks.tick().await;
            let (phase, span) = self.now.borrow().clone();
            let mut progress = self.traffic.progress();
            progress.left_us = span.until_us.saturating_sub(progress.at_us);
            if progress.phase_calls > 0 {
                self.view.show(Event::Progress { phase, progress });
            }
        }
    }
}
