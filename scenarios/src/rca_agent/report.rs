//! The incident, and the expectations about its report.

use super::list;
use harness_core::drive::scenario::{Reply, Stage};

/// The notes of the incident. They are in the order in which people wrote them, not in the order of the events.
pub(super) const INCIDENT: &str = "2026-03-04 10:02 alert: checkout p99 at 4.1 s, usually 0.3 s\n\
    2026-03-04 10:01 requests of checkout-api to ledger-service time out\n\
    2026-03-04 10:05 on-call sees the connection pool of ledger-service exhausted\n\
    2026-03-04 09:58 deploy of ledger-service 4.2 with a new index on entries\n\
    2026-03-04 10:19 ledger-service rolled back to 4.1\n\
    2026-03-04 10:23 checkout-api back to normal; 1,140 orders were late, none lost\n\
    Root cause: the migration locked the table entries because its index was not built concurrently\n\
    Nobody reviewed the migration\n\
    Action: build indexes concurrently in every migration";
/// The line of the notes with the root cause.
const CAUSE_LINE: u64 = 7;
/// The times and kinds of the events, in chronological order.
const TIMELINE: [(&str, &str); 6] = [
    ("09:58", "change"),
    ("10:01", "symptom"),
    ("10:02", "detected"),
    ("10:05", "symptom"),
    ("10:19", "mitigated"),
    ("10:23", "resolved"),
];
/// The steps of a run, and the source of each result.
const STEPS: [(&str, &str); 7] = [
    ("guardrails", "guardrails"),
    ("memory", "memory"),
    ("select_pattern", "patterns"),
    ("inject_pattern", "patterns"),
    ("execute", "template"),
    ("log_usage", "patterns"),
    ("remember", "memory"),
];

/// Expects that every service did its step.
pub(super) fn steps(stage: &Stage<'_>, done: &Reply<'_>) {
    let steps = list(done.value(), "steps");
    let actual: Vec<_> = steps.iter().map(|step| (step["step"].as_str(), step["source"].as_str())).collect();
    let expected: Vec<_> = STEPS.iter().map(|(step, source)| (Some(*step), Some(*source))).collect();
    let ops = [done.op()];
    stage.expect("every step is reported with its source", actual == expected, format!("{actual:?}"), &ops);
    let succeeded = steps.iter().all(|step| {
        let attempted =
            step["attempts"].as_u64().is_some_and(|attempts| (attempts > 0) == (step["source"] != "template"));
        attempted && step["outcome"] == "ok" && step["durationMs"].as_f64().is_some_and(|took| took >= 0.0)
    });
    stage.expect("every step succeeded, with its duration and attempts", succeeded, &done["steps"], &ops);
}

/// Expects that the report has the facts of the incident.
pub(super) fn content(stage: &Stage<'_>, done: &Reply<'_>) {
    let (data, ops) = (&done["artefact"]["data"], [done.op()]);
    let entries = list(&data["timeline"], "entries");
    let actual: Vec<_> = entries.iter().map(|entry| (entry["at"].as_str(), entry["mark"].as_str())).collect();
    let expected: Vec<_> = TIMELINE.iter().map(|(at, mark)| (Some(*at), Some(*mark))).collect();
    stage.expect("the timeline is in the order of time", actual == expected, format!("{actual:?}"), &ops);
    let impact = &data["impact"];
    let lasted = impact["durationMinutes"] == 22 && impact["started"] == "2026-03-04 10:01";
    stage.expect("the impact lasts from the first symptom to the resolution", lasted, impact, &ops);
    let factors = list(data, "factors");
    let has = |category: &str| factors.iter().any(|factor| factor["category"] == category);
    let quoted = factors.iter().all(|factor| !list(factor, "evidence").is_empty());
    let named = has("change") && has("capacity") && has("process") && quoted;
    stage.expect("the contributing factors are named, each with its lines", named, &data["factors"], &ops);
    let whys = list(data, "whys");
    let first = whys.first().is_some_and(|why| why["answer"].is_string() && why["evidence"][0]["line"] == CAUSE_LINE);
    stage.expect("the five whys begin at the root cause in the notes", whys.len() == 5 && first, &data["whys"], &ops);
    let actions = list(data, "actions");
    let full = ["what", "why", "owner", "due", "verification"];
    let complete =
        actions.iter().all(|action| full.iter().all(|name| !action[*name].as_str().unwrap_or_default().is_empty()));
    let todo = actions.iter().any(|action| action["what"].as_str().is_some_and(|what| what.contains("concurrently")));
    stage.expect(
        "corrective actions have an owner, a date and a verification",
        complete && todo,
        &data["actions"],
        &ops,
    );
}
