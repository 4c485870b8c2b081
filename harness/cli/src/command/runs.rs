//! `harness runs`: lists the runs of a folder, opens a report, or removes old runs.

use crate::arguments::{RunsAction, RunsArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::plan::run_dir;
use harness_core::plan::seal::Integrity;
use harness_core::run::runs::{self, RunEntry, RunState};
use harness_history::counted;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn run(arguments: &RunsArguments, context: &Context) -> Result<Exit, Failure> {
    match &arguments.action {
        RunsAction::List => list(&arguments.runs, context),
        RunsAction::Open { run } => open(run.as_deref(), &arguments.runs, context),
        RunsAction::Prune { keep, dry_run } => prune(*keep, *dry_run, &arguments.runs, context),
    }
}

fn list(folder: &Path, context: &Context) -> Result<Exit, Failure> {
    let entries = runs::list(folder);
    for entry in &entries {
        if context.output.json {
            context.print_json(&json!({
                "run": entry.id, "dir": entry.path, "state": entry.state.word(), "bytes": entry.bytes,
                "verdict": entry.reported.as_ref().map(|reported| &reported.verdict),
                "because": entry.reported.as_ref().map(|reported| &reported.because), "doubt": doubt(entry),
            }));
        } else {
            context.print(&line(entry));
        }
    }
    if entries.is_empty() {
        context.print_note(&format!("there is no run in `{}`\nhint: `harness gate` creates one", folder.display()));
    }
    Ok(Exit::Pass)
}

fn doubt(entry: &RunEntry) -> Option<String> {
    match &entry.state {
        RunState::Running => None,
        RunState::Recorded(integrity) => integrity.doubt(),
    }
}

fn line(entry: &RunEntry) -> String {
    let text = match (&entry.state, &entry.reported) {
        (RunState::Running, _) => "running".to_owned(),
        // The verdict in the report is not shown, because the report of a changed record proves nothing.
        (RunState::Recorded(Integrity::Unsealed | Integrity::Changed(_)), _) => {
            format!("{}: {}", entry.state.word(), doubt(entry).unwrap_or_default())
        }
        (RunState::Recorded(Integrity::Intact), Some(reported)) => {
            format!("{}: {}", reported.verdict, reported.because)
        }
        (RunState::Recorded(Integrity::Intact), None) => "no report; `harness report` writes it".to_owned(),
    };
    format!("{}  {:>6.1} MB  {text}", entry.id, entry.bytes as f64 / 1e6)
}

/// Opens the report of a run in the browser, and always prints its path.
fn open(run: Option<&Path>, folder: &Path, context: &Context) -> Result<Exit, Failure> {
    let report = directory(run, folder)?.join(run_dir::REPORT_HTML);
    let report = std::path::absolute(&report).unwrap_or(report);
    if !report.is_file() {
        return Err(Failure::usage(format!(
            "there is no report `{}`\nhint: `harness report RUN` writes it",
            report.display()
        )));
    }
    let opener = opener();
    let opened = opener.as_ref().is_some_and(|program| {
        let mut command = Command::new(program);
        // Its output is discarded, because stdout has only the path of the report.
        command.arg(&report).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    if context.output.json {
        context.print_json(&json!({ "event": "report", "report": report, "opened": opened }));
    } else {
        context.print(&report.display().to_string());
        if !opened {
            context.print_note("no browser was found; open the file yourself");
        }
    }
    Ok(Exit::Pass)
}

/// Returns the program that opens pages: `BROWSER` if it is set, otherwise the opener of the desktop.
fn opener() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("BROWSER").filter(|chosen| !chosen.is_empty()) {
        return Some(chosen.into());
    }
    let path = std::env::var_os("PATH")?;
    let programs = ["xdg-open", "open"];
    std::env::split_paths(&path)
        .flat_map(|folder| programs.map(|program| folder.join(program)))
        .find(|program| program.is_file())
}

fn prune(keep: Option<u32>, dry_run: bool, folder: &Path, context: &Context) -> Result<Exit, Failure> {
    let keep = keep.map_or_else(|| settings::load(None).map(|settings| settings.runs.keep), Ok)?;
    let keep = if keep == 0 { usize::MAX } else { keep as usize };
    let pruned = if dry_run { runs::surplus(folder, keep, &[]) } else { runs::prune(folder, keep, &[]) };
    if context.output.json {
        let kept: Vec<_> = pruned.kept.iter().map(|(run, why)| json!({ "dir": run, "why": why })).collect();
        context
            .print_json(&json!({ "event": "pruned", "dry_run": dry_run, "removed": pruned.removed, "spared": kept }));
    } else {
        let word = if dry_run { "would remove" } else { "removed" };
        pruned.removed.iter().for_each(|run| context.print(&format!("{word} {}", run.display())));
        pruned.kept.iter().for_each(|(run, why)| context.print(&format!("kept {}: {why}", run.display())));
        let word = if dry_run { "would be removed" } else { "removed" };
        context.print_note(&format!(
            "{} {word}; kept {} in addition to the newest",
            counted(pruned.removed.len(), "run", "runs"),
            counted(pruned.kept.len(), "run", "runs")
        ));
    }
    Ok(Exit::Pass)
}

/// Returns the directory of a run, which is named by its path or by its name in the folder. Without a name, it is the
/// newest run.
pub(crate) fn directory(run: Option<&Path>, folder: &Path) -> Result<PathBuf, Failure> {
    let Some(run) = run else {
        return runs::directories(folder).into_iter().next().ok_or_else(|| {
            Failure::usage(format!("there is no run in `{}`\nhint: `harness gate` creates one", folder.display()))
        });
    };
    let candidates = [run.to_owned(), folder.join(run)];
    candidates.into_iter().find(|path| runs::is_run(path)).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` is not the directory of a run\nhint: `harness runs list` lists the runs",
            run.display()
        ))
    })
}
