//! Parsers for values that TOML has no type for: durations, thresholds, stages and comparisons. An error says why the
//! text is invalid.

use crate::plan::workload::{Metric, RateStage, Threshold};
use std::time::Duration;

pub const DURATION_TEXT: &str = "a number and a unit: `500us`, `20ms`, `5s`, `2m`, `1h`";
pub const STAGES_TEXT: &str =
    "`DURATION:RATE` (linear from the rate before) or `DURATION:FROM-TO`, separated by commas: `10s:100,20s:100-1000`";
pub const THRESHOLD_TEXT: &str = "`p50`, `p90`, `p95`, `p99`, `p99.9` or `max` with a duration (`p99<500ms`), `error_rate` with a share (`error_rate<1%`)";
pub(super) const COMPARISON_TEXT: &str = "`>= 30`, `<= 5` or `= 0`";
/// Maximum number of arrivals per second.
pub const MAX_RATE: f64 = 100_000.0;

/// Parses a duration such as `20ms`.
///
/// # Errors
/// Why the text is invalid.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let micros = match unit.trim() {
        "us" | "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" | "min" => 60e6,
        "h" => 3_600e6,
        "" => return Err(format!("`{text}` has no unit")),
        _ => return Err(format!("`{text}` is not a duration")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
    let micros = number * micros;
    // `number` has only digits and points, so it is neither negative nor NaN, and this bound makes the cast below
    // exact.
    if micros > 366.0 * 86_400e6 {
        return Err(format!("`{text}` is longer than a year"));
    }
    Ok(Duration::from_micros(micros.round() as u64))
}

/// Parses stages such as `10s:100,20s:100-1000`. A stage without a start rate begins at the end rate of the stage
/// before it; if it is the first, its rate is constant.
///
/// # Errors
/// Which stage is invalid, and why.
pub fn stages(text: &str) -> Result<Vec<RateStage>, String> {
    let mut stages: Vec<RateStage> = Vec::new();
    for stage in text.split(',').map(str::trim) {
        let (length, rates) = stage.split_once(':').ok_or_else(|| format!("stage `{stage}` has no `:`"))?;
        let duration = duration(length)?;
        if duration.is_zero() {
            return Err(format!("stage `{stage}` has a length of 0"));
        }
        let (from, to) = match rates.split_once('-') {
            Some((from, to)) => (Some(rate(from)?), rate(to)?),
            None => (None, rate(rates)?),
        };
        let from = from.or_else(|| stages.last().map(|last| last.to_per_second)).unwrap_or(to);
        stages.push(RateStage { from_per_second: from, to_per_second: to, duration });
    }
    if stages.iter().all(|stage| stage.from_per_second == 0.0 && stage.to_per_second == 0.0) {
        return Err("every stage has a rate of 0".to_owned());
    }
    Ok(stages)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.trim().parse().map_err(|_| format!("rate `{text}` is not a number"))?;
    if (0.0..=MAX_RATE).contains(&rate) { Ok(rate) } else { Err(format!("rate `{text}` is not from 0 to {MAX_RATE}")) }
}

/// Parses a threshold such as `p99<500ms`, `error_rate<1%` or `store_memory:p95<80ms`.
///
/// # Errors
/// Why the text is invalid.
pub fn threshold(text: &str) -> Result<Threshold, String> {
    let (operation, bound) = match text.split_once(':') {
        Some((operation, bound)) => (Some(operation.trim().to_owned()), bound),
        None => (None, text),
    };
    // A file writes its thresholds below a key, and `all` is the key of those that are for no single operation.
    let operation = operation.filter(|operation| operation != "all");
    let (metric, below) = bound.split_once('<').ok_or_else(|| format!("`{text}` has no `<`"))?;
    let (metric, below) = (metric.trim(), below.trim());
    if metric == "error_rate" {
        return Ok(Threshold { operation, metric: Metric::ErrorRate, below: share(below)? });
    }
    let percentile = match metric {
        "max" => 100.0,
        _ => metric
            .strip_prefix('p')
            .and_then(|number| number.parse().ok())
            .filter(|percentile: &f64| *percentile > 0.0 && *percentile < 100.0)
            .ok_or_else(|| format!("`{metric}` is not a metric of a threshold"))?,
    };
    let below = duration(below)?;
    // The comparison is `<`, and no latency is below zero.
    if below.is_zero() {
        return Err(format!("`{text}` can never hold"));
    }
    Ok(Threshold { operation, metric: Metric::LatencyPercentile(percentile), below: below.as_micros() as f64 })
}

fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{text}` is not a share"));
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent)? / 100.0,
        None => number(text)?,
    };
    // As for a latency, the comparison is `<`, so a bound of 0 could never hold.
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err(format!("`{text}` is not a share above 0 and up to 100%")) }
}

/// Parses `>= 30`, `<= 5` or `= 0`. Returns the minimum and the maximum, both inclusive.
///
/// # Errors
/// Why the text is invalid.
pub fn comparison(text: &str) -> Result<(Option<f64>, Option<f64>), String> {
    // A figure is never below NaN, and never above infinity, so that such a bound would always hold.
    let number = |text: &str| {
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("`{text}` is not a number"))
    };
    if let Some(least) = text.strip_prefix(">=") {
        return Ok((Some(number(least)?), None));
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Ok((None, Some(number(most)?)));
    }
    let exact = number(text.strip_prefix('=').ok_or_else(|| format!("`{text}` is not a comparison"))?)?;
    Ok((Some(exact), Some(exact)))
}

#[cfg(test)]
mod fuzz;
