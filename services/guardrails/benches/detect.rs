//! Cost of detection per byte, for texts of three lengths and three kinds: clean, full of matches, and hostile (full of beginnings of matches).
//! A ratio near 1 between lengths shows that the time is linear in the text.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed step fails the benchmark")]

use mcp_contracts::guardrails::Detection;
use mcp_guardrails::detect::corpus::samples;
use mcp_guardrails::detect::{any, scan};
use std::hint::black_box;
use std::time::Instant;

const SIZES: [usize; 3] = [8 << 10, 64 << 10, 256 << 10];
const NOTES: &str = include_str!("../../../fixtures/corpora/on-call-notes.txt");
const CODE: &str = include_str!("../src/judge.rs");
/// Beginnings of matches that are the most expensive for each detector.
const HOSTILE: [(&str, &str); 10] = [
    ("names", "password token secret api_key = "),
    ("addresses", "a://b:c@"),
    ("prefixes", "ghp_AKIAeyJxoxb-sk-"),
    ("armour", "-----BEGIN PRIVATE KEY-----"),
    ("numbers", "+49 4539 1234-5678 1.2.3.4 "),
    ("signs of mail", "a@b.c@d.e@"),
    ("orders", "ignore forget all the previous system your if you are an ai "),
    ("comments", "<!--/*<!--/*!"),
    ("verbs", "DELETE FROM a WHERE b = 1 UPDATE a SET b = 1 WHERE "),
    ("base64", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0 "),
];

fn main() {
    // Cargo passes its own arguments, such as `--bench`.
    let clean = NOTES.to_owned() + CODE;
    let dense: String = samples().unwrap().iter().map(|sample| sample.text.clone() + "\n").collect();
    let base = row("clean", &clean, None);
    row("dense", &dense, Some(base));
    for (name, piece) in HOSTILE {
        row(name, piece, Some(base));
    }
    let text = filled(&clean, SIZES[0]);
    for detection in Detection::ALL {
        let cost = nanoseconds(|| any(&text, detection));
        println!("clean, 8 KiB, {:<18} {:>9.1} us", detection.name(), cost / 1e3);
    }
    let cost = nanoseconds(|| Detection::ALL.map(|detection| any(&text, detection)));
    println!("clean, 8 KiB, all four           {:>9.1} us (at most 300)", cost / 1e3);
}

/// Prints the cost per byte at each length and its growth; returns the cost at the shortest length.
fn row(name: &str, piece: &str, base: Option<f64>) -> f64 {
    let costs = SIZES.map(|size| {
        let text = filled(piece, size);
        nanoseconds(|| scan(&text, &Detection::ALL, 200)) / text.len() as f64
    });
    let beside = base.map_or(1.0, |base| costs[0] / base);
    println!(
        "{name:<14} {:>8.1} ns/byte, x{beside:<6.1} of clean; 64 KiB / 8 KiB {:>5.2}, 256 KiB / 8 KiB {:>5.2} (at most 1.5)",
        costs[0],
        costs[1] / costs[0],
        costs[2] / costs[0]
    );
    costs[0]
}

/// Repeats `piece` to about `size` bytes.
fn filled(piece: &str, size: usize) -> String {
    let mut text = piece.repeat(size / piece.len() + 1);
    let end = (0..=size).rev().find(|end| text.is_char_boundary(*end)).unwrap();
    text.truncate(end);
    text
}

/// Returns the median of several runs.
fn nanoseconds<T>(mut work: impl FnMut() -> T) -> f64 {
    const RUNS: usize = 15;
    black_box(work());
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64() * 1e9
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
