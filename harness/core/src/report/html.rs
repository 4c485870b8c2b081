//! `report.html`: one file for people, without scripts and without the network.

use super::ReportError;
use super::chart::{Chart, Line, Span, draw};
use super::summary::{SecondFigures, Summary};
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};

const TEMPLATE: &str = include_str!("report.html.j2");

pub(super) fn render(summary: &Summary) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    super::markdown::add_filters(&mut environment);
    let charts = charts(summary)?;
    let values = context! { run => Value::from(Serde(summary)), charts => Value::from(Serde(&charts)) };
    let mut render = || {
        environment.add_template("report.html", TEMPLATE)?;
        environment.get_template("report.html")?.render(values.clone())
    };
    render().map_err(|error| ReportError::Render(format!("{error:#}")))
}

/// What is shaded: the faults of an experiment, else what was measured.
fn spans(summary: &Summary) -> Vec<Span> {
    if let Some(experiment) = &summary.experiment {
        let faults = experiment.faults.iter();
        let span = |fault: &super::summary::FaultFigures| Span {
            from: fault.from,
            until: fault.until.unwrap_or(f64::MAX),
            name: fault.name.clone(),
        };
        return faults.map(span).collect();
    }
    let measured = summary.seconds.iter().filter(|second| second.measured).map(|second| second.at as f64);
    let (from, until) = measured.fold((f64::MAX, f64::MIN), |(from, until), at| (from.min(at), until.max(at)));
    if from <= until { vec![Span { from, until, name: String::new() }] } else { Vec::new() }
}

fn charts(summary: &Summary) -> Result<Vec<Chart>, ReportError> {
    let seconds = &summary.seconds;
    let span = &*spans(summary);
    let series = |name: &str, value: &dyn Fn(&SecondFigures) -> f64| Line {
        name: name.to_owned(),
        points: seconds.iter().map(|second| (second.at as f64, value(second))).collect(),
    };
    let millis = |us: u64| us as f64 / 1_000.0;
    let parts = |value: &dyn Fn(&(f64, f64, u64)) -> f64| -> Vec<Line> {
        let line = |(name, part): (&String, &super::summary::PartFigures)| Line {
            name: name.clone(),
            points: part.readings.iter().map(|reading| (reading.0, value(reading))).collect(),
        };
        summary.parts.iter().map(line).collect()
    };
    let drawn = [
        draw(
            "Rate",
            "calls per second",
            &[series("completed", &|second| second.calls as f64), series("not ok", &|second| second.errors as f64)],
            span,
        )?,
        draw(
            "Latency",
            "milliseconds",
            &[
                series("p50", &|second| millis(second.latency_us.p50)),
                series("p95", &|second| millis(second.latency_us.p95)),
                series("p99", &|second| millis(second.latency_us.p99)),
            ],
            span,
        )?,
        draw("CPU", "cores", &parts(&|reading| reading.1), span)?,
        draw("Memory", "MB resident", &parts(&|reading| reading.2 as f64 / 1e6), span)?,
    ];
    Ok(drawn.into_iter().flatten().collect())
}
