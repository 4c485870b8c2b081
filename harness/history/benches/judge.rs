//! Time and memory that it takes to judge a million operations of an experiment, beside one plain pass over the same operations. Each check is
//! timed alone as well.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first problem and prints its figures"
)]

#[path = "judge/load.rs"]
mod load;

use harness_history::check::{ALL, standing};
use harness_history::experiment::Promises;
use harness_history::{Criteria, History, Metric, Op, Quota, Threshold, Verdict, judge};
use std::hint::black_box;
use std::time::Instant;

/// Number of operations.
const OPS: u64 = 1_000_000;
/// Longest time for judging them, and most memory of the whole process.
const ALLOWED_S: f64 = 10.0;
const ALLOWED_MIB: f64 = 1024.0;

fn main() {
    // Cargo passes its own arguments, such as `--bench`.
    let ops = load::ops(OPS);
    let experiment = load::experiment();
    println!("{} operations of {} bytes each, {:.0} MiB with their contents", ops.len(), size_of::<Op>(), peak_mib());
    let (pass_s, total) = timed(|| ops.iter().map(Op::latency_us).sum::<u64>());
    black_box(total);
    let (index_s, history) = timed(|| ops.into_iter().collect::<History>().with_experiment(experiment));
    let criteria = criteria();
    for check in ALL {
        let (took_s, finding) = timed(|| check.run(&history, &criteria));
        println!("  {:<30} {took_s:>7.3} s   {}", check.name, finding.map_or("-", |finding| finding.verdict.name()));
    }
    let (judge_s, findings) = timed(|| judge(&history, &criteria));
    let failed: Vec<&str> =
        findings.iter().filter(|it| it.verdict != Verdict::Pass).map(|it| it.check.as_str()).collect();
    assert!(failed.is_empty(), "checks that do not pass: {failed:?}");
    println!("plain pass                       {pass_s:>7.3} s");
    println!("index                            {index_s:>7.3} s");
    println!("judge, {} checks                 {judge_s:>7.3} s", findings.len());
    let all_s = index_s + judge_s;
    println!(
        "index and judge                  {all_s:>7.3} s, allowed {ALLOWED_S} s; {:.0} plain passes",
        all_s / pass_s
    );
    println!("memory at its peak               {:>7.0} MiB, allowed {ALLOWED_MIB} MiB", peak_mib());
}

fn criteria() -> Criteria {
    let bound = |metric, below| Threshold { operation: None, metric, below };
    let both = || vec![bound(Metric::ErrorRate, 0.05), bound(Metric::LatencyPercentile(99.0), 500_000.0)];
    let quota = |window_us, limit| Quota { tenant: load::tenant(0), operations: Vec::new(), limit, window_us };
    Criteria {
        thresholds: both(),
        most_gap_us: Some(1_000_000),
        users: Some(load::USERS as u32),
        quotas: vec![quota(None, OPS), quota(Some(1_000_000), OPS)],
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

/// Peak memory of this process, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
