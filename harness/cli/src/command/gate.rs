//! `harness gate`: runs the scenarios, the load, the experiments and the hardening checks of a profile, on stacks of its own or on a running one,
//! and returns one verdict with its reasons. If a step fails, the later steps still run. The gate writes one page for all its runs,
//! and annotations for the CI.

mod phases;
mod snapshots;

use super::play::{self, Folder, PlayedRun, command_line};
use super::store::with_defaults;
use crate::arguments::GateArguments;
use crate::ci::{self, Annotation};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use crate::view::tone;
use harness_core::plan::settings::FILE;
use harness_core::plan::{run_dir, seal};
use harness_core::report::gate::record as gate;
use harness_core::report::gate::record::{GateRecord, PhaseKind, PhaseRecord, RunEnd, RunRecord};
use harness_core::report::gate::{GateSummary, Summaries, write, write_again};
use harness_core::run::runs;
use phases::{Phases, Step};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(arguments: &GateArguments, context: &Context) -> Result<Exit, Failure> {
    let settings = settings::load(arguments.settings.as_deref())?;
    let profile = phases::profile_name(arguments, &settings);
    let seed = arguments.record.seed.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let (store, instances) = with_defaults(&arguments.store, &arguments.instances, &arguments.place, &settings);
    let arguments = &GateArguments { store, instances, ..arguments.clone() };
    let phases = Phases::resolve(settings.gate(profile), arguments, seed, context)?;
    let files = &settings.gate(profile).snapshot.files;
    if phases.is_empty() && files.is_empty() {
        return Err(Failure::usage(format!(
            "the profile `{}` has no phase\nhint: add snapshots, scenarios, a load, experiments or hardening to `{FILE}`",
            profile.name()
        )));
    }
    let folder = Folder::open(&arguments.record.runs, &settings)?;
    let mut record = GateRecord {
        run_id: GateRecord::fresh_id(profile.name()),
        command: format!("{} --seed {seed}", command_line()),
        seed,
        profile: profile.name().to_owned(),
        started_at: jiff::Timestamp::now().to_string(),
        took_ms: 0,
        interrupted: false,
        phases: Vec::new(),
    };
    let dir = folder.path().join(&record.run_id);
    std::fs::create_dir_all(gate::runs(&dir))?;
    // Without the lock, another harness could remove the directory as an old run.
    let lock = runs::Lock::take(&dir)?;
    context.print_note(&format!("seed {seed}, gate {}", record.run_id));
    let began = Instant::now();
    let compared = snapshots::compare(files, &mut record, context);
    let has_runs = !phases.is_empty();
    let (played, summaries) = play_all(phases, &dir, &mut record, context);
    let exit = Exit::merge(compared.into_iter().chain(has_runs.then_some(played)));
    record.took_ms = began.elapsed().as_millis() as u64;

    // Sealed before the reports are written, because reports are derived and not part of the record (decision 0017).
    let recorded = record.write(&dir).and_then(|()| seal::seal(&dir));
    let unrecorded =
        |why: String| Failure::unknown(format!("the gate cannot be recorded in `{}`: {why}", dir.display()));
    recorded.map_err(|error| unrecorded(error.to_string()))?;
    let summary = write(&dir, &record, &summaries).map_err(|error| unrecorded(error.to_string()))?;
    drop(lock);
    publish(&summary, &dir)?;
    show(&summary, exit, &dir, context);
    folder.keep_newest(&[dir], context);
    Ok(exit)
}

/// Judges a recorded gate again and prints the result.
pub(crate) fn again(dir: &Path, context: &Context) -> Result<Exit, Failure> {
    let summary = write_again(dir, settings::judge_memory()?)?;
    let exit = match summary.verdict.as_str() {
        "pass" => Exit::Pass,
        "fail" => Exit::Fail,
        "interrupted" => Exit::Interrupted,
        "error" => Exit::Stack,
        _ => Exit::Unknown,
    };
    show(&summary, exit, dir, context);
    Ok(exit)
}

/// Runs every step in order. After an interrupt, or if a stack does not start, the remaining steps are recorded as not run: the next stack would
/// not start either.
fn play_all(phases: Phases, dir: &Path, record: &mut GateRecord, context: &Context) -> (Exit, Summaries) {
    let (mut exits, mut summaries, mut stop) = (Vec::new(), Summaries::new(), None);
    for (kind, steps) in phases.0 {
        let mut runs = Vec::new();
        for step in steps {
            if context.cancel.is_cancelled() {
                record.interrupted = true;
                stop.get_or_insert_with(|| "the gate was interrupted".to_owned());
            }
            if let Some(why) = &stop {
                // A run that was not started proves nothing.
                exits.push(Exit::Unknown);
                runs.push(not_run(step, why));
                continue;
            }
            let played = one(kind, step, dir, context);
            exits.push(played.exit);
            if played.exit == Exit::Stack {
                stop = Some(format!("the stack did not start for {}", played.name));
            }
            runs.push(recorded(played, &mut summaries));
        }
        if !runs.is_empty() {
            record.phases.push(PhaseRecord { kind, runs });
        }
    }
    if context.cancel.is_cancelled() {
        record.interrupted = true;
        exits.push(Exit::Interrupted);
    }
    (Exit::merge(exits), summaries)
}

fn one(kind: PhaseKind, step: Step, dir: &Path, context: &Context) -> PlayedRun {
    play::one(kind.one(), &step.name, &step.about, step.plan, step.secret, &gate::runs(dir), context)
}

fn not_run(step: Step, why: &str) -> RunRecord {
    RunRecord { name: step.name, about: step.about, took_ms: 0, end: RunEnd::NotRun { why: why.to_owned() } }
}

fn recorded(played: PlayedRun, summaries: &mut Summaries) -> RunRecord {
    let end = match played.result {
        Ok(outcome) => {
            let name = outcome.run_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            summaries.insert(name.clone(), outcome.summary);
            RunEnd::Recorded(name)
        }
        Err(failure) => RunEnd::Failed { exit: played.exit.number(), why: failure.to_string() },
    };
    RunRecord { name: played.name, about: played.about, took_ms: played.took.as_millis() as u64, end }
}

/// Writes annotations and a summary for the CI.
fn publish(summary: &GateSummary, dir: &Path) -> Result<(), Failure> {
    ci::annotate(summary.reasons.iter().map(|reason| Annotation {
        title: format!("{} {}: {}", reason.phase, reason.name, reason.verdict),
        because: reason.because.clone(),
    }));
    ci::summarise(&std::fs::read_to_string(dir.join(run_dir::REPORT_MARKDOWN))?)
}

/// Prints the result of the gate. The last line is complete on its own, so that it can be pasted into a chat.
fn show(summary: &GateSummary, exit: Exit, dir: &Path, context: &Context) {
    let report = dir.join(run_dir::REPORT_HTML);
    if context.output.json {
        context.print_json(&serde_json::json!({
            "event": "gate", "exit": exit.number(), "verdict": summary.verdict, "because": summary.because,
            "reasons": summary.reasons, "run_dir": dir, "report": report,
        }));
        return;
    }
    if !context.output.quiet {
        context.print("");
        for phase in &summary.phases {
            let passed = format!("{} of {} pass", phase.passed, phase.runs.len());
            context.print(&format!("{:<11} {passed:<15} {:>6.1} s", phase.name, phase.took_secs));
        }
        for reason in &summary.reasons {
            context.print(&format!("  {} {}: {}", tone(&reason.verdict), reason.name, reason.because));
        }
        context.print(&format!("report  {}", report.display()));
    }
    context.print(&format!(
        "gate    {} {} in {:.0} s, seed {}",
        summary.profile,
        tone(&summary.verdict),
        summary.took_secs,
        summary.seed
    ));
}
