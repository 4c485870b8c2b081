//! The kind of event that a sentence reports. A rise of something bad is a symptom; a statement of health, a denial, a hope or a
//! question never is.

use crate::report;
use serde_json::json;

fn assert_marks(mark: &str, sentences: &[&str]) {
    let wrong: Vec<String> = sentences
        .iter()
        .filter_map(|sentence| {
            let data = report(&format!("10:01 {sentence}"));
            let found = data["timeline"]["entries"][0]["mark"].as_str().unwrap().to_owned();
            (found != mark).then(|| format!("{sentence}: {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "not {mark}: {wrong:#?}");
}

#[test]
fn a_rise_of_something_bad_is_a_symptom() {
    assert_marks(
        "symptom",
        &[
            "p99 rose from 200 ms to 9 s",
            "p95 of checkout climbed to 4.1 s",
            "latency jumped to 12 seconds",
            "error rate went up to 14 %",
            "the 5xx rate increased from 0.1 % to 8 %",
            "queue depth grew to 48,000",
            "replication lag is rising",
            "CPU of orders-db rose to 98 %",
            "memory usage climbed until the pod was killed",
            "consumer lag keeps growing",
            "response times doubled",
            "spike in response times of search",
        ],
    );
}

#[test]
fn a_fall_of_something_good_is_a_symptom() {
    assert_marks(
        "symptom",
        &[
            "throughput dropped to 40 requests per second",
            "the success rate fell from 99.9 % to 71 %",
            "cache hit ratio collapsed to 3 %",
            "orders per minute fell to zero",
            "traffic dropped by half",
        ],
    );
}

#[test]
fn a_failure_is_a_symptom() {
    assert_marks(
        "symptom",
        &[
            "requests of checkout-api to ledger-service time out",
            "checkout-api answers with 503",
            "users cannot log in",
            "orders-db is down",
            "the connection pool of orders-db is exhausted",
            "workers crash with out of memory",
            "the search page is very slow",
            "checkout does not respond, no alert so far",
            "login is not working",
        ],
    );
}

#[test]
fn a_statement_of_health_is_no_symptom() {
    assert_marks(
        "note",
        &[
            "latency was normal",
            "latency within normal range",
            "error rate as usual",
            "p99 was stable at 0.3 s",
            "CPU and memory looked fine",
            "orders-db is healthy, no errors",
            "replication lag was at its usual level",
            "checkout was not affected by the outage of search",
            "timeouts unchanged",
            "error rate below the threshold",
            "queue depth is ok",
        ],
    );
}

#[test]
fn a_denial_is_no_symptom() {
    assert_marks(
        "note",
        &[
            "no errors in the logs of orders-db",
            "no timeouts, no slow queries",
            "without any failures on the replicas",
            "the disk was not full",
            "login never failed",
            "neither errors nor timeouts on the edge",
            "0 errors in the last hour",
            "zero failed payments",
            "orders-db did not crash",
            "nothing was lost",
            "hardly any errors in us-east",
        ],
    );
}

#[test]
fn a_rise_of_something_good_or_of_unknown_meaning_is_no_symptom() {
    assert_marks(
        "note",
        &[
            "throughput rose to 900 requests per second",
            "the success rate climbed to 99.9 %",
            "cache hit ratio went up",
            "the share of mobile users rose to 60 %",
            "error rate fell to 0.2 %",
            "p99 dropped from 9 s to 200 ms",
            "queue depth is falling",
        ],
    );
}

#[test]
fn a_recovery_is_resolved_and_a_denied_recovery_is_not() {
    assert_marks(
        "resolved",
        &[
            "checkout-api recovered",
            "checkout-api back to normal; 1,140 orders were late, none lost",
            "error rate back to baseline",
            "p99 is back at 0.3 s",
            "incident resolved, no errors any more",
            "all green",
            "latency normal again",
        ],
    );
    for sentence in [
        "checkout-api has not recovered",
        "the incident is unresolved",
        "latency is not back to normal",
        "no recovery yet",
    ] {
        let data = report(&format!("10:00 checkout fails\n10:01 {sentence}"));
        assert_eq!(data["impact"].get("ended"), None, "{sentence}");
    }
}

#[test]
fn hopes_plans_and_questions_are_neither_symptoms_nor_ends() {
    assert_marks(
        "note",
        &[
            "did the errors begin with the deploy?",
            "maybe the pool is exhausted",
            "should be resolved soon",
            "if the queue fails we lose orders",
            "we want to upgrade the database next week",
        ],
    );
}

#[test]
fn health_in_one_clause_does_not_hide_a_failure_in_another() {
    assert_marks(
        "symptom",
        &[
            "CPU was normal, but checkout requests time out",
            "no errors in us-east; eu-west answers with 503",
            "latency is fine, error rate rose to 14 %",
        ],
    );
}

#[test]
fn what_is_no_symptom_starts_no_impact_and_is_no_factor() {
    let data = report("10:01 latency was normal\n10:02 CPU within normal range\n10:03 no errors in the logs");
    assert_eq!(data["impact"].get("started"), None, "{data}");
    assert_eq!((&data["impact"]["scope"], &data["factors"]), (&json!([]), &json!([])), "{data}");
    assert_eq!(data["trigger"]["basis"], "unknown");
}

const ALERT: &str = include_str!("../inputs/rca-alert.txt");

#[test]
fn without_a_symptom_before_it_the_first_alert_is_the_beginning_at_the_latest() {
    let data = report(ALERT);
    let impact = &data["impact"];
    assert_eq!((&impact["started"], &impact["startedAtLatest"]), (&json!("2026-03-04 10:02"), &json!(true)));
    assert_eq!(impact["durationMinutes"], 21);
    assert!(data["openQuestions"].to_string().contains("When did the impact begin?"), "{data}");
}

#[test]
fn an_alert_that_is_the_beginning_itself_was_not_noticed_after_any_time() {
    let data = report(ALERT);
    assert_eq!(data["impact"].get("noticedAfterMinutes"), None);
    assert_eq!(data["impact"]["noticedBy"], "alert");
    assert_eq!(data["wentWell"], json!([]));
}

#[test]
fn a_stated_duration_comes_before_one_that_only_begins_with_an_alert() {
    for (stated, minutes) in [
        ("checkout was down for 25 minutes", 25),
        ("checkout was down for about 2 hours", 120),
        ("checkout was down for 1,440 minutes", 1_440),
        ("checkout was down for 2 hours and 10 minutes", 21),
        ("nobody got an alert for 30 minutes", 21),
    ] {
        let data = report(&ALERT.replace("none lost", &format!("none lost; {stated}")));
        let impact = &data["impact"];
        assert_eq!(
            (&impact["startedAtLatest"], &impact["durationMinutes"]),
            (&json!(true), &json!(minutes)),
            "{stated}"
        );
    }
}

#[test]
fn a_symptom_before_the_alert_is_the_beginning_and_a_person_who_notices_is_none() {
    let data = report(&format!("2026-03-04 10:01 checkout times out\n{ALERT}"));
    let impact = &data["impact"];
    assert_eq!((&impact["startedAtLatest"], &impact["durationMinutes"]), (&json!(false), &json!(22)));
    assert_eq!(impact["noticedAfterMinutes"], 1);
    let data = report("10:02 Kim noticed that checkout is slow\n10:23 checkout is back to normal");
    assert_eq!((data["impact"].get("started"), &data["impact"]["startedAtLatest"]), (None, &json!(false)));
}

#[test]
fn a_cause_is_stated_only_if_the_text_calls_it_one() {
    for (text, basis) in [
        ("10:00 checkout fails\nRoot cause: the pool was too small", "stated"),
        ("10:00 checkout fails\nThe cause was not found", "unknown"),
        ("10:00 checkout fails because the pool is exhausted", "unknown"),
        ("09:50 deploy of ledger 4.2\n10:00 checkout fails", "last_change"),
        ("09:50 deploy of ledger 4.2 is planned for tomorrow?\n10:00 checkout fails", "unknown"),
        ("10:00 checkout fails\n10:10 deploy of ledger 4.2", "unknown"),
        ("10:00 our mail provider fails", "unknown"),
    ] {
        assert_eq!(report(text)["trigger"]["basis"], basis, "{text}");
    }
}

#[test]
fn only_a_statement_about_people_or_orders_is_scope() {
    let scope = |text: &str| report(&format!("10:00 {text}"))["impact"]["scope"].as_array().unwrap().len();
    for text in
        ["2,300 customers could not pay", "12 % of checkouts failed", "everyone sees errors", "users cannot log in"]
    {
        assert_eq!(scope(text), 1, "{text}");
    }
    for text in [
        "web-2 orders-worker: retry",
        "p99 rose to 9 s",
        "no customers lost data",
        "0 orders were lost",
        "4,300 users are fine again",
    ] {
        assert_eq!(scope(text), 0, "{text}");
    }
}
