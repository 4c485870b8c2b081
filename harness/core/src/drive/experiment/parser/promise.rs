//! What an experiment promises: `[before]`, `[during]`, `[after]` and `[expect]`.

use super::{ExperimentParser, labels};
use crate::drive::experiment::Load;
use crate::drive::traffic::operations::names;
use crate::plan::data_file::{duration, source_text};
use harness_history::experiment::{CounterFigure, CounterPromise, Promises, Readiness, ReadyWord};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml_edit::{Item, Table, TableLike};

const KEYS: &[&str] = &[
    "errors",
    "call_bound",
    "recovery",
    "least_hits",
    "amplification",
    "readiness",
    "notice",
    "counters",
    "baseline",
    "in_force",
    "withdrawn",
];
const COUNTER_TEXT: &str = "`{ part = \"memory\", metric = \"mcp_…\", growth | during | after = \">= 1\" }`";
const READINESS_TEXT: &str =
    "`{ part = \"memory\", says = \"ready\" | \"degraded\" | \"not_ready\" | \"gone\", within = \"2s\" }`";
/// Range of the notice of a part before it stops, and of the time until a changed file is in force.
const SHORT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
/// A call may take this much longer than its deadline.
const SLACK: Duration = Duration::from_millis(100);

impl ExperimentParser<'_> {
    pub(super) fn promises(&mut self, table: &Table, load: &Load) -> Promises {
        let empty = Table::new();
        let expect = table.get("expect").and_then(Item::as_table).unwrap_or(&empty);
        self.notes.unknown_keys(expect, "expect.", KEYS);
        let any = Duration::ZERO..=Duration::from_secs(3_600);
        let bound = self.notes.length(expect, "call_bound", any.clone(), Some(load.call_deadline + SLACK));
        let recovery = self.notes.length(expect, "recovery", any, Some(Duration::from_secs(5)));
        Promises {
            least_hits: u64::from(self.notes.number(expect, "least_hits", 1..=1_000_000, Some(30))),
            rate_per_second: load.rate,
            least_baseline: self.share(expect, "baseline", 0.95),
            steady: self.notes.thresholds(table, "before", &names()),
            during: self.notes.thresholds(table, "during", &names()),
            after: self.notes.thresholds(table, "after", &names()),
            call_bound_us: micros(bound),
            errors: self.notes.texts(expect, "errors", "a list such as `[\"quota\", \"dependency_unavailable\"]`"),
            readiness: self.readiness(expect),
            notice_us: expect.get("notice").map(|_| micros(self.notes.length(expect, "notice", SHORT, None))),
            most_amplification: self.share(expect, "amplification", 1.5),
            recovery_us: micros(recovery),
            counters: self.counters(expect),
            in_force_us: expect.get("in_force").map(|_| micros(self.notes.length(expect, "in_force", SHORT, None))),
            withdrawn: self.notes.texts(expect, "withdrawn", "a list of ids of patterns"),
        }
    }

    fn share(&mut self, table: &Table, key: &str, default: f64) -> f64 {
        let Some(item) = table.get(key) else { return default };
        let number = item.as_float().or_else(|| item.as_integer().map(|number| number as f64));
        number.filter(|number| *number > 0.0).unwrap_or_else(|| {
            self.notes.note(item.span(), key, format!("`{}` is not a number", source_text(item)), "a number above 0");
            default
        })
    }

    fn readiness(&mut self, expect: &Table) -> Vec<Readiness> {
        let mut promises = Vec::new();
        for (span, item) in inline(expect, "readiness") {
            let text = |key: &str| item.get(key).and_then(Item::as_str);
            let says = match text("says") {
                Some("ready") => Some(ReadyWord::Ready),
                Some("degraded") => Some(ReadyWord::Degraded),
                Some("not_ready") => Some(ReadyWord::NotReady),
                Some("gone") => Some(ReadyWord::Gone),
                Some(_) | None => None,
            };
            let within = text("within").map_or(Ok(Duration::from_secs(2)), duration);
            match (text("part"), says, within) {
                (Some(part), Some(says), Ok(within)) => {
                    promises.push(Readiness { part: part.to_owned(), says, within_us: micros(within) });
                }
                _ => self.notes.note(span, "expect.readiness", "it cannot be read".to_owned(), READINESS_TEXT),
            }
        }
        promises
    }

    fn counters(&mut self, expect: &Table) -> Vec<CounterPromise> {
        let mut promises = Vec::new();
        for (span, item) in inline(expect, "counters") {
            let text = |key: &str| item.get(key).and_then(Item::as_str);
            let figures = [
                (CounterFigure::Growth, text("growth")),
                (CounterFigure::During, text("during")),
                (CounterFigure::After, text("after")),
            ];
            let mut bounds =
                figures.into_iter().filter_map(|(figure, bound)| Some((figure, bound.and_then(parse_bound)?)));
            match (text("part"), text("metric"), bounds.next(), bounds.next()) {
                (Some(part), Some(metric), Some((figure, (at_least, at_most))), None) => {
                    promises.push(CounterPromise {
                        part: part.to_owned(),
                        metric: metric.to_owned(),
                        labels: labels(item),
                        figure,
                        at_least,
                        at_most,
                    })
                }
                _ => self.notes.note(span, "expect.counters", "it cannot be read".to_owned(), COUNTER_TEXT),
            }
        }
        promises
    }
}

/// Parses `>= 30`, `<= 5` or `= 0` into the minimum and the maximum.
fn parse_bound(text: &str) -> Option<(Option<f64>, Option<f64>)> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    if let Some(least) = text.strip_prefix(">=") {
        return Some((Some(number(least)?), None));
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Some((None, Some(number(most)?)));
    }
    let exact = number(text.strip_prefix('=')?)?;
    Some((Some(exact), Some(exact)))
}

type Inline<'t> = (Option<std::ops::Range<usize>>, &'t dyn TableLike);

/// Returns the inline tables of a list.
fn inline<'t>(table: &'t Table, key: &str) -> Vec<Inline<'t>> {
    let list = table.get(key).and_then(Item::as_array).into_iter().flatten();
    list.filter_map(|value| Some((value.span(), value.as_inline_table()? as &dyn TableLike))).collect()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::parse_bound;

    #[test]
    fn a_bound_is_a_minimum_a_maximum_or_both() {
        assert_eq!(parse_bound(">= 30"), Some((Some(30.0), None)));
        assert_eq!(parse_bound("<=2.5"), Some((None, Some(2.5))));
        assert_eq!(parse_bound("= 0"), Some((Some(0.0), Some(0.0))));
        assert_eq!((parse_bound("30"), parse_bound(">= x")), (None, None));
    }
}
