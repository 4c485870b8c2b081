//! Time and memory that it takes to judge the operations of an experiment, beside one plain pass over the same operations. Each check is timed alone
//! as well. The number of operations is the first argument, such as `cargo bench --bench judge -- 10000000`; without one it is a million. With a folder as
//! the second argument, it writes the operations there as `history.jsonl` instead, so that `harness check` can be timed on a copy of a run with that history.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first problem and prints its figures"
)]

#[path = "judge/load.rs"]
mod load;

use harness_history::check::{ALL, standing};
use harness_history::experiment::Promises;
use harness_history::{Criteria, HistoryBuilder, Metric, OpRef, Quota, Threshold, Verdict, judge};
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

/// Number of operations, if no argument has another.
const OPS: u64 = 1_000_000;
/// Longest time for judging 10 million operations, most memory of the whole process, and most memory that an operation takes (decision 0045). Of fewer
/// operations, the same share of the time.
const ALLOWED_S: f64 = 120.0;
const ALLOWED_OF: f64 = 10_000_000.0;
const ALLOWED_MIB: f64 = 2_048.0;
const ALLOWED_BYTES: f64 = 100.0;

fn main() {
    // Cargo passes its own arguments, such as `--bench`.
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(OPS);
    if let Some(folder) = std::env::args().find(|argument| std::path::Path::new(argument).is_dir()) {
        write(count, &std::path::Path::new(&folder).join("history.jsonl"));
        return;
    }
    let empty_mib = resident_mib();
    let (pack_s, builder) = timed(|| {
        let mut builder = HistoryBuilder::default();
        load::each_op(count, &mut |op| builder.push(op).unwrap());
        builder
    });
    println!("{count} operations, {:.0} bytes each while they are packed", builder.bytes() as f64 / count as f64);
    let (index_s, history) = timed(|| builder.finish().with_experiment(load::experiment()));
    let kept_mib = resident_mib() - empty_mib;
    let bytes = kept_mib * 1024.0 * 1024.0 / count as f64;
    println!("{kept_mib:.0} MiB with the indices, {bytes:.0} bytes for each, allowed {ALLOWED_BYTES}");
    let (pass_s, total) = timed(|| history.ops().map(OpRef::latency_us).sum::<u64>());
    black_box(total);
    let criteria = criteria(count);
    for check in ALL {
        let (took_s, finding) = timed(|| check.run(&history, &criteria));
        println!("  {:<30} {took_s:>7.3} s   {}", check.name, finding.map_or("-", |finding| finding.verdict.name()));
    }
    let (judge_s, findings) = timed(|| judge(&history, &criteria));
    let failed: Vec<&str> =
        findings.iter().filter(|it| it.verdict != Verdict::Pass).map(|it| it.check.as_str()).collect();
    assert!(failed.is_empty(), "checks that do not pass: {failed:?}");
    println!("make and pack                    {pack_s:>7.3} s");
    println!("plain pass                       {pass_s:>7.3} s");
    println!("index                            {index_s:>7.3} s");
    println!("judge, {} checks                 {judge_s:>7.3} s", findings.len());
    let all_s = index_s + judge_s;
    let allowed_s = ALLOWED_S * (count as f64 / ALLOWED_OF).max(0.1);
    println!(
        "index and judge                  {all_s:>7.3} s, allowed {allowed_s} s; {:.0} plain passes",
        all_s / pass_s
    );
    println!("memory at its peak               {:>7.0} MiB, allowed {ALLOWED_MIB} MiB", status_mib("VmHWM:"));
}

fn write(count: u64, path: &std::path::Path) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    load::each_op(count, &mut |op| {
        serde_json::to_writer(&mut file, op).unwrap();
        file.write_all(b"\n").unwrap();
    });
    file.flush().unwrap();
    println!("{count} operations in {}", path.display());
}

fn criteria(count: u64) -> Criteria {
    let bound = |metric, below| Threshold { operation: None, metric, below };
    let both = || vec![bound(Metric::ErrorRate, 0.05), bound(Metric::LatencyPercentile(99.0), 500_000.0)];
    let quota = |window_us, limit| Quota { tenant: load::tenant(0), operations: Vec::new(), limit, window_us };
    Criteria {
        thresholds: both(),
        most_gap_us: Some(1_000_000),
        users: Some(load::USERS as u32),
        quotas: vec![quota(None, count), quota(Some(1_000_000), count)],
        expectations: None,
        declared: std::collections::BTreeMap::new(),
        experiment: Some(Promises {
            least_hits: 1,
            rate_per_second: load::RATE as f64,
            least_baseline: 0.95,
            steady: both(),
            during: both(),
            after: both(),
            call_bound_us: 1_000_000,
            errors: vec!["http_503".to_owned()],
            readiness: load::readiness(),
            most_amplification: 1.5,
            recovery_us: 5_000_000,
            counters: load::counters(),
            in_force_us: Some(2_000_000),
            withdrawn: vec![load::WITHDRAWN.to_owned()],
            ..Promises::default()
        }),
        required: standing().map(str::to_owned).collect(),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed().as_secs_f64(), done)
}

/// Memory of this process now, in MiB.
fn resident_mib() -> f64 {
    status_mib("VmRSS:")
}

fn status_mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
