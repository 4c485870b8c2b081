//! The arrival schedule of the open model: the planned time of the n-th call of the whole run. Only two parts of it
//! change in use: the shared counter, which gives every arrival to exactly one user, and the surge that an experiment
//! may start. No I/O, no clock.

use crate::plan::workload::RateStage;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Arrivals of consecutive stages, as evenly spread as their rates allow.
#[derive(Debug)]
pub(super) struct Arrivals {
    planned: ScheduledStages,
    // Set at most once, and then read by every call: reading it takes no lock.
    /// The schedule with the surge. Its arrivals before the surge are those of `planned`.
    surged: OnceLock<ScheduledStages>,
    next: AtomicU64,
}

#[derive(Debug)]
struct ScheduledStages {
    stages: Vec<ScheduledStage>,
    total: u64,
}

/// A stage, with its start time and the number of arrivals before it.
#[derive(Debug, Clone, Copy)]
struct ScheduledStage {
    start_secs: f64,
    before: f64,
    from: f64,
    to: f64,
    secs: f64,
}

impl ScheduledStage {
    /// Returns the number of arrivals in the first `secs` seconds of this stage: the integral of a rate that is linear in time.
    fn within(&self, secs: f64) -> f64 {
        self.from * secs + (self.to - self.from) * secs * secs / (2.0 * self.secs)
    }

    /// Returns the time at which this number of arrivals is reached, in seconds after the start of the stage: the inverse of [`ScheduledStage::within`].
    fn reached(&self, arrivals: f64) -> f64 {
        let slope = (self.to - self.from) / self.secs;
        // This form of the root does not subtract two nearly equal numbers, which would lose digits if the slope is small.
        // Rounding may make the radicand negative at the end of a ramp down to 0.
        let root = (self.from * self.from + 2.0 * slope * arrivals).max(0.0).sqrt();
        let divisor = self.from + root;
        if divisor > 0.0 { (2.0 * arrivals / divisor).min(self.secs) } else { 0.0 }
    }
}

/// Tolerance for rounding at the end of a stage, in arrivals.
// A sum of stages such as 599.9999999 or 600.0000001 is 600 arrivals.
const ROUNDING: f64 = 1e-6;

/// Length of a schedule without an end: a year, longer than any run.
const ENDLESS: Duration = Duration::from_secs(365 * 86_400);

impl ScheduledStages {
    fn new(stages: impl IntoIterator<Item = RateStage>) -> Self {
        let (mut legs, mut start_secs, mut before) = (Vec::new(), 0.0, 0.0);
        // A stage without a length has no slope.
        for stage in stages.into_iter().filter(|stage| !stage.duration.is_zero()) {
            let secs = stage.duration.as_secs_f64();
            let leg = ScheduledStage { start_secs, before, from: stage.from_per_second, to: stage.to_per_second, secs };
            before += leg.within(secs);
            start_secs += secs;
            legs.push(leg);
        }
        Self { stages: legs, total: (before - ROUNDING).ceil().max(0.0) as u64 }
    }

    fn planned_us(&self, index: u64) -> Option<u64> {
        if index >= self.total {
            return None;
        }
        let position = self.stages.partition_point(|leg| leg.before <= index as f64 + ROUNDING);
        let leg = self.stages.get(position.checked_sub(1)?)?;
        let secs = leg.start_secs + leg.reached((index as f64 - leg.before).max(0.0));
        Some((secs * 1e6).round() as u64)
    }
}

impl Arrivals {
    /// Plans a warm-up at the initial rate of the first stage, then the stages.
    pub(super) fn new(warmup: Duration, stages: &[RateStage]) -> Self {
        let warmup = constant(stages.first().map_or(0.0, |stage| stage.from_per_second), warmup);
        let planned = ScheduledStages::new(std::iter::once(warmup).chain(stages.iter().cloned()));
        Self { planned, surged: OnceLock::new(), next: AtomicU64::new(0) }
    }

    /// Plans one rate without an end.
    pub(super) fn endless(rate: f64) -> Self {
        Self::new(Duration::ZERO, &[constant(rate, ENDLESS)])
    }

    /// Multiplies the rate of an endless schedule by `times`, from `from_us` on and for `lasts`. Only the first call
    /// has an effect.
    pub(super) fn surge(&self, from_us: u64, times: f64, lasts: Duration) {
        let rate = self.planned.stages.first().map_or(0.0, |leg| leg.from);
        let before = constant(rate, Duration::from_micros(from_us));
        // The first leg repeats the schedule until now, so that arrivals that users have taken keep their planned times.
        let surged = ScheduledStages::new([before, constant(rate * times, lasts), constant(rate, ENDLESS)]);
        let _ = self.surged.set(surged);
    }

    /// Returns the planned time of arrival `index` (from 0), in microseconds after the start; `None` after the last
    /// arrival.
    pub(super) fn planned_us(&self, index: u64) -> Option<u64> {
        self.surged.get().unwrap_or(&self.planned).planned_us(index)
    }

    /// Returns the number of arrivals planned at this time or later.
    pub(super) fn planned_from(&self, at_us: u64) -> u64 {
        let total = self.planned.total;
        let (mut low, mut high) = (0, total);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.planned_us(middle).is_some_and(|planned| planned < at_us) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        total - low
    }

    /// Takes the next arrival for one user: its number, and its planned time in microseconds after the start.
    pub(super) fn take(&self) -> Option<(u64, u64)> {
        // Relaxed, because the counter orders no other memory: it only gives each number to one caller.
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        Some((index, self.planned_us(index)?))
    }
}

const fn constant(rate: f64, duration: Duration) -> RateStage {
    RateStage { from_per_second: rate, to_per_second: rate, duration }
}

#[cfg(test)]
mod tests {
    use super::{Arrivals, Duration, RateStage};
    use crate::plan::data_file::stages;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn planned(warmup: u64, text: &str) -> Vec<u64> {
        let arrivals = Arrivals::new(Duration::from_secs(warmup), &stages(text).unwrap());
        std::iter::from_fn(|| Some(arrivals.take()?.1)).collect()
    }

    #[test]
    fn a_constant_rate_is_evenly_spread_from_the_first_moment() {
        assert_eq!(planned(0, "1s:4"), [0, 250_000, 500_000, 750_000]);
        let planned = planned(0, "20s:1000");
        assert_eq!(planned.len(), 20_000);
        assert!(planned.iter().enumerate().all(|(index, at)| *at == index as u64 * 1_000));
    }

    #[test]
    fn a_ramp_has_the_arrivals_of_its_mean_rate() {
        let planned = planned(0, "10s:0-100");
        assert_eq!(planned.len(), 500);
        // Half of the time has a quarter of the arrivals.
        assert_eq!(planned.iter().filter(|at| **at < 5_000_000).count(), 125);
    }

    #[test]
    fn the_warm_up_runs_at_the_first_rate_and_is_not_measured() {
        let stages = stages("2s:10,2s:10-30").unwrap();
        let arrivals = Arrivals::new(Duration::from_secs(3), &stages);
        assert_eq!(arrivals.planned_from(0), 30 + 20 + 40);
        assert_eq!(arrivals.planned_from(3_000_000), 20 + 40);
        assert_eq!(arrivals.planned_us(30), Some(3_000_000));
        assert_eq!(arrivals.planned_us(90), None);
    }

    #[test]
    fn a_surge_brings_more_arrivals_for_a_while_and_changes_none_before_it() {
        let arrivals = Arrivals::endless(50.0);
        arrivals.surge(10_000_000, 5.0, Duration::from_secs(2));
        let due = |number| arrivals.planned_us(number).unwrap();
        assert_eq!((due(250), due(500), due(750), due(1_000)), (5_000_000, 10_000_000, 11_000_000, 12_000_000));
        assert_eq!(due(1_050), 13_000_000);
    }

    #[test]
    fn a_pause_has_no_arrivals() {
        assert_eq!(planned(0, "1s:2,1s:0-0,1s:2-2"), [0, 500_000, 2_000_000, 2_500_000]);
    }

    proptest! {
        #[test]
        fn arrivals_never_go_back_and_stay_inside(
            rates in proptest::collection::vec((0.0..500.0_f64, 0.0..500.0_f64, 1..3_000_u64), 1..6)
        ) {
            let stages: Vec<RateStage> = rates
                .iter()
                .map(|(from, to, millis)| RateStage {
                    from_per_second: *from,
                    to_per_second: *to,
                    duration: Duration::from_millis(*millis),
                })
                .collect();
            let length: u64 = rates.iter().map(|(_, _, millis)| millis * 1_000).sum();
            let mean: f64 = rates.iter().map(|(from, to, millis)| (from + to) / 2.0 * *millis as f64 / 1e3).sum();
            let arrivals = Arrivals::new(Duration::ZERO, &stages);
            let planned: Vec<u64> = std::iter::from_fn(|| Some(arrivals.take()?.1)).collect();
            prop_assert!(planned.is_sorted());
            prop_assert!(planned.iter().all(|at| *at <= length));
            prop_assert!((planned.len() as f64 - mean).abs() <= 1.0, "{} of {}", planned.len(), mean);
            prop_assert_eq!(arrivals.planned_from(0), planned.len() as u64);
        }
    }
}
