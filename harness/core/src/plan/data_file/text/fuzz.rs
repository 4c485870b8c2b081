//! Any text of a duration, a threshold, stages or a comparison: what is accepted is a bound that a figure can keep and break.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new("bounds", &["harness/core/src/plan/data_file/text.rs"]).with_words(&[
    ">= ",
    "<= ",
    "= ",
    "p99<",
    "p99.9<",
    "max<",
    "error_rate<",
    "1%",
    "500ms",
    "µs",
    "10s:100",
    ",20s:100-1000",
    "store_memory:",
    "all:",
    "nan",
    "inf",
    "-0",
    "1e400",
    ".",
]);

#[test]
fn an_accepted_bound_can_be_kept_and_broken() {
    TARGET.run_text(|text| {
        if let Ok(duration) = duration(text) {
            assert!(duration <= Duration::from_secs(366 * 86_400), "{duration:?}");
        }
        if let Ok(stages) = stages(text) {
            assert!(stages.iter().any(|stage| stage.to_per_second > 0.0 || stage.from_per_second > 0.0));
            for stage in stages {
                assert!(!stage.duration.is_zero(), "{stage:?}");
                for rate in [stage.from_per_second, stage.to_per_second] {
                    assert!((0.0..=MAX_RATE).contains(&rate), "{stage:?}");
                }
            }
        }
        if let Ok(threshold) = threshold(text) {
            assert!(threshold.below.is_finite() && threshold.below > 0.0, "{threshold:?}");
            if let Metric::LatencyPercentile(percentile) = threshold.metric {
                assert!(percentile > 0.0 && percentile <= 100.0, "{threshold:?}");
            }
        }
        if let Ok((least, most)) = comparison(text) {
            for bound in [least, most].into_iter().flatten() {
                assert!(bound.is_finite(), "no figure breaks {text:?}");
            }
            assert!(least.is_some() || most.is_some());
        }
    });
}
