//! Runs plans and shows their results. Loads, scenarios, experiments and the gate share this code.

use crate::ci::{self, Annotation};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use crate::view::{columns, word};
use harness_core::drive::{Plan, RunPurpose};
use harness_core::plan::run_dir;
use harness_core::plan::settings::Settings;
use harness_core::report::terminal;
use harness_core::run::runs;
use harness_core::run::{RunOutcome, RunRequest, run as run_plan};
use harness_history::{Verdict, counted};
use owo_colors::OwoColorize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of the runs, and the number of runs to keep in it. [`Folder::open`] checks that it is writable, before anything starts.
pub(crate) struct Folder {
    path: PathBuf,
    keep: u32,
}

impl Folder {
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, Failure> {
        runs::prepare(path)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, keep: settings.runs.keep })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the oldest runs beyond the number to keep, except the runs of this command. If the number is 0, keeps
    /// all runs.
    pub(crate) fn keep_newest(&self, own: &[PathBuf], context: &Context) {
        if self.keep == 0 {
            return;
        }
        for (run, why) in runs::prune(&self.path, self.keep as usize, own).kept {
            context.print_note(&format!("kept {}: {why}", run.display()));
        }
    }
}

/// Marks the plans of one command as a batch, if there are several.
pub(crate) fn mark_batch<'p>(plans: impl ExactSizeIterator<Item = &'p mut Plan>) {
    let many = plans.len() > 1;
    let mut batch = None;
    for plan in plans {
        let first = batch.get_or_insert_with(|| plan.run_id.clone());
        plan.batch = many.then(|| first.clone());
    }
}

/// Runs a plan and shows its result.
pub(crate) fn execute(
    plan: Plan,
    secret: String,
    runs: &Path,
    context: &Context,
) -> Result<(Exit, RunOutcome), Failure> {
    // Printed before anything starts, so that a run that hangs or is killed can be repeated, too.
    if !context.output.json && !context.output.quiet {
        use std::io::Write;
        let _ = writeln!(anstream::stderr(), "seed {}, run {}", plan.seed, plan.run_id);
    }
    let scenario = match &plan.subject {
        RunPurpose::Load(_) | RunPurpose::Experiment(_) | RunPurpose::Hardening(_) => None,
        RunPurpose::Scenario(script) => scenarios::find(&script.name),
    };
    // Loads and experiments have figures. The requests of hardening checks are no load.
    let has_figures = matches!(&plan.subject, RunPurpose::Load(_) | RunPurpose::Experiment(_));
    let memory = settings::judge_memory()?;
    let catalogue = harness_harden::ALL;
    let (runs, executable) = (runs.to_owned(), context.executable.clone());
    let request = RunRequest { plan, scenario, catalogue, runs, executable, secret, memory };
    let outcome = context.runtime.block_on(Box::pin(run_plan(request, &context.view, &context.cancel)))?;
    show(&outcome, has_figures, context);
    let exit = if outcome.interrupted { Exit::Interrupted } else { outcome.judgement.verdict.into() };
    Ok((exit, outcome))
}

/// The result of one of several runs.
pub(crate) struct PlayedRun {
    /// `scenario` or `experiment`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) exit: Exit,
    /// Duration of the run, including the start and the stop of its stack.
    pub(crate) took: Duration,
    /// The outcome of the run, or the error that prevented a verdict.
    pub(crate) result: Result<RunOutcome, Failure>,
}

pub(crate) fn one(
    kind: &'static str,
    name: &str,
    about: &str,
    plan: Plan,
    secret: String,
    runs: &Path,
    context: &Context,
) -> PlayedRun {
    context.print_note(&format!("{} {about}", name.bold()));
    let start = Instant::now();
    let result = execute(plan, secret, runs, context);
    let (exit, result) = match result {
        Ok((exit, outcome)) => (exit, Ok(outcome)),
        Err(failure) => (failure.exit(), Err(failure)),
    };
    PlayedRun { kind, name: name.to_owned(), about: about.to_owned(), exit, took: start.elapsed(), result }
}

/// Ends a command: writes annotations for the CI, removes old runs, and prints a summary if there were several runs. If
/// there was one run, and it ended with an error, returns that error.
pub(crate) fn conclude(
    played: Vec<PlayedRun>,
    many: bool,
    folder: &Folder,
    context: &Context,
) -> Result<Exit, Failure> {
    publish(&played)?;
    let outcomes = played.iter().filter_map(|played| played.result.as_ref().ok());
    let own: Vec<PathBuf> = outcomes.map(|outcome| outcome.run_dir.clone()).collect();
    folder.keep_newest(&own, context);
    if many {
        summary(&played, context);
    } else if let Some(PlayedRun { result: Err(_), .. }) = played.first() {
        let first = played.into_iter().next().map(|played| played.result);
        return first.map_or(Ok(Exit::Internal), |result| result.map(|_| Exit::Internal));
    }
    Ok(Exit::merge(played.iter().map(|played| played.exit)))
}

/// Writes annotations and a summary for the CI.
fn publish(played: &[PlayedRun]) -> Result<(), Failure> {
    let failed = played.iter().filter(|played| played.exit != Exit::Pass);
    ci::annotate(failed.map(|played| Annotation {
        title: format!("{} {}: {}", played.kind, played.name, played.exit.word()),
        because: verdict_reason(&played.result),
    }));
    for outcome in played.iter().filter_map(|played| played.result.as_ref().ok()) {
        ci::summarise(&std::fs::read_to_string(outcome.run_dir.join(run_dir::REPORT_MARKDOWN))?)?;
    }
    Ok(())
}

fn verdict_reason(result: &Result<RunOutcome, Failure>) -> String {
    match result {
        Ok(outcome) => outcome.summary.because.clone(),
        Err(failure) => failure.to_string(),
    }
}

/// Prints one line for each run, with its verdict and its directory.
pub(crate) fn summary(played: &[PlayedRun], context: &Context) {
    for played in played {
        let (verdict, because, place) = match &played.result {
            Ok(outcome) => (
                word(outcome.judgement.verdict),
                outcome.summary.because.clone(),
                outcome.run_dir.display().to_string(),
            ),
            Err(failure) => ("error".red().bold().to_string(), failure.to_string(), String::new()),
        };
        if context.output.json {
            context.print_json(&serde_json::json!({
                "event": "played", played.kind: played.name, "exit": played.exit.number(),
                "took_ms": played.took.as_millis() as u64, "because": because, "run_dir": place,
            }));
        } else {
            let secs = played.took.as_secs_f64();
            context.print(format!("{:<20} {verdict:<8} {secs:>5.1} s  {because}  {place}", played.name).trim_end());
        }
    }
}

/// Returns the command as typed, but without `--seed`, because the plan adds the seed that was used.
pub(crate) fn command_line() -> String {
    let mut words = vec!["harness".to_owned()];
    // `harness plan load …` plans the command `harness load …`, so `plan` is dropped.
    let mut arguments = std::env::args().skip(1).skip_while(|argument| argument == "plan");
    while let Some(argument) = arguments.next() {
        if argument == "--seed" {
            arguments.next();
        } else if !argument.starts_with("--seed=") {
            words.push(quoted(&argument));
        }
    }
    words.join(" ")
}

pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn show(outcome: &RunOutcome, has_figures: bool, context: &Context) {
    let report = outcome.run_dir.join(run_dir::REPORT_HTML);
    if context.output.json {
        context.print_json(&serde_json::json!({
            "event": "result",
            "verdict": outcome.judgement.verdict,
            "interrupted": outcome.interrupted,
            "run_dir": outcome.run_dir,
            "report": report,
        }));
        return;
    }
    if !context.output.quiet {
        // A scenario makes few calls, and its expectations were printed while it ran.
        if has_figures {
            context.print("");
            terminal::lines(&outcome.summary, columns()).iter().for_each(|line| context.print(line));
            context.print("");
        }
        let omitted = outcome.summary.hardening.iter().flat_map(|hardening| &hardening.not_made);
        for group in omitted {
            let checks = counted(group.checks.len(), "check", "checks");
            context.print(&format!("omitted {checks} ({}): {}", group.state, group.why));
        }
        let plan = &outcome.summary.plan;
        context.print(&format!("report  {}", report.display()));
        if outcome.summary.hardening.is_some() && outcome.judgement.verdict != Verdict::Pass {
            context.print(&format!("fix     {}", outcome.run_dir.join(run_dir::FIX).display()));
        }
        context.print(&format!("repeat  {}", plan.command));
        let (word, because) = (word(outcome.judgement.verdict), &outcome.summary.because);
        return context.print(&format!("verdict {word}: {} {}, {because}", plan.subject, plan.workload));
    }
    context.print(&format!("verdict {}", word(outcome.judgement.verdict)));
}
