//! Bounds on a load beyond loopback. Another machine may serve other people, and a mistake in a profile must not hurt them.

use crate::plan::workload::{Model, Workload};
use harness_history::counted;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most that a load beyond loopback may do. Only `[reach]` of `harness.toml` raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Calls per second.
    pub per_second: u32,
    /// Concurrent users.
    pub users: u32,
    /// Warm-up and measured phase together.
    pub duration: Duration,
}

impl Default for Caps {
    fn default() -> Self {
        Self { per_second: 200, users: 100, duration: Duration::from_secs(600) }
    }
}

impl Caps {
    /// Returns the reasons why a load exceeds the bounds, one line each. `host` is for the messages.
    pub fn problems(&self, host: &str, workload: &Workload) -> Vec<String> {
        let length = workload.warmup + workload.duration;
        self.exceeded(host, workload.all_users(), length, most_per_second(workload))
    }

    /// Returns the reasons why a load of this size exceeds the bounds. `rate` is `None` if only the speed of the server bounds it.
    pub(super) fn exceeded(&self, host: &str, users: u32, length: Duration, rate: Option<f64>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut exceeds = |what: String, bound: String, key: &str| {
            problems.push(format!(
                "{what}, and a load on `{host}`, which is not loopback, may have at most {bound}; lower it, or raise `{key}` in `[reach]` of \
                 `harness.toml`"
            ));
        };
        if users > self.users {
            exceeds(format!("the load has {}", counted(users, "user", "users")), format!("{}", self.users), "users");
        }
        if length > self.duration {
            let (length, most) = (length.as_secs_f64(), self.duration.as_secs_f64());
            exceeds(format!("warm-up and load take {length} s"), format!("{most} s"), "duration");
        }
        let bound = counted(self.per_second, "call per second", "calls per second");
        match rate {
            None => exceeds(
                "the users call without a pause, so their rate has no bound (set `--rate`, or `think_time` in the profile)".to_owned(),
                bound,
                "per_second",
            ),
            // Half a call per second is within the rounding of a think time.
            Some(rate) if rate > f64::from(self.per_second) + 0.5 => {
                exceeds(format!("the load makes up to {rate:.0} calls per second"), bound, "per_second");
            }
            Some(_) => {}
        }
        problems
    }
}

/// Returns the highest rate of a load in calls per second; `None` if only the speed of the server bounds it.
fn most_per_second(workload: &Workload) -> Option<f64> {
    let beside = workload.beside.as_ref().map_or(0.0, |beside| beside.rate);
    let users = match &workload.model {
        Model::Closed { think_time } if think_time.is_zero() => return None,
        // A user calls at most once in each pause, because a call takes time as well.
        Model::Closed { think_time } => f64::from(workload.users) / think_time.as_secs_f64(),
        Model::Open { stages } => {
            stages.iter().map(|stage| stage.from_per_second.max(stage.to_per_second)).fold(0.0, f64::max)
        }
    };
    Some(users + beside)
}

#[cfg(test)]
mod tests {
    use super::Caps;
    use crate::plan::workload::{Model, RateStage, SideArrivals, Workload};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn workload(users: u32, model: Model, seconds: u64) -> Workload {
        Workload {
            name: "any".to_owned(),
            service: None,
            operations: Vec::new(),
            users,
            organisations: 1,
            model,
            beside: None,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(seconds),
            call_deadline: Duration::from_secs(10),
            longest_gap: Duration::from_secs(1),
            mix: BTreeMap::new(),
            seed_memories: 0,
            final_read_concurrency: 1,
            final_read_records: 1,
            thresholds: Vec::new(),
        }
    }

    fn open(from_per_second: f64, to_per_second: f64) -> Model {
        Model::Open { stages: vec![RateStage { from_per_second, to_per_second, duration: Duration::from_secs(1) }] }
    }

    fn closed(think_time_ms: u64) -> Model {
        Model::Closed { think_time: Duration::from_millis(think_time_ms) }
    }

    #[test]
    fn a_load_within_the_bounds_has_no_problem() {
        for load in [workload(100, open(0.0, 200.0), 600), workload(100, closed(500), 600)] {
            assert_eq!(Caps::default().problems("host", &load), Vec::<String>::new());
        }
    }

    #[test]
    fn each_bound_is_a_problem_of_its_own_with_the_key_that_raises_it() {
        for (load, what, key) in [
            (workload(101, open(1.0, 1.0), 60), "101 users", "`users`"),
            (workload(1, open(1.0, 1.0), 601), "take 601 s", "`duration`"),
            (workload(1, open(0.0, 201.0), 60), "up to 201 calls", "`per_second`"),
            (workload(1, open(201.0, 0.0), 60), "up to 201 calls", "`per_second`"),
            (workload(100, closed(400), 60), "up to 250 calls", "`per_second`"),
            (workload(1, closed(0), 60), "without a pause", "`per_second`"),
        ] {
            let problems = Caps::default().problems("host", &load);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(what) && problems[0].contains(key), "{problems:?}");
        }
        let mut beside = workload(50, closed(500), 60);
        beside.beside = Some(SideArrivals { rate: 101.0, users: 51 });
        let problems = Caps::default().problems("host", &beside);
        assert_eq!(problems.len(), 2, "users and arrivals of both kinds count: {problems:?}");
    }

    #[test]
    fn raised_bounds_admit_more() {
        let caps = Caps { per_second: 1_000, users: 500, duration: Duration::from_secs(3_600) };
        assert_eq!(caps.problems("host", &workload(500, open(0.0, 1_000.0), 3_600)), Vec::<String>::new());
    }
}
