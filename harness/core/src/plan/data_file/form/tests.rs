//! Each kind of value of a form, good and bad.

use super::{Length, Thresholds, read, schema, thresholds, weights};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// a number of users
    #[schemars(range(min = 1, max = 9))]
    users: u32,
    #[schemars(extend("default" = 1.5, "exclusiveMinimum" = 0))]
    factor: f64,
    #[schemars(extend("default" = true))]
    enabled: bool,
    #[schemars(extend("x-at-least" = "1s", "x-at-most" = "1m"))]
    limit: Option<Length>,
    #[schemars(extend("default" = {}))]
    inner: Inner,
    #[schemars(extend("default" = []))]
    item: Vec<Item>,
    #[schemars(extend("default" = {}, "additionalProperties" = { "type": ["string", "integer"] }))]
    labels: BTreeMap<String, serde_json::Value>,
    #[schemars(schema_with = "mix")]
    mix: BTreeMap<String, u32>,
    #[schemars(schema_with = "bounds")]
    bounds: Thresholds,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[schemars(extend("default" = "2s"))]
    wait: Length,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Item {
    /// the name of the item
    name: String,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

fn mix(_: &mut SchemaGenerator) -> Schema {
    weights(&["store", "read"])
}

fn bounds(_: &mut SchemaGenerator) -> Schema {
    thresholds(&["store", "read"])
}

fn problems(text: &str) -> Vec<String> {
    let (_, problems) = read::<Sample>("x.toml", text, &[]).unwrap_or_else(|error| panic!("{error:?}")).into_parts();
    problems.iter().map(|problem| format!("{} {} {}", problem.place, problem.key, problem.what)).collect()
}

fn only(text: &str, expected: &str) {
    let problems = problems(text);
    assert!(problems.len() == 1 && problems[0].contains(expected), "{text}: {problems:?}");
}

const GOOD: &str = "users = 2\nmix = { store = 1 }\n";

#[test]
fn omitted_keys_have_their_defaults() {
    let (sample, problems) =
        read::<Sample>("x.toml", GOOD, &[]).unwrap_or_else(|error| panic!("{error:?}")).into_parts();
    assert_eq!((problems.len(), sample.users, sample.factor, sample.enabled, sample.limit), (0, 2, 1.5, true, None));
    assert_eq!(sample.inner.wait, Length(Duration::from_secs(2)));
    assert!(sample.item.is_empty() && sample.labels.is_empty() && sample.bounds.0.is_empty());
    let required = schema::<Sample>()["required"].clone();
    assert_eq!(required, serde_json::json!(["users", "mix"]));
}

#[test]
fn every_kind_of_value_can_have_a_problem() {
    only("mix = { store = 1 }", "x.toml users it is missing");
    only("users = 10\nmix = { store = 1 }", "x.toml:1 users `10` is out of range");
    only(&format!("{GOOD}factor = 0"), "x.toml:3 factor `0` is out of range");
    only(&format!("{GOOD}factor = nan"), "factor `nan` is out of range");
    only(&format!("{GOOD}enabled = 1"), "enabled `1` is not a boolean");
    only(&format!("{GOOD}limit = \"2m\""), "limit `2m` is out of range");
    only(&format!("{GOOD}limit = \"2\""), "limit `2` has no unit");
    only(&format!("{GOOD}[inner]\nwiat = \"2s\""), "x.toml:4 inner.wiat unknown key; did you mean `wait`?");
    only(&format!("{GOOD}labels = {{ a = 1, b = \"x\", c = 1.5 }}"), "labels.c `1.5` is not a value");
    only(&format!("{GOOD}[bounds]\nstor = []"), "bounds.stor unknown key; did you mean `store`?");
    only(&format!("{GOOD}[bounds]\nall = [\"read:p99<1s\"]"), "bounds.all `read:p99` is not a metric");
    only("users = 2\nmix = { store = 0 }", "x.toml:2 mix no value is above 0");
    only("users = 2\nmix = { store = 1, raed = 2 }", "mix.raed unknown key; did you mean `read`?");
}

#[test]
fn thresholds_keep_the_order_of_the_file() {
    let text = format!("{GOOD}[bounds]\nstore = [\"max<1s\"]\nall = [\"p99<1s\", \"p95<1s\"]\n");
    let (sample, _) = read::<Sample>("x.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}")).into_parts();
    let texts: Vec<String> = sample.bounds.0.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["store max<1 s", "p99<1 s", "p95<1 s"]);
}

#[test]
fn items_of_a_list_are_tables_or_inline_tables_and_may_be_open() {
    for text in ["[[item]]\nname = \"a\"\nsize = 3\n", "item = [{ name = \"a\", size = 3 }]\n"] {
        let text = format!("{GOOD}{text}");
        let (sample, problems) =
            read::<Sample>("x.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}")).into_parts();
        assert_eq!((problems.len(), sample.item[0].name.as_str()), (0, "a"));
        assert_eq!(sample.item[0].others["size"], 3);
    }
    only(&format!("{GOOD}[[item]]\nname = \"a\"\n[[item]]\n"), "item.name it is missing");
}

#[test]
fn a_problem_across_keys_has_the_line_of_its_key() {
    let text = format!("{GOOD}[[item]]\nname = \"a\"\n");
    let mut sample = read::<Sample>("x.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}"));
    sample.note("item.0.name", "it is taken", "another name");
    sample.note("item.0.size", "it is missing", "a size");
    sample.note("limit", "it is missing", "a limit");
    let (_, problems) = sample.into_parts();
    let places: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.place.as_str(), problem.key.as_str())).collect();
    assert_eq!(places, [("x.toml:4", "item.name"), ("x.toml:3", "item.size"), ("x.toml", "limit")]);
}
