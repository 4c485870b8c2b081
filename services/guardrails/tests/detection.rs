//! The detectors are held to what they reached on the labelled texts, and to laws that hold for every text.

use mcp_contracts::guardrails::{Detection, Match, Severity};
use mcp_guardrails::detect::corpus::samples;
use mcp_guardrails::detect::measure::{SampleSet, figures, report};
use mcp_guardrails::detect::{any, detections_in, redact, scan};
use proptest::prelude::*;

fn all(text: &str) -> Vec<Match> {
    scan(text, &Detection::ALL, usize::MAX).matches
}

fn kinds(text: &str, detection: Detection) -> Vec<String> {
    scan(text, &[detection], usize::MAX).matches.into_iter().map(|found| found.kind).collect()
}

#[test]
fn the_detectors_find_what_is_there_and_seldom_what_is_not() {
    for of in figures().unwrap() {
        // One text of a detection's own that is held out is 0.03 of them.
        let (recall, alarms, hard) = match of.part {
            SampleSet::All => (0.97, 0.01, 0.02),
            SampleSet::HeldOut => (0.96, 0.01, 0.04),
        };
        assert!(of.recall() >= recall, "{of:#?}");
        assert!(of.false_positive_rate() <= alarms, "{of:#?}");
        assert!(of.hard_false_positive_rate() <= hard, "{of:#?}");
    }
}

#[test]
fn the_report_says_the_same_as_a_table_and_as_json() {
    let json: serde_json::Value = serde_json::from_str(&report(true).unwrap()).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 2 * Detection::ALL.len());
    let table = report(false).unwrap();
    for row in rows {
        let recall = format!("{:.3}", row["recall"].as_f64().unwrap());
        let name = row["detection"].as_str().unwrap();
        assert!(table.lines().any(|line| line.starts_with(name) && line.contains(&recall)), "{row}\n{table}");
    }
}

#[test]
fn every_entry_point_reports_the_same_places_of_the_corpus() {
    for sample in samples().unwrap() {
        let scanned = all(&sample.text);
        let kinds = detections_in(&sample.text);
        for detection in Detection::ALL {
            let there = scanned.iter().any(|found| found.detection == detection);
            assert_eq!(any(&sample.text, detection), there, "{}: {detection:?}", sample.id);
            assert_eq!(kinds.iter().any(|(of, _)| *of == detection), there, "{}: {detection:?}", sample.id);
        }
    }
}

#[test]
fn a_masked_text_of_the_corpus_no_longer_holds_what_was_found() {
    for sample in samples().unwrap() {
        let matches = all(&sample.text);
        let masked = redact(&sample.text, &matches);
        for found in &matches {
            let secret = &sample.text[found.start..found.end];
            assert!(!masked.contains(secret), "{}: {secret}", sample.id);
            assert!(found.preview.chars().count() <= 5, "{}", sample.id);
        }
        let secrets = |text: &str| kinds(text, Detection::Secret);
        assert!(secrets(&masked).is_empty(), "{}: {masked}", sample.id);
    }
}

#[test]
fn the_first_matches_are_reported_in_text_order_and_the_rest_is_counted() {
    let text = "DROP TABLE a;\nana.lima@mailbox.org\nDROP TABLE b;\n";
    let scanned = scan(text, &Detection::ALL, 2);
    let matches: Vec<_> = scanned.matches.iter().map(|found| (found.kind.as_str(), found.line)).collect();
    assert_eq!((matches, scanned.truncated), (vec![("drop_table", 1), ("email", 2)], true));
    let whole = scan(text, &Detection::ALL, 3);
    assert_eq!((whole.matches.len(), whole.truncated), (3, false));
}

#[test]
fn only_the_requested_detections_run() {
    let text = "DROP TABLE a; -- ana.lima@mailbox.org";
    assert_eq!(scan(text, &[], 9).matches, []);
    assert_eq!(kinds(text, Detection::Pii), ["email"]);
    assert_eq!(kinds(text, Detection::DestructiveSql), ["drop_table"]);
}

#[test]
fn credentials_are_more_severe_than_personal_data() {
    let worst = |text: &str| all(text).into_iter().map(|found| found.severity).max();
    assert_eq!(worst("postgres://app:Xk29vQ7tLmPz4w@db.shop.io/app"), Some(Severity::Critical));
    assert_eq!(worst("ana.lima@mailbox.org"), Some(Severity::Medium));
    assert_eq!(worst("from 84.137.209.61"), Some(Severity::Low));
}

/// Pieces that detectors look for, so that texts come near to what they read.
const PIECES: [&str; 44] = [
    "password",
    " = ",
    "\"",
    "'",
    "`",
    "://",
    "@",
    ":",
    "user",
    "Xk29vQ7tLmPz4w",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "eyJ",
    ".",
    "Bearer ",
    "-u ",
    "AKIA",
    "ghp_",
    "é",
    "\u{200b}",
    "\u{e0041}",
    "\u{202e}",
    "忽略",
    "之前",
    "指令",
    "ignore",
    " all ",
    "previous",
    " instructions",
    "<!--",
    "-->",
    "DROP ",
    "TABLE ",
    "DELETE FROM ",
    "WHERE ",
    "/*",
    "*/",
    "--",
    ";",
    "\n",
    "+49 30 1234567",
    "4539",
    "DE89",
    "born 1985-03-17",
];

fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => "\\PC{0,6}", 1 => "[0-9a-fA-Z ./-]{0,12}"];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn with_luhn(prefix: &str, middle: &str) -> String {
    let body = format!("{prefix}{middle}");
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn with_check_digits(country: &str, account: &str) -> String {
    let digits: String = format!("{account}{country}00")
        .chars()
        .filter_map(|sign| sign.to_digit(36))
        .map(|value| value.to_string())
        .collect();
    let rest = digits.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("{country}{:02}{account}", 98 - rest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn matches_lie_in_the_text_in_order_and_never_cut_a_character(text in texts()) {
        let mut last = [0; 4];
        for found in all(&text) {
            prop_assert!(found.start < found.end && text.get(found.start..found.end).is_some(), "{found:?} in {text:?}");
            let at = Detection::ALL.iter().position(|detection| *detection == found.detection).unwrap();
            prop_assert!(last[at] <= found.start, "{found:?} in {text:?}");
            last[at] = found.end;
            prop_assert_eq!(found.line, 1 + text[..found.start].matches('\n').count());
        }
    }

    #[test]
    fn masking_hides_the_matches_and_keeps_the_rest(text in texts()) {
        let matches = all(&text);
        let masked = redact(&text, &matches);
        if matches.is_empty() {
            prop_assert_eq!(masked, text);
        } else {
            let kept: usize = text.len() - covered(&matches);
            let marks: usize = masked.len() - kept;
            prop_assert!(marks > 0, "{masked:?}");
            prop_assert!(masked.starts_with(&text[..matches[0].start]));
        }
    }

    #[test]
    fn any_finds_a_match_exactly_if_scan_does(text in texts()) {
        for detection in Detection::ALL {
            prop_assert_eq!(any(&text, detection), !scan(&text, &[detection], 1).matches.is_empty());
        }
    }

    #[test]
    fn a_card_that_checks_is_always_found(prefix in prop::sample::select(&["4539", "5412", "2221", "6011"][..]), middle in "[0-9]{11}", before in "[a-z ]{0,20}", gap in prop::sample::select(&["", " ", "-"][..])) {
        let digits = with_luhn(prefix, &middle);
        prop_assume!(digits.bytes().skip(1).any(|digit| digit != digits.as_bytes()[1]));
        let card = [&digits[..4], &digits[4..8], &digits[8..12], &digits[12..]].join(gap);
        let found = kinds(&format!("{before} card {card}."), Detection::Pii);
        prop_assert!(found.contains(&"payment_card".to_owned()), "{card}: {found:?}");
    }

    #[test]
    fn a_card_with_a_wrong_digit_is_never_one(middle in "[0-9]{11}", wrong in 1_u8..10) {
        let digits = with_luhn("5412", &middle);
        let last = (digits.as_bytes()[15] - b'0' + wrong) % 10;
        let found = kinds(&format!("card {}{last}", &digits[..15]), Detection::Pii);
        prop_assert!(!found.contains(&"payment_card".to_owned()), "{digits} {last}: {found:?}");
    }

    #[test]
    fn an_account_that_checks_is_always_found(account in "[0-9]{18}", spaced in any_bool()) {
        let account = with_check_digits("DE", &account);
        let shown = if spaced { account.as_bytes().chunks(4).map(|part| std::str::from_utf8(part).unwrap()).collect::<Vec<_>>().join(" ") } else { account };
        prop_assert_eq!(kinds(&format!("pay to {shown}, please"), Detection::Pii), ["iban"]);
    }

    #[test]
    fn a_generated_password_in_an_address_is_always_masked(password in "[a-z]{4}[A-Z]{4}[2-9]{2}[a-z]{4}[2-9]{2}") {
        let text = format!("url = \"amqp://worker:{password}@mq.shop.io/jobs\"");
        let masked = redact(&text, &all(&text));
        prop_assert!(!masked.contains(&password) && masked.contains("worker") && masked.contains("mq.shop.io"), "{masked}");
    }

    #[test]
    fn statements_stay_destructive_however_they_are_cased(flips in prop::collection::vec(any_bool(), 10), blanks in "[ \n\t]{1,5}") {
        let statement: String = "DROP TABLE".chars().zip(flips).map(|(letter, flip)| if flip { letter.to_ascii_lowercase() } else { letter }).collect();
        let text = format!("{} orders;", statement.replace(' ', &blanks));
        prop_assert_eq!(kinds(&text, Detection::DestructiveSql), ["drop_table"], "{}", text);
    }
}

fn any_bool() -> impl Strategy<Value = bool> {
    prop::sample::select(&[true, false][..])
}

/// How many bytes the matches cover together.
fn covered(matches: &[Match]) -> usize {
    let mut end = 0;
    let mut sum = 0;
    for found in matches {
        sum += found.end.max(end) - found.start.max(end);
        end = end.max(found.end);
    }
    sum
}
