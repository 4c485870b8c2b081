//! The default settings, a file that changes some of them, and every kind of mistake that a file can have.

use super::{DEFAULT, KnownNames, NameSelection, ProfileName, Settings, schema};
use crate::plan::reach::{Caps, Reach};
use std::path::Path;
use std::time::Duration;

const KNOWN: KnownNames<'_> = KnownNames {
    scenarios: &["quota", "tenant-isolation"],
    workloads: &["memory"],
    experiments: &["redis-outage", "guardrail-kill", "memory-kill"],
};

#[test]
fn the_default_has_every_key_with_a_comment() {
    let settings = Settings::default();
    assert_eq!((settings.runs.keep, settings.profile()), (20, ProfileName::Ci));
    let (ci, preprod) = (settings.gate(ProfileName::Ci), settings.gate(ProfileName::Preprod));
    assert_eq!(
        (&ci.scenarios.run, &preprod.scenarios.run, &preprod.experiments.run),
        (&NameSelection::All, &NameSelection::All, &NameSelection::All)
    );
    assert!(ci.load.duration < preprod.load.duration);
    // A fault on a stack with customers would be an outage.
    assert_eq!(settings.gate(ProfileName::Smoke).experiments.run, NameSelection::These(Vec::new()));
    let value: serde_json::Value = toml::from_str(DEFAULT).unwrap();
    let schema = schema();
    expect_every_key(&schema, &schema, &value, "");
    // A comment explains each key where it first appears.
    for key in ["keep", "profile", "run", "except", "thresholds", "users", "warmup", "recovery"] {
        let lines: Vec<&str> = DEFAULT.lines().collect();
        let first = lines.iter().position(|line| line.starts_with(&format!("{key} ="))).unwrap();
        assert!(lines[first - 1].starts_with('#'), "{key} has no comment");
    }
}

fn expect_every_key(schema: &serde_json::Value, form: &serde_json::Value, value: &serde_json::Value, path: &str) {
    let name = form["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
    let form = name.map_or(form, |name| &schema["$defs"][name]);
    assert!(!value.is_null(), "`{path}` is not in the default");
    for (key, field) in form["properties"].as_object().into_iter().flatten() {
        expect_every_key(schema, field, &value[key], &format!("{path}.{key}"));
    }
}

#[test]
fn an_omitted_key_keeps_its_default() {
    assert_eq!(Settings::read("harness.toml", "", KNOWN), Ok(Settings::default()));
    let text = "[runs]\nkeep = 3\n[gate]\nprofile = \"preprod\"\n[gate.ci.load]\nusers = 7\n[gate.ci.experiments]\nrun = []\n\
        [gate.ci.scenarios]\nrun = [\"quota\"]\nthresholds = [\"p99<2s\"]\n";
    let settings = Settings::read("harness.toml", text, KNOWN).unwrap();
    assert_eq!((settings.runs.keep, settings.profile()), (3, ProfileName::Preprod));
    let (ci, default) = (settings.gate(ProfileName::Ci), Settings::default());
    assert_eq!((ci.load.users, ci.load.duration), (7, Duration::from_secs(30)));
    assert_eq!(ci.experiments.run, NameSelection::These(Vec::new()));
    assert_eq!(ci.scenarios.run, NameSelection::These(vec!["quota".to_owned()]));
    assert_eq!(ci.scenarios.thresholds[0].to_string(), "p99<2 s");
    assert_eq!(settings.gate(ProfileName::Preprod), default.gate(ProfileName::Preprod));
}

#[test]
fn the_default_reaches_this_machine_and_a_file_can_raise_the_bounds() {
    assert_eq!(Settings::default().reach(), Reach::default());
    let text = "[reach]\nhosts = [\"staging.example\"]\nper_second = 500\nusers = 300\nduration = \"1h\"\n";
    let reach = Settings::read("harness.toml", text, KNOWN).unwrap().reach();
    assert_eq!(reach.hosts, ["staging.example"]);
    assert_eq!(reach.caps, Caps { per_second: 500, users: 300, duration: Duration::from_secs(3_600) });
    let error = Settings::read("harness.toml", "[reach]\nper_second = 0\nduration = \"0s\"\n", KNOWN).unwrap_err();
    for key in ["`reach.per_second`", "`reach.duration`"] {
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn the_price_of_a_model_has_both_parts_and_no_other_key() {
    let price = |text: &str| Settings::read("harness.toml", &format!("[usage.prices]\n{text}\n"), KNOWN);
    let settings = price("\"a/b-1.5\" = { prompt = 500000, completion = 1500000 }").unwrap();
    let price_of = settings.usage.prices["a/b-1.5"];
    assert_eq!((price_of.prompt, price_of.completion), (500_000, 1_500_000));
    for (text, expected) in [
        ("m = { prompt = 1, completion = 1, image = 2 }", "`usage.prices.m.image`: unknown key"),
        ("m = { prompt = -1, completion = 1 }", "`usage.prices.m.prompt`: `-1` is out of range"),
        ("m = { prompt = 1 }", "usage.prices.m.completion"),
        ("m = 3", "`usage.prices.m`: `3` is not a table"),
    ] {
        let error = price(text).unwrap_err().to_string();
        assert!(error.contains(expected), "`{expected}` is missing in {error}");
    }
}

#[test]
fn every_problem_is_reported_at_once_with_its_line_and_the_nearest_key() {
    let text = "[runs]\nkepe = 3\n[gate]\nprofile = \"night\"\n[gate.ci.scenarios]\nrun = [\"tenant-isolaton\", \"all\"]\n\
        thresholds = [\"p99<soon\"]\n[gate.ci.load]\nusers = 0\nduration = \"30\"\nrun = \"memroy\"\n[gate.ci.experiments]\n\
        run = [\"redis-outag\", 3]\nrecovery = \"0s\"\n[gates]\n";
    let error = Settings::read("harness.toml", text, KNOWN).unwrap_err().to_string();
    for expected in [
        "harness.toml:2: `runs.kepe`: unknown key; did you mean `keep`?",
        "harness.toml:4: `gate.profile`: `night` is none of the allowed values",
        "harness.toml:6: `gate.ci.scenarios.run`: there is no scenario `tenant-isolaton`; did you mean `tenant-isolation`?",
        "harness.toml:6: `gate.ci.scenarios.run`: `all` cannot be combined with other names",
        "harness.toml:7: `gate.ci.scenarios.thresholds`",
        "harness.toml:9: `gate.ci.load.users`: `0` is out of range",
        "harness.toml:10: `gate.ci.load.duration`",
        "harness.toml:11: `gate.ci.load.run`: there is no workload `memroy`; did you mean `memory`?",
        "harness.toml:13: `gate.ci.experiments.run`: there is no experiment `redis-outag`; did you mean `redis-outage`?",
        "harness.toml:13: `gate.ci.experiments.run`: `3` is not text",
        "harness.toml:14: `gate.ci.experiments.recovery`: `0s` is out of range",
        "harness.toml:15: `gates`: unknown key; did you mean `gate`?",
    ] {
        assert!(error.contains(expected), "`{expected}` is missing in {error}");
    }
    let broken = Settings::read("harness.toml", "[runs\n", KNOWN).unwrap_err().to_string();
    assert!(broken.contains("harness.toml:1"), "{broken}");
    let flat = Settings::read("harness.toml", "gate = 3\n", KNOWN).unwrap_err().to_string();
    assert!(flat.contains("harness.toml:1: `gate`: `3` is not a table"), "{flat}");
}

#[test]
fn the_published_schema_is_that_of_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/harness.schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), current, "run this test with UPDATE_SCHEMA=1");
}

#[test]
fn the_schema_accepts_the_default_and_rejects_unknown_keys() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = |text: &str| serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    assert!(validator.is_valid(&value(DEFAULT)), "{:?}", validator.iter_errors(&value(DEFAULT)).collect::<Vec<_>>());
    for refused in ["[run]\n", "[runs]\nkepe = 1\n", "[gate.ci.load]\nuser = 3\n", "[gate]\nprofile = \"night\"\n"] {
        assert!(!validator.is_valid(&value(refused)), "{refused}");
    }
}
