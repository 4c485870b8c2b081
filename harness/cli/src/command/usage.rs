//! `harness usage`: what organisations spent on models, from the logs of the orchestrator.

mod tally;

use crate::arguments::UsageArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_history::counted;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;
use tally::{Line, Tally, TallyError};

/// Longest line that is read; the log of a service has no longer ones. The rest of a longer line counts as a line that is no JSON.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// Micro-dollars of a dollar.
const MICRO: f64 = 1e6;

pub(crate) fn run(arguments: &UsageArguments, context: &Context) -> Result<Exit, Failure> {
    if let (Some(since), Some(until)) = (arguments.since, arguments.until)
        && since > until
    {
        return Err(Failure::usage(format!("`--since {since}` is after `--until {until}`")));
    }
    let prices = settings::load(arguments.settings.as_deref())?.usage.prices;
    let mut tally = Tally::new(prices, arguments.since..=arguments.until);
    for file in &arguments.files {
        let source: Box<dyn Read> = if file == Path::new("-") { Box::new(stdin()) } else { Box::new(open(file)?) };
        let lines = read(source, &mut tally).map_err(|why| unreadable(file, &why))?;
        if lines.no_json > 0 && lines.logged == 0 {
            return Err(Failure::usage(format!(
                "`{}` is not a log of a service: none of its {} lines is a JSON object with `timestamp` and `service`\nhint: give files of the orchestrator's `LOG_DIR`, or what it wrote to stdout",
                file.display(),
                lines.no_json
            )));
        }
        if lines.no_json > 0 {
            context.print_note(&format!(
                "`{}`: {}",
                file.display(),
                counted(
                    lines.no_json,
                    "line is no log line and does not count",
                    "lines are no log lines and do not count"
                )
            ));
        }
    }
    show(&tally, context);
    Ok(Exit::Pass)
}

fn open(file: &Path) -> Result<File, Failure> {
    let opened = File::open(file).map_err(|error| unreadable(file, &error.to_string()))?;
    if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(unreadable(file, "it is a folder; name its files"));
    }
    Ok(opened)
}

fn unreadable(file: &Path, why: &str) -> Failure {
    Failure::usage(format!("the log `{}` cannot be summed up: {why}", file.display()))
}

/// How many lines a file has.
#[derive(Default)]
struct Lines {
    logged: u64,
    no_json: u64,
}

fn read(source: Box<dyn Read>, tally: &mut Tally) -> Result<Lines, String> {
    let (mut reader, mut lines, mut bytes) = (BufReader::new(source), Lines::default(), Vec::new());
    loop {
        bytes.clear();
        let length =
            reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).map_err(|error| error.to_string())?;
        if length == 0 {
            return Ok(lines);
        }
        match tally.add(&bytes).map_err(|error: TallyError| error.to_string())? {
            Line::Logged => lines.logged += 1,
            Line::Foreign => lines.no_json += 1,
            Line::Blank => {}
        }
    }
}

fn show(tally: &Tally, context: &Context) {
    if context.output.json {
        for (group, sum) in tally.groups() {
            context.print_json(&json!({
                "organisation": group.organisation, "plan": group.plan, "model": group.model, "calls": sum.calls,
                "prompt_tokens": sum.prompt_tokens, "completion_tokens": sum.completion_tokens,
                "cost_micro_usd": sum.cost_micro_usd, "priced_by": if group.priced { "settings" } else { "log" },
            }));
        }
        return;
    }
    let total = tally.total();
    if total.calls == 0 {
        context.print("no call to a model was paid in these logs");
        return;
    }
    context.print(&format!(
        "{:<24} {:<10} {:<20} {:>8} {:>14} {:>14} {:>12}",
        "organisation", "plan", "model", "calls", "prompt tokens", "completion", "cost, USD"
    ));
    let line = |organisation: &str, plan: &str, model: &str, sum: &tally::Sum| {
        format!(
            "{organisation:<24} {plan:<10} {model:<20} {:>8} {:>14} {:>14} {:>12.6}",
            sum.calls,
            sum.prompt_tokens,
            sum.completion_tokens,
            sum.cost_micro_usd as f64 / MICRO
        )
    };
    for (group, sum) in tally.groups() {
        context.print(&line(&group.organisation, &group.plan, &group.model, sum));
    }
    context.print(&line("total", "", "", &total));
}
