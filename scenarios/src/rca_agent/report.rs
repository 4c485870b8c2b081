//! The incident, and what must stand in a report about it.

use super::list;
use harness_core::drive::scenario::{Reply, Stage};

/// Told in the order in which people remembered it, not in the order in which it happened.
pub(super) const INCIDENT: &str = "2026-03-04 10:02 alert: checkout p99 at 4.1 s, usually 0.3 s\n\
    2026-03-04 10:01 requests of checkout-api to ledger-service time out\n\
    2026-03-04 10:05 on-call sees the connection pool of ledger-service exhausted\n\
    2026-03-04 09:58 deploy of ledger-service 4.2 with a new index on entries\n\
    2026-03-04 10:19 ledger-service rolled back to 4.1\n\
    2026-03-04 10:23 checkout-api back to normal; 1,140 orders were late, none lost\n\
    Root cause: the migration locked the table entries because its index was not built concurrently\n\
    Nobody reviewed the migration\n\
    Action: build indexes concurrently in every migration";
/// Where it names its cause.
const CAUSE_LINE: u64 = 7;
/// Times and kinds of the events, as they happened.
const TIMELINE: [(&str, &str); 6] = [
    ("09:58", "change"),
    ("10:01", "symptom"),
    ("10:02", "detected"),
    ("10:05", "symptom"),
    ("10:19", "mitigated"),
    ("10:23", "resolved"),
];
/// Steps of a run, and who answers in each.
const STEPS: [(&str, &str); 7] = [
    ("guardrails", "guardrails"),
    ("memory", "memory"),
    ("select_pattern", "patterns"),
    ("inject_pattern", "patterns"),
    ("execute", "template"),
    ("log_usage", "patterns"),
    ("remember", "memory"),
];

/// Every part took its step.
pub(super) fn steps(stage: &Stage<'_>, done: &Reply<'_>) {
    let steps = list(done.value(), "steps");
    let told: Vec<_> = steps.iter().map(|step| (step["step"].as_str(), step["source"].as_str())).collect();
    let expected: Vec<_> = STEPS.iter().map(|(step, source)| (Some(*step), Some(*source))).collect();
    let ops = [done.op()];
    stage.expect("every step is told with who answered in it", told == expected, format!("{told:?}"), &ops);
    let whole = steps.iter().all(|step| {
        let asked = step["attempts"].as_u64().is_some_and(|attempts| (attempts > 0) == (step["source"] != "template"));
        asked && step["outcome"] == "ok" && step["durationMs"].as_f64().is_some_and(|took| took >= 0.0)
    });
    stage.expect("and went well, with its duration and its attempts", whole, &done["steps"], &ops);
}

/// The report says what the incident says.
pub(super) fn holds(stage: &Stage<'_>, done: &Reply<'_>) {
    let (data, ops) = (&done["artefact"]["data"], [done.op()]);
    let entries = list(&data["timeline"], "entries");
    let told: Vec<_> = entries.iter().map(|entry| (entry["at"].as_str(), entry["mark"].as_str())).collect();
    let expected: Vec<_> = TIMELINE.iter().map(|(at, mark)| (Some(*at), Some(*mark))).collect();
    stage.expect("the timeline is in the order of time", told == expected, format!("{told:?}"), &ops);
    let impact = &data["impact"];
    let lasted = impact["durationMinutes"] == 22 && impact["started"] == "2026-03-04 10:01";
    stage.expect("the impact lasts from the first symptom to the end", lasted, impact, &ops);
    let factors = list(data, "factors");
    let has = |category: &str| factors.iter().any(|factor| factor["category"] == category);
    let quoted = factors.iter().all(|factor| !list(factor, "evidence").is_empty());
    let named = has("change") && has("capacity") && has("process") && quoted;
    stage.expect("the contributing factors are named, each with its lines", named, &data["factors"], &ops);
    let whys = list(data, "whys");
    let first = whys.first().is_some_and(|why| why["answer"].is_string() && why["evidence"][0]["line"] == CAUSE_LINE);
    stage.expect("five whys begin at the cause that the text names", whys.len() == 5 && first, &data["whys"], &ops);
    let actions = list(data, "actions");
    let full = ["what", "why", "owner", "priority", "due", "verification"];
    let complete =
        actions.iter().all(|action| full.iter().all(|name| !action[*name].as_str().unwrap_or_default().is_empty()));
    let todo = actions.iter().any(|action| action["what"].as_str().is_some_and(|what| what.contains("concurrently")));
    stage.expect("corrective actions have owner, date and proof", complete && todo, &data["actions"], &ops);
}
