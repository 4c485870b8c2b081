//! Summarises a run: from its records to the figures that every report shows.

pub use super::figures::{
    CheckFigures, CurvePoint, DriverFigures, EdgeFigures, EvidenceFigures, ExchangeFigures, ExpectationFigures,
    ExperimentFigures, FaultFigures, FindingFigures, HardeningFigures, NotMadeFigures, OmittedFigures,
    OperationFigures, PartFigures, Percentiles, PlanFigures, SecondFigures, Summary, SurroundingFigures,
    ThresholdFigures, ViolationFigures,
};
use super::tally::{Second, Tally};
use super::verdict_reason::verdict_reason;
use crate::drive::RunPurpose;
use crate::judge::{Judgement, Recorded};
use crate::plan::Purpose;
use crate::plan::hardening::Hardening;
use crate::plan::workload::{Model, SideArrivals, Workload, people};
use harness_history::{Finding, History, Phase, counted};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of calls that are described for one violation.
const MOST_CALLS: usize = 3;

impl Summary {
    pub fn new(recorded: &Recorded, judgement: &Judgement) -> Self {
        let (plan, history) = (&recorded.plan, &recorded.history);
        let span = measured_span(recorded);
        let secs = (span.1.saturating_sub(span.0)) as f64 / 1e6;
        let mut total = Tally::default();
        let mut operations: BTreeMap<String, Tally> = BTreeMap::new();
        let mut phases: BTreeMap<String, u64> = BTreeMap::new();
        let mut seconds: BTreeMap<u64, Second> = BTreeMap::new();
        for op in history.ops() {
            *phases.entry(phase_name(op.phase()).to_owned()).or_default() += 1;
            if matches!(op.phase(), Phase::Warmup | Phase::Measured) {
                seconds.entry(op.complete_us() / 1_000_000).or_default().add(op);
            }
            if op.phase() == Phase::Measured {
                total.add(op);
                // Not `entry`, which needs an owned name for each of a million operations.
                if !operations.contains_key(op.name()) {
                    operations.insert(op.name().to_owned(), Tally::default());
                }
                if let Some(tally) = operations.get_mut(op.name()) {
                    tally.add(op);
                }
            }
        }
        let total = total.figures(secs);
        Self {
            format: 1,
            run_id: plan.run_id.clone(),
            verdict: judgement.verdict.name().to_owned(),
            because: verdict_reason(recorded, judgement),
            interrupted: judgement.interrupted,
            plan: plan_figures(recorded),
            surroundings: surrounding_figures(recorded),
            findings: judgement.findings.iter().map(|finding| finding_figures(finding, history)).collect(),
            thresholds: super::thresholds::judged(recorded),
            operations: operations.into_iter().map(|(name, tally)| (name, tally.figures(secs))).collect(),
            phases,
            seconds: seconds.into_iter().map(|(at, second)| second.figures(at)).collect(),
            parts: part_figures(recorded, span, total.calls),
            driver: driver_figures(recorded),
            expectations: recorded.expectations.iter().map(expectation_figures).collect(),
            experiment: recorded_experiment_figures(history),
            hardening: super::hardening::figures(recorded),
            total,
        }
    }
}

/// Returns the start and the end of the measured phase, in microseconds of the run's clock.
fn measured_span(recorded: &Recorded) -> (u64, u64) {
    if let Some(driver) = &recorded.driver
        && driver.measured_until_us > driver.measured_from_us
    {
        return (driver.measured_from_us, driver.measured_until_us);
    }
    // A scenario or an experiment has no driver, so its phase lasts from the first to the last measured call.
    let measured = || recorded.history.measured();
    let from = measured().map(|op| op.invoke_us()).min().unwrap_or_default();
    (from, measured().map(|op| op.complete_us()).max().unwrap_or_default())
}

fn plan_figures(recorded: &Recorded) -> PlanFigures {
    let plan = &recorded.plan;
    let figures = PlanFigures {
        command: plan.command.clone(),
        seed: plan.seed,
        backend: plan.backend.name().to_owned(),
        subject: plan.subject.verb().to_owned(),
        title: String::new(),
        about: String::new(),
        workload: plan.subject.name().to_owned(),
        users: 0,
        organisations: 0,
        model: String::new(),
        warmup_secs: 0.0,
        duration_secs: 0.0,
        mix: BTreeMap::new(),
    };
    match &plan.subject {
        RunPurpose::Load(workload) => load_figures(figures, workload),
        RunPurpose::Scenario(script) => scenario_figures(figures, script, recorded),
        RunPurpose::Experiment(experiment) => experiment_figures(figures, experiment),
        RunPurpose::Hardening(hardening) => hardening_figures(figures, hardening, recorded),
    }
}

fn load_figures(figures: PlanFigures, workload: &Workload) -> PlanFigures {
    let weights: u32 = workload.mix.values().sum();
    PlanFigures {
        title: format!("{} under load", workload.name),
        about: people(workload.users, workload.organisations),
        users: workload.users,
        organisations: workload.organisations,
        model: model(workload),
        warmup_secs: workload.warmup.as_secs_f64(),
        duration_secs: workload.duration.as_secs_f64(),
        mix: workload
            .mix
            .iter()
            .map(|(name, weight)| (name.clone(), f64::from(*weight) * 100.0 / f64::from(weights.max(1))))
            .collect(),
        ..figures
    }
}

fn scenario_figures(figures: PlanFigures, script: &crate::plan::Script, recorded: &Recorded) -> PlanFigures {
    let callers = || recorded.history.measured();
    let users: BTreeSet<(&str, &str)> = callers().map(|op| (op.tenant(), op.user())).collect();
    let organisations: BTreeSet<&str> = callers().map(|op| op.tenant()).collect();
    PlanFigures {
        title: format!("scenario {}", script.name),
        about: script.about.clone(),
        users: users.len() as u32,
        organisations: organisations.len() as u32,
        model: "a sequence of calls".to_owned(),
        duration_secs: recorded.scenario.as_ref().map_or(0.0, |report| report.took_us as f64 / 1e6),
        ..figures
    }
}

fn hardening_figures(figures: PlanFigures, hardening: &Hardening, recorded: &Recorded) -> PlanFigures {
    PlanFigures {
        title: format!("hardening, {}", hardening.name),
        about: hardening.about.clone(),
        model: "requests that a stack must refuse".to_owned(),
        duration_secs: recorded.scenario.as_ref().map_or(0.0, |report| report.took_us as f64 / 1e6),
        ..figures
    }
}

/// Returns the faults of an experiment and the recovery of the stack; `None` for another kind of run.
fn recorded_experiment_figures(history: &History) -> Option<ExperimentFigures> {
    let happened = history.experiment()?;
    let recovery = harness_history::recovery::recovery(history, happened);
    let secs = |us: u64| us as f64 / 1e6;
    let faults = happened.faults.iter().map(|fault| FaultFigures {
        name: fault.name.clone(),
        from: secs(fault.active_us),
        until: fault.healed_us.map(secs),
        hits: fault.hits,
        counted_by: fault.counted_by.clone(),
    });
    let ways = happened.ways.iter().map(|way| EdgeFigures {
        name: format!("{} to {}", way.from, way.to),
        requests: way.requests,
        calls: way.calls,
    });
    Some(ExperimentFigures {
        faults: faults.collect(),
        detect_us: recovery.detect_us,
        first_success_us: recovery.first_success_us,
        steady_us: recovery.steady_us,
        ways: ways.collect(),
    })
}

fn experiment_figures(figures: PlanFigures, experiment: &crate::drive::experiment::Experiment) -> PlanFigures {
    let load = &experiment.load;
    let weights: u32 = load.mix.values().sum();
    PlanFigures {
        title: format!("{} ({})", experiment.name, experiment.id),
        about: experiment.about.clone(),
        users: load.users,
        organisations: load.organisations,
        model: format!("open, {}/s", load.rate),
        warmup_secs: 0.0,
        duration_secs: experiment.length().as_secs_f64(),
        mix: load
            .mix
            .iter()
            .map(|(name, weight)| (name.clone(), f64::from(*weight) * 100.0 / f64::from(weights.max(1))))
            .collect(),
        ..figures
    }
}

fn model(workload: &Workload) -> String {
    let model = match &workload.model {
        Model::Closed { think_time } if think_time.is_zero() => "closed, no think time".to_owned(),
        Model::Closed { think_time } => format!("closed, {} ms think time", think_time.as_millis()),
        Model::Open { stages } => {
            let parts = stages.iter().map(|stage| {
                let (from, to) = (stage.from_per_second, stage.to_per_second);
                let secs = stage.duration.as_secs_f64();
                if (from - to).abs() < f64::EPSILON {
                    format!("{to}/s for {secs} s")
                } else {
                    format!("{from}/s to {to}/s in {secs} s")
                }
            });
            format!("open, {}", parts.collect::<Vec<_>>().join(", then "))
        }
    };
    match &workload.beside {
        Some(SideArrivals { rate, users }) => {
            format!("{model}; plus {rate} arrivals/s by {}", counted(*users, "additional user", "additional users"))
        }
        None => model,
    }
}

fn expectation_figures(expectation: &harness_history::Expectation) -> ExpectationFigures {
    ExpectationFigures {
        at_us: expectation.at_us,
        expected: expectation.expected.clone(),
        verdict: expectation.verdict.name().to_owned(),
        seen: expectation.seen.clone(),
        ops: expectation.ops.clone(),
    }
}

fn surrounding_figures(recorded: &Recorded) -> SurroundingFigures {
    let surroundings = recorded.surroundings.clone();
    SurroundingFigures {
        started_at: surroundings.started_at,
        harness_version: surroundings.harness_version,
        part_versions: surroundings.part_versions,
        cores: surroundings.cores,
        memory_bytes: surroundings.memory_bytes,
        system: surroundings.system,
        stack_start_us: surroundings.stack_start_us,
    }
}

fn finding_figures(finding: &Finding, history: &History) -> FindingFigures {
    FindingFigures {
        check: finding.check.clone(),
        verdict: finding.verdict.name().to_owned(),
        summary: finding.summary.clone(),
        judged: finding.judged,
        violations: finding.violations,
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| EvidenceFigures {
                what: evidence.what.clone(),
                ops: evidence.ops.clone(),
                calls: evidence.ops.iter().take(MOST_CALLS).filter_map(|line| describe(*line, history)).collect(),
            })
            .collect(),
    }
}

/// Describes a call for people: operation, tenant, user, time and outcome.
fn describe(line: u64, history: &History) -> Option<String> {
    let op = history.get(line)?;
    let end = match op.outcome().error() {
        None => "ok".to_owned(),
        Some(kind) => kind.label(),
    };
    let (at, took) = (op.invoke_us() as f64 / 1e6, op.service_us() as f64 / 1e3);
    Some(format!(
        "line {line}: {} by {} of {} at {at:.3} s, {end} after {took:.1} ms",
        op.name(),
        op.user(),
        op.tenant()
    ))
}

fn part_figures(recorded: &Recorded, span: (u64, u64), calls: u64) -> BTreeMap<String, PartFigures> {
    let mut parts: BTreeMap<String, PartFigures> = BTreeMap::new();
    let mut last: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for sample in &recorded.samples {
        let figures = parts.entry(sample.part.clone()).or_default();
        figures.rss_peak_bytes = figures.rss_peak_bytes.max(sample.rss_bytes);
        if let Some((at_us, cpu_us)) = last.insert(&sample.part, (sample.at_us, sample.cpu_us)) {
            let (wall, cpu) = (sample.at_us.saturating_sub(at_us).max(1), sample.cpu_us.saturating_sub(cpu_us));
            figures.readings.push((sample.at_us as f64 / 1e6, cpu as f64 / wall as f64, sample.rss_bytes));
            // A sample that is partly outside the measured phase counts in proportion to its time inside.
            let inside = sample.at_us.min(span.1).saturating_sub(at_us.max(span.0));
            figures.cpu_us += (cpu as f64 * inside as f64 / wall as f64) as u64;
        }
    }
    let wall = span.1.saturating_sub(span.0).max(1);
    for figures in parts.values_mut() {
        figures.cores = figures.cpu_us as f64 / wall as f64;
        figures.cpu_us_per_1000_calls = figures.cpu_us as f64 * 1_000.0 / calls.max(1) as f64;
    }
    parts
}

fn driver_figures(recorded: &Recorded) -> Option<DriverFigures> {
    let driver = recorded.driver.as_ref()?;
    Some(DriverFigures {
        cpu_us: driver.cpu_us,
        cpu_secs_per_100k_calls: driver.cpu_us as f64 / 1e6 * 100_000.0 / driver.calls.max(1) as f64,
        cpu_peak: driver.cpu_peak,
        rss_peak_bytes: driver.rss_peak_bytes,
        planned_arrivals: driver.planned_arrivals,
        send_lag_us_p50: driver.send_lag_us_p50,
        send_lag_us_p99: driver.send_lag_us_p99,
    })
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Setup => "setup",
        Phase::Warmup => "warmup",
        Phase::Measured => "measured",
        Phase::Final => "final",
    }
}
