//! `harness gate`: may this go on? The scenarios, the load and the experiments of a profile, on the embedded default; a failed step does not
//! keep the others from being run. One verdict with its reasons; where the CI shows a summary, it gets ours.

mod phases;

use super::play::Played;
use super::{chaos, load, play, scenario};
use crate::arguments::GateArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::report::summary::because;
use harness_core::run::RunOutcome;
use harness_core::run_dir;
use harness_core::settings::FILE;
use phases::Phases;
use std::io::Write;

pub(crate) fn run(arguments: &GateArguments, context: &Context) -> Result<Exit, Failure> {
    let settings = settings::load(arguments.settings.as_deref())?;
    let profile = phases::profile_name(arguments, &settings);
    let seed = arguments.seed.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let phases = Phases::resolve(settings.gate(profile), arguments, seed, context)?;
    if phases.is_empty() {
        return Err(Failure::usage(format!(
            "the profile `{}` has no phase\nhint: name scenarios, a load or experiments in `{FILE}`",
            profile.name()
        )));
    }
    context.tell(&format!("gate {}, seed {seed}", profile.name()));

    let mut played = scenario::play(phases.scenarios, &arguments.runs, context);
    if let Some((plan, secret)) = phases.load
        && goes_on(&played, context)
    {
        let (name, about) = (format!("load {}", plan.subject.name()), "the stack under load");
        played.push(play::one("load", &name, about, plan, secret, &arguments.runs, context));
    }
    if goes_on(&played, context) {
        played.extend(chaos::play(phases.experiments, &arguments.runs, context));
    }

    play::summary(&played, context);
    let mut reasons = Vec::new();
    played.iter().for_each(|played| reason(&played.name, played.exit, &played.result, &mut reasons));
    let exit = Exit::merge(played.iter().map(|played| played.exit));
    summarise(exit, &reasons, played.iter().filter_map(|played| played.result.as_ref().ok()))?;
    if context.output.json {
        context.print_json(&serde_json::json!({ "event": "gate", "exit": exit.number(), "reasons": reasons }));
    } else {
        reasons.iter().for_each(|reason| context.print(&format!("  {reason}")));
        context.print(&format!("gate    {}", exit.word()));
    }
    Ok(exit)
}

/// A failed step does not keep the others from being run; a stack that does not come up does, and so does an interrupt.
fn goes_on(played: &[Played], context: &Context) -> bool {
    !context.cancel.is_cancelled() && played.iter().all(|played| played.exit != Exit::Stack)
}

/// Why a step does not let the change pass, if it does not.
fn reason(name: &str, exit: Exit, result: &Result<RunOutcome, Failure>, reasons: &mut Vec<String>) {
    match result {
        Ok(_) if exit == Exit::Pass => {}
        Ok(outcome) => reasons.push(format!("{name}: {}", because(&outcome.judgement))),
        Err(failure) => reasons.push(format!("{name}: {failure}")),
    }
}

/// The summary of a CI job: the verdict, and the report of every run.
fn summarise<'a>(exit: Exit, reasons: &[String], runs: impl Iterator<Item = &'a RunOutcome>) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let mut text = format!("# Gate: {}\n\n", exit.word());
    reasons.iter().for_each(|reason| text.push_str(&format!("- {}\n", reason.replace(['\n', '<', '`'], " "))));
    for run in runs {
        text.push('\n');
        text.push_str(&std::fs::read_to_string(run.run_dir.join(run_dir::REPORT_MARKDOWN))?);
    }
    std::fs::File::options().create(true).append(true).open(path)?.write_all(text.as_bytes())?;
    Ok(())
}
