//! The arrival schedule of the open model: when the n-th call of the whole run is planned. Pure, except for the one
//! shared counter that hands every arrival to exactly one user.

use harness_core::plan::workload::RateStage;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Arrivals of stages one after the other, as evenly spread as their rates allow.
#[derive(Debug)]
pub struct Arrivals {
    stages: Vec<Leg>,
    total: u64,
    next: AtomicU64,
}

/// One stage with what came before it.
#[derive(Debug, Clone, Copy)]
struct Leg {
    start_secs: f64,
    before: f64,
    from: f64,
    to: f64,
    secs: f64,
}

impl Leg {
    /// Arrivals in the first `secs` of this stage: the integral of a rate that is linear in time.
    fn within(&self, secs: f64) -> f64 {
        self.from * secs + (self.to - self.from) * secs * secs / (2.0 * self.secs)
    }

    /// When so many arrivals of this stage are reached, in seconds after its start: the inverse of [`Leg::within`].
    fn reached(&self, arrivals: f64) -> f64 {
        let slope = (self.to - self.from) / self.secs;
        // The stable form of the root: it has no difference of near numbers where the slope is small.
        let root = (self.from * self.from + 2.0 * slope * arrivals).max(0.0).sqrt();
        let divisor = self.from + root;
        if divisor > 0.0 { (2.0 * arrivals / divisor).min(self.secs) } else { 0.0 }
    }
}

/// What rounding may add or take away at the end of a stage, in arrivals.
const ROUNDING: f64 = 1e-6;

impl Arrivals {
    /// Plans the stages after a warm-up at the rate with which the first one begins.
    pub fn new(warmup: Duration, stages: &[RateStage]) -> Self {
        let rate = stages.first().map_or(0.0, |stage| stage.from_per_second);
        let warmup = RateStage { from_per_second: rate, to_per_second: rate, duration: warmup };
        let (mut legs, mut start_secs, mut before) = (Vec::with_capacity(stages.len() + 1), 0.0, 0.0);
        for stage in std::iter::once(&warmup).chain(stages).filter(|stage| !stage.duration.is_zero()) {
            let secs = stage.duration.as_secs_f64();
            let leg = Leg { start_secs, before, from: stage.from_per_second, to: stage.to_per_second, secs };
            before += leg.within(secs);
            start_secs += secs;
            legs.push(leg);
        }
        Self { stages: legs, total: (before - ROUNDING).ceil().max(0.0) as u64, next: AtomicU64::new(0) }
    }

    /// Planned time of arrival `index` (from 0), in microseconds after the start; `None` past the end.
    pub fn planned_us(&self, index: u64) -> Option<u64> {
        if index >= self.total {
            return None;
        }
        let position = self.stages.partition_point(|leg| leg.before <= index as f64 + ROUNDING);
        let leg = self.stages.get(position.checked_sub(1)?)?;
        let secs = leg.start_secs + leg.reached((index as f64 - leg.before).max(0.0));
        Some((secs * 1e6).round() as u64)
    }

    /// Arrivals planned at this time or later.
    pub fn planned_from(&self, at_us: u64) -> u64 {
        let (mut low, mut high) = (0, self.total);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.planned_us(middle).is_some_and(|planned| planned < at_us) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.total - low
    }

    /// Takes the next arrival for one user: its planned time, in microseconds after the start.
    pub fn take(&self) -> Option<u64> {
        self.planned_us(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrivals, Duration, RateStage};
    use harness_core::plan::data_file::stages;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn planned(warmup: u64, text: &str) -> Vec<u64> {
        let arrivals = Arrivals::new(Duration::from_secs(warmup), &stages(text).unwrap());
        std::iter::from_fn(|| arrivals.take()).collect()
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
            let planned: Vec<u64> = std::iter::from_fn(|| arrivals.take()).collect();
            prop_assert!(planned.is_sorted());
            prop_assert!(planned.iter().all(|at| *at <= length));
            prop_assert!((planned.len() as f64 - mean).abs() <= 1.0, "{} of {}", planned.len(), mean);
            prop_assert_eq!(arrivals.planned_from(0), planned.len() as u64);
        }
    }
}
