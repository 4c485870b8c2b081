//! A resolved workload: operations, users, arrivals, durations and thresholds, and the reasons why it cannot be driven.
//! `loadtests` reads the profiles (TOML).

use super::operation::{OperationData, unfillable};
pub use harness_history::{Metric, Threshold};
use harness_history::{counted, percentile};
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Returns who makes the calls: `2 users of 1 organisation`.
pub fn people(users: u32, organisations: u32) -> String {
    format!("{} of {}", counted(users, "user", "users"), counted(organisations, "organisation", "organisations"))
}

/// The input of the driver. It does not contain the addresses of the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Name of the profile, such as `memory`.
    pub name: String,
    /// The service whose stack is loaded; `None` if the load is on a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The operations of a load on a target; empty if the load is on a stack of this product, whose operations are built in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationData>,
    /// Number of concurrent users, each with one kept-alive connection.
    pub users: u32,
    /// Number of organisations, over which the users are spread.
    pub organisations: u32,
    pub model: Model,
    /// Arrivals in addition to the users of a closed model; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<SideArrivals>,
    /// Duration of the load before the measured phase.
    pub warmup: Duration,
    /// Length of the measured phase.
    pub duration: Duration,
    /// Deadline of one call. The outcome of a call that takes longer is unknown.
    pub call_deadline: Duration,
    /// Maximum time without a successful call while calls wait for their replies: the bound of the check `no-gap`.
    #[serde(default = "default_longest_gap")]
    pub longest_gap: Duration,
    /// Weight of each operation, by its name.
    pub mix: BTreeMap<String, u32>,
    /// Number of memories that are stored for each organisation before the warm-up.
    pub seed_memories: u32,
    /// Maximum number of concurrent final reads of acknowledged writes.
    pub final_read_concurrency: u32,
    /// Maximum number of records that the final read reads by their ids. Of more records it reads a sample, which the seed chooses.
    #[serde(default = "default_final_read_records")]
    pub final_read_records: u32,
    /// Bounds that decide the verdict, from the profile.
    pub thresholds: Vec<Threshold>,
}

impl Workload {
    /// Returns true if the load is on a server that is not part of this product.
    pub const fn is_on_target(&self) -> bool {
        !self.operations.is_empty()
    }

    /// Returns the number of all users: those of the model, and those that make the additional arrivals.
    pub fn all_users(&self) -> u32 {
        self.users + self.beside.as_ref().map_or(0, |beside| beside.users)
    }

    /// Returns the reasons why this workload cannot be driven, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let Self { users, organisations, .. } = self;
        let mut problems = Vec::new();
        if organisations > users {
            problems.push(format!(
                "{} cannot be spread over {organisations} organisations; each needs at least one",
                counted(*users, "user", "users")
            ));
        }
        problems.extend(unfillable(&self.operations, &self.mix, self.all_users(), *organisations));
        if let Some(calls) = self.most_calls() {
            problems.extend(too_few_calls(&self.thresholds, &self.mix, calls));
        }
        problems
    }

    /// Returns the number of calls that the load makes for certain: the arrivals of its schedule. How many calls the users of a closed model make is
    /// decided by the service.
    pub(crate) fn planned_arrivals(&self) -> f64 {
        let warmup = |rate: f64| rate * self.warmup.as_secs_f64();
        let scheduled = match &self.model {
            Model::Closed { .. } => 0.0,
            // The warm-up has the rate at which the first stage begins.
            Model::Open { stages } => {
                let first = stages.first().map_or(0.0, |stage| stage.from_per_second);
                warmup(first) + stages.iter().map(RateStage::calls).sum::<f64>()
            }
        };
        let beside = self.beside.as_ref().map_or(0.0, |beside| beside.rate);
        scheduled + warmup(beside) + beside * self.duration.as_secs_f64()
    }

    /// Returns the maximum number of calls of the measured phase whose latency is judged; `None` if only the speed of the
    /// service limits their number.
    fn most_calls(&self) -> Option<f64> {
        if let Some(beside) = &self.beside {
            return Some(beside.rate * self.duration.as_secs_f64());
        }
        match &self.model {
            Model::Closed { think_time } if think_time.is_zero() => None,
            Model::Closed { think_time } => {
                // Each user makes one more call than it pauses.
                Some(f64::from(self.users) * (self.duration.as_secs_f64() / think_time.as_secs_f64() + 1.0))
            }
            Model::Open { stages } => Some(stages.iter().map(RateStage::calls).sum()),
        }
    }
}

/// Returns one line for each threshold on a percentile that needs more calls than the mix is expected to make. An
/// operation that is not in the mix is not judged here: other operations cause its calls, so their number is unknown.
pub(crate) fn too_few_calls(thresholds: &[Threshold], mix: &BTreeMap<String, u32>, calls: f64) -> Vec<String> {
    let all: u32 = mix.values().sum();
    let problem = |threshold: &Threshold| {
        let Metric::LatencyPercentile(percentile) = threshold.metric else { return None };
        let weight = threshold.operation.as_ref().map_or(Some(all), |name| mix.get(name).copied())?;
        let expected = calls * f64::from(weight) / f64::from(all.max(1));
        let least = percentile::least_calls(percentile);
        (expected < least as f64).then(|| {
            format!(
                "the threshold `{threshold}` cannot be decided: about {expected:.0} calls are planned, and p{percentile} needs at least {least}; \
                 choose a lower percentile, a higher rate or a longer time"
            )
        })
    };
    thresholds.iter().filter_map(problem).collect()
}

/// When the next call is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Each user sends its next call `think_time` after the response to the last one.
    Closed {
        /// Pause of a user between two calls.
        think_time: Duration,
    },
    /// Calls follow one arrival schedule. Latency is measured from the planned start, so that a stack which delays
    /// calls does not look fast.
    Open {
        /// The stages, one after the other; the rate is linear within each.
        stages: Vec<RateStage>,
    },
}

/// Default of [`Workload::longest_gap`]. A user notices a longer gap as an outage.
const fn default_longest_gap() -> Duration {
    Duration::from_secs(1)
}

/// Arrivals at a fixed rate, made by additional users beside those of a closed model. In a closed model an outage is only
/// a few slow calls, because its users wait for their replies. These arrivals continue, and each of them is late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideArrivals {
    /// Arrivals per second.
    pub rate: f64,
    /// Number of users that make the arrivals.
    pub users: u32,
}

/// A stage of an arrival schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateStage {
    /// Arrivals per second at its start.
    pub from_per_second: f64,
    /// Arrivals per second at its end.
    pub to_per_second: f64,
    pub duration: Duration,
}

impl RateStage {
    /// Number of its arrivals.
    fn calls(&self) -> f64 {
        (self.from_per_second + self.to_per_second) / 2.0 * self.duration.as_secs_f64()
    }
}

/// Records that the final read of a load reads by their ids at most, unless a profile has another number. Of 100,000 records, none of which is lost,
/// fewer than 0.003 % may be.
pub const FINAL_READ_RECORDS: u32 = 100_000;

const fn default_final_read_records() -> u32 {
    FINAL_READ_RECORDS
}

#[cfg(test)]
mod tests {
    use super::too_few_calls;
    use crate::plan::data_file::threshold;
    use std::collections::BTreeMap;

    fn problems(text: &str, calls: f64) -> String {
        let mix = BTreeMap::from([("store_memory".to_owned(), 1), ("get_memory".to_owned(), 3)]);
        too_few_calls(&[threshold(text).unwrap()], &mix, calls).concat()
    }

    #[test]
    fn a_percentile_that_the_planned_calls_cannot_decide_is_a_problem() {
        assert_eq!(problems("p99<1s", 1_000.0), "");
        assert!(problems("p99<1s", 999.0).contains("p99 needs at least 1000"), "{}", problems("p99<1s", 999.0));
        assert_eq!(problems("store_memory:p95<1s", 800.0), "");
        assert!(problems("store_memory:p95<1s", 790.0).contains("about 198 calls"));
        for decidable in ["max<1s", "error_rate<1%", "inject_pattern:p99<1s"] {
            assert_eq!(problems(decidable, 1.0), "", "{decidable}");
        }
    }
}
