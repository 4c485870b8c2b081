//! Compares queries with scraped metrics. A query is read only as far as that needs: the names of metrics, their labels with the required values, and
//! the labels of `by`. `promtool` checks the grammar.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use super::observe::Query;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const FUNCTIONS: &[&str] = &[
    "changes",
    "count",
    "delta",
    "histogram_quantile",
    "increase",
    "max",
    "min",
    "min_over_time",
    "rate",
    "sum",
    "time",
    "topk",
];
const OPERATORS: &[&str] = &["and", "or"];
/// Labels that Prometheus adds. A label of a metric with the same name gets this prefix.
const TARGET_LABELS: &[&str] = &["instance", "job"];
const RENAMED: &str = "exported_";

type Labels = BTreeMap<String, String>;

/// The series of each metric.
#[derive(Default)]
pub(crate) struct Metrics(BTreeMap<String, Vec<Labels>>);

impl Metrics {
    /// Reads the files of a run that were written after its load, and adds what Prometheus itself makes.
    pub(crate) fn of_run(folder: &Path) -> Self {
        let mut metrics = Self::default();
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with("-after.prom")).collect();
        assert_eq!(files.len(), 4, "the metrics of every service: {files:?}");
        for file in files {
            metrics.add(&std::fs::read_to_string(file).unwrap());
        }
        metrics.add("up{job=\"mcp\"} 1\nALERTS{alertstate=\"firing\",severity=\"page\"} 1\n");
        metrics
    }

    /// Adds the lines of a text in the format of Prometheus.
    fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = matchers(labels.strip_suffix('}').unwrap());
            let labels = labels.into_iter().map(|matcher| (matcher.label, matcher.value)).collect();
            self.0.entry(name.to_owned()).or_default().push(labels);
        }
    }

    /// Adds the metrics that rules record.
    pub(crate) fn with_recorded(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.0.extend(names.into_iter().map(|name| (name, vec![Labels::new()])));
        self
    }

    /// Returns one line for each metric, label and value of the query that does not exist.
    pub(crate) fn problems(&self, query: &Query) -> Vec<String> {
        let mut problems = Vec::new();
        let mut labels: BTreeSet<String> = TARGET_LABELS.iter().map(|label| (*label).to_owned()).collect();
        let mut grouped = Vec::new();
        let words = words(&query.text);
        for (at, word) in words.iter().enumerate() {
            match word {
                Word::Name(name) if FUNCTIONS.contains(&&**name) || OPERATORS.contains(&&**name) => {}
                Word::Name(name) => match self.0.get(name) {
                    None => problems.push(format!("no service exports `{name}`")),
                    Some(series) => {
                        labels.extend(series.iter().flat_map(BTreeMap::keys).map(|label| renamed(label)));
                        if let Some(Word::Selector(selector)) = words.get(at + 1) {
                            problems.extend(unmatched(name, series, selector));
                        }
                    }
                },
                Word::Selector(_) => {}
                Word::By(by) => grouped.extend(by.clone()),
            }
        }
        let unknown = grouped.into_iter().filter(|label| !labels.contains(label));
        problems.extend(unknown.map(|label| format!("no metric of the query has the label `{label}`")));
        problems.into_iter().map(|problem| format!("{}: {problem}", query.place)).collect()
    }
}

/// The name of a metric's label after a scrape.
fn renamed(label: &str) -> String {
    if TARGET_LABELS.contains(&label) { format!("{RENAMED}{label}") } else { label.to_owned() }
}

/// Narrows the series by each matcher in turn. Reports each value that none of the series has.
fn unmatched(name: &str, series: &[Labels], selector: &[Matcher]) -> Vec<String> {
    let mut left: Vec<&Labels> = series.iter().collect();
    let mut problems = Vec::new();
    for Matcher { label, operator, value } in selector {
        let values: Vec<&str> = if operator.ends_with('~') { value.split('|').collect() } else { vec![value] };
        let has = |labels: &&Labels, value: &str| labels.get(label).is_some_and(|own| own == value);
        let missing = values.iter().filter(|value| !left.iter().any(|labels| has(labels, value)));
        problems.extend(missing.map(|value| format!("no series of `{name}` has {label}=\"{value}\"")));
        let wanted = !operator.starts_with('!');
        left.retain(|labels| values.iter().any(|value| has(labels, value)) == wanted);
    }
    problems
}

struct Matcher {
    label: String,
    operator: String,
    value: String,
}

enum Word {
    Name(String),
    Selector(Vec<Matcher>),
    By(Vec<String>),
}

/// Returns the names of a query in their order, each selector after its metric. Numbers, signs and windows are left out.
fn words(query: &str) -> Vec<Word> {
    let (mut words, mut rest) = (Vec::new(), query);
    while let Some(first) = rest.chars().next() {
        let end = |close: char| rest.find(close).unwrap_or_else(|| panic!("`{close}` is missing in {query}"));
        rest = match first {
            '[' => &rest[end(']') + 1..],
            '{' => {
                words.push(Word::Selector(matchers(&rest[1..end('}')])));
                &rest[end('}') + 1..]
            }
            letter if letter.is_ascii_alphabetic() => {
                let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':';
                let (name, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
                if name == "by" {
                    let (labels, after) = after.trim_start().strip_prefix('(').unwrap().split_once(')').unwrap();
                    words.push(Word::By(labels.split(',').map(|label| label.trim().to_owned()).collect()));
                    after
                } else {
                    words.push(Word::Name(name.to_owned()));
                    after
                }
            }
            other => &rest[other.len_utf8()..],
        };
    }
    words
}

/// Reads `label="value",other=~"a|b"`. No value has a quotation mark.
fn matchers(text: &str) -> Vec<Matcher> {
    let mut pieces = text.split('"');
    let mut matchers = Vec::new();
    while let (Some(head), Some(value)) = (pieces.next(), pieces.next()) {
        let head = head.trim_start_matches(',').trim();
        let (label, operator) = head.split_at(head.find(['=', '!']).unwrap());
        let [label, operator, value] = [label, operator, value].map(str::to_owned);
        matchers.push(Matcher { label, operator, value });
    }
    matchers
}

#[test]
fn what_no_service_exports_is_reported_with_its_place() {
    let mut metrics = Metrics::default();
    metrics.add("# TYPE calls counter\ncalls{tool=\"a\",outcome=\"ok\"} 3\ncalls{tool=\"b\",outcome=\"bad\"} 0\nstate{instance=\"x:1\"} 2\n");
    let metrics = metrics.with_recorded(["mcp:bad:rate5m".to_owned()]);
    let problems = |text: &str| metrics.problems(&Query { place: "here".to_owned(), text: text.to_owned() });
    for good in [
        "sum by (tool, job) (rate(calls{outcome=~\"ok|bad\",tool!=\"b\"}[5m])) / 2 > 0.05 and mcp:bad:rate5m > 14.4 * 0.001",
        "max by (exported_instance, instance) (state)",
        "calls{outcome=\"bad\",tool=\"b\"}",
    ] {
        assert_eq!(problems(good), [""; 0], "{good}");
    }
    for (bad, problem) in [
        ("rate(cals[5m])", "here: no service exports `cals`"),
        ("calls{outcome=\"fine\"}", "here: no series of `calls` has outcome=\"fine\""),
        ("calls{outcome=~\"ok|fine\"}", "here: no series of `calls` has outcome=\"fine\""),
        ("calls{tool=\"a\",outcome=\"bad\"}", "here: no series of `calls` has outcome=\"bad\""),
        ("calls{service!=\"a\"}", "here: no series of `calls` has service=\"a\""),
        ("sum by (kind) (calls)", "here: no metric of the query has the label `kind`"),
        ("sum by (exported_instance) (calls)", "here: no metric of the query has the label `exported_instance`"),
        ("mcp:bad:rate1h", "here: no service exports `mcp:bad:rate1h`"),
    ] {
        assert_eq!(problems(bad), [problem], "{bad}");
    }
}
