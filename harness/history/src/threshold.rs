//! A bound on one figure of the measured phase.

use serde::{Deserialize, Serialize};

/// A bound on one figure of the measured phase, such as `p99<500ms` or `error_rate<1%`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Operation that it bounds; `None` means all.
    pub operation: Option<String>,
    /// The figure.
    pub metric: Metric,
    /// The figure must stay below it: microseconds of latency, or a ratio (0.01 is 1 %).
    pub below: f64,
}

/// A figure that a threshold can bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Latency at this percentile (50.0, 95.0, 99.0, 99.9).
    LatencyPercentile(f64),
    /// Share of measured calls that are not ok.
    ErrorRate,
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(operation) = &self.operation {
            write!(f, "{operation} ")?;
        }
        match self.metric {
            Metric::LatencyPercentile(percentile) => {
                write!(f, "{}<{}", percentile_name(percentile), millis(self.below))
            }
            Metric::ErrorRate => write!(f, "error_rate<{}", percent(self.below)),
        }
    }
}

/// Returns the name of a percentile as files write it: the hundredth is the maximum.
pub(crate) fn percentile_name(percentile: f64) -> String {
    if percentile >= 100.0 { "max".to_owned() } else { format!("p{percentile}") }
}

/// Formats microseconds as milliseconds or seconds.
pub(crate) fn millis(us: f64) -> String {
    if us >= 1_000_000.0 { format!("{} s", round(us / 1_000_000.0)) } else { format!("{} ms", round(us / 1_000.0)) }
}

/// Formats a ratio as a percentage.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{} %", round(ratio * 100.0))
}

fn round(value: f64) -> f64 {
    let scale = if value.abs() >= 100.0 { 10.0 } else { 1_000.0 };
    (value * scale).round() / scale
}
