//! `harness bench`: the price of each kind of call beside a bare HTTP reply of the same service in the same round, and which row became worse since
//! the last runs. Load goes to 127.0.0.1 only.

mod calls;
mod compared;
mod driver;
mod history;
mod round;
mod table;

use crate::arguments::BenchArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use calls::{CALLS, CONNECTIONS};
use harness_history::counted;
use history::EarlierRuns;
use round::{Round, Size};
use std::path::Path;
use std::process::{Command, Stdio};
use table::{BenchConditions, BenchRecord, BenchRow, Build, Goal, median};

pub(crate) fn run(arguments: &BenchArguments, context: &Context) -> Result<Exit, Failure> {
    // `--json` is an option of every command, which those of one command cannot name as a conflict.
    if context.output.json && arguments.markdown {
        return Err(Failure::usage("`--json` and `--markdown` are two forms of the same output; use one of them"));
    }
    if arguments.check {
        return check(context);
    }
    let history = (!arguments.no_history).then_some(arguments.history.as_path());
    let earlier = history.map_or_else(|| Ok(EarlierRuns::default()), prepare)?;
    let rounds = arguments.rounds;
    let mut record = started(rounds);
    if record.conditions.build == Build::Debug {
        context.print_note("this is a debug build: its figures mean little; `make bench` builds a release");
    }
    let mut measured = Vec::new();
    for round in 1..=rounds {
        context.print_note(&format!("round {round} of {rounds}"));
        measured.push(context.runtime.block_on(round::measure(context, Size::Whole))?);
    }
    fill(&mut record, &measured);
    record.compared = history::compare(&record, &earlier);
    if let Some(path) = history {
        history::append(path, &record).map_err(|error| unusable(path, &error))?;
    }
    show(&record, arguments, context);
    Ok(if arguments.fail_if_worse && !record.compared.worse.is_empty() { Exit::Fail } else { Exit::Pass })
}

/// Proves that every call of the bench still gets the reply that it expects. The tests run it, because nothing else runs the bench before a release.
fn check(context: &Context) -> Result<Exit, Failure> {
    context.runtime.block_on(round::measure(context, Size::Check))?;
    let names = CALLS.map(|call| call.name);
    if context.output.json {
        context.print_json(&serde_json::json!({ "checked": names }));
    } else {
        context.print(&format!("every reply was as expected: {}", names.join(", ")));
    }
    Ok(Exit::Pass)
}

/// Reads the earlier runs, and checks that another one can be written, before anything starts.
fn prepare(path: &Path) -> Result<EarlierRuns, Failure> {
    history::open(path).and_then(|_| history::read(path)).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "cannot read or write the history `{}`: {error}\nhint: choose another file with `--history`, or use `--no-history`",
        path.display()
    ))
}

/// Returns a record without figures. The load of the machine is that before the first stack starts.
fn started(rounds: u32) -> BenchRecord {
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    BenchRecord {
        commit: commit(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        conditions: BenchConditions {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            load: load.and_then(|text| text.split(' ').next()?.parse().ok()),
            build: Build::CURRENT,
            rounds,
            connections: CONNECTIONS,
            ready_ms: 0.0,
        },
        rows: Vec::new(),
        compared: compared::Compared::default(),
    }
}

fn fill(record: &mut BenchRecord, rounds: &[Round]) {
    record.conditions.ready_ms = median(rounds.iter().map(|round| round.ready.as_secs_f64() * 1e3));
    let row = |(index, call): (usize, &calls::BenchCall)| {
        let pairs: Vec<_> = rounds.iter().map(|round| round.prices[index]).collect();
        BenchRow::of(call.name, &pairs)
    };
    record.rows = CALLS.iter().enumerate().map(row).collect();
}

/// Returns the revision of the checkout in the working directory, with `-dirty` if it has changes.
fn commit() -> Option<String> {
    let describe = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    let output = Command::new("git").args(describe).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn goal(name: &str) -> Goal {
    CALLS.iter().find(|call| call.name == name).map_or(Goal::NONE, |call| call.goal)
}

fn show(record: &BenchRecord, arguments: &BenchArguments, context: &Context) {
    if context.output.json {
        context.print_json(record);
        return;
    }
    if arguments.markdown {
        context.print(&record.markdown(goal));
    } else if !context.output.quiet {
        context.print(&record.text(goal));
    }
    if arguments.no_history {
        return;
    }
    let conditions = &record.conditions;
    let kind = format!("a {} build on {}", conditions.build.name(), counted(conditions.cores, "core", "cores"));
    let compared = record.compared.text(&kind);
    // The block of a document must be the whole output.
    if arguments.markdown {
        context.print_note(&compared)
    } else {
        context.print(&compared)
    }
    for line in &record.compared.unreadable_lines {
        context.print_note(&format!(
            "line {line} of `{}` is not a record of a run and was skipped",
            arguments.history.display()
        ));
    }
}
