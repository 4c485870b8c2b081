//! `report.html`: one file for people. It needs no script and no network.

use super::ReportError;
use super::chart::{Axis, Chart, Line, Span, draw};
use super::summary::{SecondFigures, Summary};
use super::template::render_template;
use minijinja::context;
use minijinja::value::{Serde, Value};

const TEMPLATE: &str = include_str!("report.html.j2");
/// The style of every page.
// Written into the page, which must not need a second file (decision 0006).
pub(super) const STYLE: &str = include_str!("style.css");
/// Maximum number of operations in the latency chart.
const MOST_CURVES: usize = 5;

/// The charts of one run.
pub(super) type Charts = Vec<Chart>;

pub(super) fn render(summary: &Summary) -> Result<String, ReportError> {
    let charts = charts(summary)?;
    let values = context! { run => Value::from(Serde(summary)), charts => Value::from(Serde(&charts)), style => STYLE };
    render_template("report.html", TEMPLATE, values)
}

/// Returns the shaded spans: the faults of an experiment, or the measured phase of another run.
fn spans(summary: &Summary) -> Vec<Span> {
    if let Some(experiment) = &summary.experiment {
        let faults = experiment.faults.iter();
        let span = |fault: &super::summary::FaultFigures| Span {
            from: fault.from,
            // A fault that was never healed is shaded to the end.
            until: fault.until.unwrap_or(f64::MAX),
            name: fault.name.clone(),
        };
        return faults.map(span).collect();
    }
    let measured = summary.seconds.iter().filter(|second| second.measured).map(|second| second.at as f64);
    let (from, until) = measured.fold((f64::MAX, f64::MIN), |(from, until), at| (from.min(at), until.max(at)));
    if from <= until { vec![Span { from, until, name: String::new() }] } else { Vec::new() }
}

/// Returns the charts of rate, errors and latency for each second of a run.
pub(super) fn course(summary: &Summary) -> Result<Charts, ReportError> {
    let span = &*spans(summary);
    // The last second is not drawn: it is incomplete, so it would look like an outage.
    let whole = summary.seconds.len().saturating_sub(usize::from(summary.seconds.len() > 2));
    let series = |name: &str, value: &dyn Fn(&SecondFigures) -> f64| Line {
        name: name.to_owned(),
        points: summary.seconds[..whole].iter().map(|second| (second.at as f64, value(second))).collect(),
    };
    let millis = |us: u64| us as f64 / 1_000.0;
    let rate = [series("completed", &|second| second.calls as f64), series("not ok", &|second| second.errors as f64)];
    let latency = [
        series("p50", &|second| millis(second.latency_us.p50)),
        series("p95", &|second| millis(second.latency_us.p95)),
        series("p99", &|second| millis(second.latency_us.p99)),
    ];
    let drawn = [
        draw("Rate and errors", "calls per second", Axis::Seconds, &rate, span)?,
        draw("Latency", "milliseconds", Axis::Seconds, &latency, span)?,
    ];
    Ok(drawn.into_iter().flatten().collect())
}

fn charts(summary: &Summary) -> Result<Charts, ReportError> {
    let span = &*spans(summary);
    let parts = |value: &dyn Fn(&(f64, f64, u64)) -> f64| -> Vec<Line> {
        let line = |(name, part): (&String, &super::summary::PartFigures)| Line {
            name: name.clone(),
            points: part.readings.iter().map(|reading| (reading.0, value(reading))).collect(),
        };
        summary.parts.iter().map(line).collect()
    };
    let mut charts = Charts::new();
    // The requests of a hardening run are no load: their rate and their latency say nothing.
    if summary.hardening.is_none() {
        let unit = "milliseconds that this share of the calls does not exceed";
        charts.extend(course(summary)?);
        charts.extend(draw("Latency curve", unit, Axis::Nines, &curves(summary), &[])?);
    }
    let drawn = [
        draw("CPU", "cores", Axis::Seconds, &parts(&|reading| reading.1), span)?,
        draw("Memory", "MB resident", Axis::Seconds, &parts(&|reading| reading.2 as f64 / 1e6), span)?,
    ];
    charts.extend(drawn.into_iter().flatten());
    Ok(charts)
}

/// Returns one line for each of the most frequent operations: latency over the number of nines of the percentile.
fn curves(summary: &Summary) -> Vec<Line> {
    let mut operations: Vec<_> = summary.operations.iter().collect();
    operations.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.calls));
    let line = |(name, operation): (&String, &super::summary::OperationFigures)| Line {
        name: name.clone(),
        points: operation.latency_curve.iter().map(|point| (nines(point.percentile), point.us as f64 / 1e3)).collect(),
    };
    operations.into_iter().take(MOST_CURVES).map(line).filter(|line| line.points.len() > 1).collect()
}

fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-9).log10()
}
