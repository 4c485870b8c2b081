//! When an incident began, was noticed, eased and ended, and how long each took. A figure without both its ends is not given.

use super::cues;
use super::facts::{Fact, Facts};
use super::report::{Interval, Mark, Response};

/// The facts that mark the phases of an incident.
#[derive(Debug, Default)]
pub(super) struct Milestones<'a> {
    pub(super) started: Option<&'a Fact>,
    /// True where no symptom is known before the first alert: the alert is `started`, and the impact began then at the latest.
    pub(super) started_at_latest: bool,
    pub(super) detected: Option<&'a Fact>,
    pub(super) acted: Option<&'a Fact>,
    pub(super) mitigated: Option<&'a Fact>,
    pub(super) resolved: Option<&'a Fact>,
}

/// Finds them among the facts that have a time.
pub(super) fn milestones(facts: &Facts) -> Milestones<'_> {
    let mut timed: Vec<&Fact> = facts.all.iter().filter(|fact| fact.moment.is_some()).collect();
    timed.sort_by_key(|fact| fact.moment.map(|moment| moment.at));
    let onset = timed
        .iter()
        .find(|fact| cues::ONSET.hold(&fact.text) && matches!(fact.mark, Mark::Symptom | Mark::Detected | Mark::Note));
    let symptom = timed.iter().find(|fact| fact.mark == Mark::Symptom);
    let noticed = timed.iter().find(|fact| fact.mark == Mark::Detected);
    let known = match (onset, symptom) {
        (Some(onset), Some(symptom)) => Some(if onset.moment <= symptom.moment { *onset } else { *symptom }),
        (onset, symptom) => onset.or(symptom).copied(),
    }
    .filter(|start| noticed.is_none_or(|noticed| start.moment <= noticed.moment));
    let alert = noticed.filter(|noticed| cues::ALERT.hold(&noticed.text)).copied();
    let started = known.or(alert);
    let from = |fact: &&&Fact| started.or(noticed.copied()).is_none_or(|start| fact.moment >= start.moment);
    let detected = timed.iter().filter(from).find(|fact| fact.mark == Mark::Detected);
    let seen = timed.iter().filter(from).find(|fact| fact.mark == Mark::Response);
    let resolved = timed.iter().filter(from).rfind(|fact| fact.mark == Mark::Resolved);
    let ended = |fact: &&&Fact| resolved.is_none_or(|resolved| fact.moment <= resolved.moment);
    let mitigated = timed.iter().filter(from).filter(ended).rfind(|fact| fact.mark == Mark::Mitigated);
    let noticed_at = detected.or(seen).and_then(|fact| fact.moment);
    let acted = timed.iter().filter(from).find(|fact| {
        fact.moment >= noticed_at && matches!(fact.mark, Mark::Response | Mark::Attempt | Mark::Mitigated)
    });
    Milestones {
        started,
        started_at_latest: known.is_none() && started.is_some(),
        acted: acted.copied(),
        detected: detected.or(seen).copied(),
        mitigated: mitigated.copied(),
        resolved: resolved.copied(),
    }
}

/// The figures of the response.
pub(super) fn response(facts: &Facts, milestones: &Milestones<'_>) -> Response {
    let detected_by = milestones.detected.map_or_else(|| facts.told(|fact| fact.mark == Mark::Detected).next(), Some);
    Response {
        detect: interval(milestones, milestones.detected, "when it was noticed"),
        act: interval(milestones, milestones.acted, "when somebody acted"),
        mitigate: interval(milestones, milestones.mitigated, "when something helped"),
        resolve: interval(milestones, milestones.resolved, "when it was over"),
        detected_by: detected_by.map(|fact| detector(&fact.text).to_owned()),
    }
}

fn detector(text: &str) -> &'static str {
    if cues::ALERT.hold(text) {
        "alert"
    } else if cues::CUSTOMER.hold(text) {
        "customer"
    } else {
        "person"
    }
}

fn interval(milestones: &Milestones<'_>, end: Option<&Fact>, wanted: &str) -> Interval {
    match (milestones.started, end) {
        (Some(start), Some(end)) if milestones.started_at_latest && std::ptr::eq(start, end) => {
            Interval { minutes: None, basis: format!("the first sign of it is the alert in line {}", start.line) }
        }
        (Some(start), Some(end)) => match (start.moment, end.moment) {
            (Some(from), Some(to)) => Interval {
                minutes: Some(to.minutes_since(from)),
                basis: format!("line {} to line {}", start.line, end.line),
            },
            _ => Interval { minutes: None, basis: "the text names no time for it".to_owned() },
        },
        (None, Some(end)) => {
            Interval { minutes: None, basis: format!("the beginning is not in the text (end: line {})", end.line) }
        }
        (Some(_), None) => Interval { minutes: None, basis: format!("the text does not say {wanted}") },
        (None, None) => Interval { minutes: None, basis: format!("the text does not say when it began, nor {wanted}") },
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::{AgentInput, run};
    use jiff::civil::date;
    use mcp_contracts::orchestrator::AgentName;
    use serde_json::{Value, json};

    const ALERT: &str = include_str!("../../../tests/inputs/rca-alert.txt");

    fn report(text: &str) -> Value {
        let input = AgentInput {
            intent: "Checkout was slow",
            text,
            files: &[],
            role: "sre",
            memories: &[],
            static_context: false,
            pattern: None,
            today: date(2026, 11, 25),
            execution_id: "e-1",
        };
        run(AgentName::Rca, &input).artefact.data
    }

    #[test]
    fn without_a_symptom_before_it_the_first_alert_is_the_beginning_at_the_latest() {
        let data = report(ALERT);
        let impact = &data["impact"];
        assert_eq!((&impact["started"], &impact["startedAtLatest"]), (&json!("2026-03-04 10:02"), &json!(true)));
        assert_eq!((&impact["durationMinutes"], &data["response"]["resolve"]["minutes"]), (&json!(21), &json!(21)));
        assert!(data["openQuestions"].to_string().contains("When did the impact begin?"), "{data}");
    }

    #[test]
    fn an_alert_that_is_the_beginning_itself_is_not_praised_for_its_speed() {
        let data = report(ALERT);
        assert_eq!(data["response"]["detect"]["minutes"], json!(null));
        assert_eq!(data["response"]["detectedBy"], "alert");
        assert!(!data["wentWell"].to_string().contains("noticed it within"), "{data}");
    }

    #[test]
    fn a_duration_that_the_text_states_comes_before_one_that_only_begins_with_an_alert() {
        let data = report(&ALERT.replace("none lost", "none lost; checkout was down for 25 minutes"));
        assert_eq!(
            (&data["impact"]["startedAtLatest"], &data["impact"]["durationMinutes"]),
            (&json!(true), &json!(25))
        );
    }

    #[test]
    fn a_symptom_before_the_alert_is_the_beginning_and_a_person_who_notices_is_none() {
        let data = report(&format!("2026-03-04 10:01 checkout times out\n{ALERT}"));
        assert_eq!(
            (&data["impact"]["startedAtLatest"], &data["impact"]["durationMinutes"]),
            (&json!(false), &json!(22))
        );
        assert_eq!(data["response"]["detect"]["minutes"], 1);
        let data = report("10:02 Kim noticed that checkout is slow\n10:23 checkout is back to normal");
        assert_eq!((&data["impact"]["started"], &data["impact"]["startedAtLatest"]), (&json!(null), &json!(false)));
    }
}
