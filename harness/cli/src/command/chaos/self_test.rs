//! `harness chaos self-test`: measures how accurately the proxy injects faults on this machine.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use owo_colors::OwoColorize;
use serde_json::json;

pub(super) fn run(seed: Option<u64>, context: &Context) -> Result<Exit, Failure> {
    let seed = seed.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    context.print_note(&format!("seed {seed}; this takes about 15 s"));
    let rows = context.runtime.block_on(harness_core::fidelity::measure(seed));
    for row in &rows {
        if context.output.json {
            context.print_json(
                &json!({ "check": row.check, "expected": row.expected, "measured": row.measured, "holds": row.holds }),
            );
        } else {
            let word = if row.holds { "holds".green().to_string() } else { "violated".red().bold().to_string() };
            context.print(&format!("{:<44} {word:<9} {}; expected {}", row.check, row.measured, row.expected));
        }
    }
    Ok(if rows.iter().all(|row| row.holds) { Exit::Pass } else { Exit::Fail })
}
