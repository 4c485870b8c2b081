//! Cost of a check, in absolute figures and as ratios within one run: 200 rules against 50, a hostile text against an ordinary one, a long
//! text against a short one, and the start with all built-in rules.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed step fails the benchmark")]

use mcp_contracts::Plan;
use mcp_contracts::guardrails::{ActionKind, ActionRequest};
use mcp_guardrails::judge::judge;
use mcp_guardrails::rules::{Library, Origin, Source, Subject, SubjectKind, baseline};
use nix::sys::resource::{UsageWho, getrusage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

const SIZE: usize = 8 << 10;
const CHECKS: usize = 4_000;
const NOTES: &str = include_str!("../../../fixtures/corpora/on-call-notes.txt");
const CODE: &str = include_str!("../src/judge.rs");

fn main() {
    // Cargo passes its own arguments, such as `--bench`.
    let start = Instant::now();
    let built_in = Library::build(&baseline::sources()).unwrap();
    let start = start.elapsed();
    let (small, large) = (library(50), library(200));
    let count = |library: &Library| library.common().set.for_plan(Plan::Enterprise, SubjectKind::Action).count();
    let ordinary = texts(SIZE, 1);
    let hostile = vec![hostile(SIZE)];
    let few = cost(&small, &ordinary);
    let many = cost(&large, &ordinary);
    println!("rules in the sets                     {:>10} and {}", count(&small), count(&large));
    println!("200 rules, 8 KiB, p50                 {:>10.1} us", many.at(0.5));
    println!("200 rules, 8 KiB, p99                 {:>10.1} us (at most 1,000)", many.at(0.99));
    println!("checks of one core                    {:>10.0} /s (at least 5,000)", 1e6 / many.cpu);
    println!("CPU of one check                      {:>10.1} us", many.cpu);
    println!("200 rules / 50 rules, CPU             {:>10.2}   (at most 2.50)", many.cpu / few.cpu);
    let worst = cost(&large, &hostile);
    println!("hostile / ordinary text, CPU          {:>10.2}   (at most 10)", worst.cpu / many.cpu);
    println!("hostile text, 8 KiB, p99              {:>10.1} us", worst.at(0.99));
    let long = cost(&large, &texts(16 * SIZE, 2));
    println!("16 x the text, CPU of a byte          {:>10.2}   (at most 1.30)", long.cpu / many.cpu / 16.0);
    let worst_long = cost(&large, &[self::hostile(16 * SIZE)]);
    println!("16 x the hostile text, CPU of a byte  {:>10.2}   (at most 1.30)", worst_long.cpu / worst.cpu / 16.0);
    println!(
        "start with the {} built-in rules      {:>10.1} ms (at most 60)",
        count(&built_in),
        start.as_secs_f64() * 1e3
    );
}

/// A set of `rules` action rules: the built-in ones, cut or extended with similar ones.
fn library(rules: usize) -> Library {
    let built_in = Library::build(&baseline::sources()).unwrap();
    let ids: Vec<String> = built_in
        .common()
        .set
        .for_plan(Plan::Enterprise, SubjectKind::Action)
        .map(|rule| rule.compiled.rule.id.clone())
        .collect();
    let mut text = String::new();
    if rules < ids.len() {
        let _ = writeln!(text, "off: [{}]", ids[rules..].join(", "));
    } else {
        text.push_str("category: more\nrules:\n");
        for number in 0..rules - ids.len() {
            let word = format!("{}{}", WORDS[number % WORDS.len()], number / WORDS.len());
            let _ = writeln!(
                text,
                "- id: MORE-{number:03}\n  title: No {word}\n  severity: low\n  when: {{ regex: '(?i)\\b{word}\\s*(?:=|\\()\\s*(?:true|none)\\b' }}\n  \
                 message: m{number}\n  remediation: r{number}\n  tests: {{ trips: ['{word} = true'], passes: ['{word} = 7'] }}"
            );
        }
    }
    let mut sources = baseline::sources();
    sources.push(Source { name: "more.yaml".into(), origin: Origin::Operator, text });
    Library::build(&sources).unwrap()
}

const WORDS: [&str; 12] = [
    "legacy_mode",
    "allow_all",
    "debug_route",
    "trust_proxy",
    "skip_audit",
    "raw_html",
    "open_admin",
    "weak_cipher",
    "no_lock",
    "force_sync",
    "dirty_read",
    "auto_approve",
];

/// Ordinary texts: distinct notes and code of about `size` bytes.
fn texts(size: usize, seed: u64) -> Vec<String> {
    let lines: Vec<&str> = NOTES.lines().chain(CODE.lines()).filter(|line| !line.is_empty()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut text = || {
        let mut text = String::with_capacity(size + 200);
        while text.len() < size {
            text.push_str(lines[random.random_range(0..lines.len())]);
            text.push('\n');
        }
        text
    };
    (0..32).map(|_| text()).collect()
}

/// A text with many words that rules search for, which breaks few rules.
fn hostile(size: usize) -> String {
    let words = "git push rm -r verify curl | sh chmod eval( requests.get(url, timeout=1) DROP TRUNCATE DELETE FROM select * from \
                 password token secret ingress 0.0.0.0/0 for x in y: except catch retries image: terraform kubectl delete LIKE float amount ";
    let mut text = words.repeat(size / words.len() + 1);
    text.truncate(size);
    text
}

struct Cost {
    sorted: Vec<f64>,
    cpu: f64,
}

impl Cost {
    fn at(&self, quantile: f64) -> f64 {
        self.sorted[((self.sorted.len() - 1) as f64 * quantile) as usize]
    }
}

fn cost(library: &Library, texts: &[String]) -> Cost {
    let requests: Vec<ActionRequest> = texts
        .iter()
        .map(|text| ActionRequest {
            action: ActionKind::Commit,
            intent: "orders: a refund is paid once".into(),
            files: vec!["src/orders.rs".into(), "src/refunds.rs".into()],
            text: Some(text.clone()),
        })
        .collect();
    let once =
        |request: &ActionRequest| black_box(judge(library.common(), Plan::Enterprise, &[Subject::of_request(request)]));
    requests.iter().for_each(|request| drop(once(request)));
    let checks = (CHECKS * SIZE / requests[0].text.as_deref().unwrap().len()).max(100);
    let before = cpu();
    let mut sorted: Vec<f64> = (0..checks)
        .map(|check| {
            let start = Instant::now();
            once(&requests[check % requests.len()]);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let cpu = (cpu() - before).as_secs_f64() * 1e6 / checks as f64;
    sorted.sort_by(f64::total_cmp);
    Cost { sorted, cpu }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time =
        |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec() as u32 * 1_000);
    time(usage.user_time()) + time(usage.system_time())
}
