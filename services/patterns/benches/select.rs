//! Cost of a selection from 1,000 patterns, in absolute figures and as ratios within one run.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed step fails the benchmark")]

use mcp_contracts::Plan;
use mcp_kit::data::{DataFile, FolderData};
use mcp_patterns::catalog::Catalog;
use mcp_patterns::score::{self, Histories, History, Query};
use nix::sys::resource::{UsageWho, getrusage};
use std::time::{Duration, Instant};

const ROUNDS: usize = 2_000;
const INTENTS: [&str; 5] = [
    "production is down and I was just paged",
    "review my pull request for security holes and missing tests",
    "add a column to a big table without downtime",
    "write a blameless postmortem of yesterday's outage",
    "our cloud bill is too high",
];

fn main() {
    // Arguments are ignored, because cargo passes its own, such as `--bench`.
    let (small, large) = (catalog(100), catalog(1_000));
    let history = History { uses: 20, good: 13 };
    let histories: Histories = large.patterns().iter().map(|pattern| (pattern.detail.id.clone(), history)).collect();
    let none = Histories::new();
    let (of_100, _, _) = measure(&small, &none, &INTENTS);
    let (of_1000, p99, cpu) = measure(&large, &none, &INTENTS);
    let (with_history, _, _) = measure(&large, &histories, &INTENTS);
    let longest: String = large.patterns()[0..5].iter().map(|pattern| pattern.template.plain()).collect();
    let (of_longest, _, _) = measure(&large, &histories, &[&longest[..longest.floor_char_boundary(4_096)]]);
    println!("selection over 1,000 patterns, median     {of_1000:>8.1} us   (at most 200)");
    println!("selection over 1,000 patterns, p99        {p99:>8.1} us");
    println!("CPU of one selection over 1,000           {cpu:>8.1} us");
    println!("1,000 patterns / 100 patterns             {:>8.2}      (at most 12)", of_1000 / of_100);
    println!("with history / without                    {:>8.2}      (at most 2.50)", with_history / of_1000);
    println!("an intent of 4 KiB, with history, median  {of_longest:>8.1} us");
}

/// Returns a catalogue of copies of the built-in patterns. The copies have new ids, and a third of their words is new.
fn catalog(count: usize) -> Catalog {
    let built_in = Catalog::built_in().unwrap();
    let mut file = String::from("category: bench\npatterns:\n");
    for (number, pattern) in built_in.patterns().iter().cycle().take(count).enumerate() {
        let detail = &pattern.detail;
        file.push_str(&format!("  - id: {}-{number}\n    title: \"{} {number}\"\n", detail.id, detail.title));
        file.push_str(&format!(
            "    summary: \"{}\"\n    tags: [{}, own-{number}]\n",
            detail.summary,
            detail.tags.join(", ")
        ));
        file.push_str(&format!("    roles: [{}]\n    level: {}\n", detail.roles.join(", "), detail.level.name()));
        file.push_str("    plan: free\n    body: |\n");
        for line in pattern.template.plain().lines().map(str::trim).filter(|line| !line.is_empty()) {
            file.push_str(&format!("      {line} w{number}\n"));
        }
    }
    Catalog::from_files(vec![DataFile { name: "bench.yaml".to_owned(), text: file }]).unwrap()
}

/// Returns median and 99th percentile of the duration of a selection, and its CPU time, in microseconds.
fn measure(catalog: &Catalog, histories: &Histories, intents: &[&str]) -> (f64, f64, f64) {
    let mut times = Vec::with_capacity(ROUNDS);
    let before = cpu();
    for round in 0..ROUNDS {
        let query = Query {
            intent: intents[round % intents.len()],
            role: "sre",
            category: None,
            recent: &[],
            plan: Plan::Enterprise,
            limit: 3,
        };
        let start = Instant::now();
        let selected = score::select(catalog, &query, histories);
        times.push(start.elapsed().as_secs_f64() * 1e6);
        assert_eq!(selected.patterns.len(), 3);
    }
    let cpu = (cpu() - before).as_secs_f64() * 1e6 / ROUNDS as f64;
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], times[ROUNDS * 99 / 100], cpu)
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time =
        |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec() as u32 * 1_000);
    time(usage.user_time()) + time(usage.system_time())
}
