//! Valid profiles become workloads, and every problem of an invalid profile is reported.

use super::{BUILT_IN, Overrides, ProfileError, known_workloads, read, stages, threshold, workload};
use harness_core::plan::data_file::duration;
use harness_core::plan::workload::{Metric, Model, RateStage};
use proptest::prelude::{any, prop_assert_eq, proptest};
use std::time::Duration;

const GOOD: &str = "service = \"memory\"\nusers = 4\nduration = \"2s\"\n[mix]\nstore_memory = 1\n";

fn problems(text: &str, overrides: &Overrides) -> Vec<String> {
    match read("mine", "mine.toml", text, overrides) {
        Err(ProfileError::Problems { problems, .. }) => {
            problems.iter().map(|problem| format!("{} {} {}", problem.place, problem.key, problem.what)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_built_in_profile_is_good() {
    for (name, _, _) in BUILT_IN {
        let workload = workload(name, &Overrides::default()).unwrap();
        assert_eq!(workload.name, *name);
        assert!(!workload.thresholds.is_empty() && !workload.mix.is_empty());
    }
}

#[test]
fn the_memory_profile_is_a_hundred_users_that_write_and_read_half_and_half() {
    let workload = workload("memory", &Overrides::default()).unwrap();
    let writes = ["store_memory", "import_memories", "update_memory", "update_if_unchanged", "delete_memory"];
    let writes: u32 = writes.iter().map(|name| workload.mix[*name]).sum();
    assert_eq!((workload.users, writes * 2), (100, workload.mix.values().sum()));
    let classic = super::workload("memory-classic", &Overrides::default()).unwrap();
    assert_eq!(classic.mix["store_memory"] * 2, classic.mix.values().sum::<u32>());
    assert!(workload.organisations > 1 && workload.duration >= Duration::from_secs(30));
    assert!(workload.warmup > Duration::ZERO);
}

#[test]
fn the_command_line_changes_a_profile() {
    let overrides = Overrides {
        users: Some(3),
        duration: Some(Duration::from_secs(7)),
        rate: Some(50.0),
        thresholds: vec!["store_memory:p99<5ms".to_owned()],
        ..Overrides::default()
    };
    let workload = workload("memory", &overrides).unwrap();
    assert_eq!((workload.users, workload.organisations, workload.duration.as_secs()), (3, 3, 7));
    let stage = RateStage { from_per_second: 50.0, to_per_second: 50.0, duration: Duration::from_secs(7) };
    assert_eq!(workload.model, Model::Open { stages: vec![stage] });
    assert_eq!(workload.thresholds.len(), 1);
    assert_eq!(workload.thresholds[0].operation.as_deref(), Some("store_memory"));
    let staged = Overrides { stages: Some("2s:10,3s:20".to_owned()), ..Overrides::default() };
    assert_eq!(super::workload("memory", &staged).unwrap().duration.as_secs(), 5);
}

#[test]
fn all_problems_are_reported_together_with_their_lines() {
    let text = "service = \"memory\"\nuserz = 5\nusers = -1\nduration = \"5\"\nmodel = \"open\"\nthink_time = \"1s\"\n\
        [mix]\nstore_memori = 1\nget_memory = \"x\"\n[thresholds]\nall = [\"p99\", \"p200<1s\", 7]\nstore = []\n";
    let overrides = Overrides { users: Some(0), stages: Some("x".to_owned()), ..Overrides::default() };
    insta::assert_snapshot!(read("mine", "mine.toml", text, &overrides).unwrap_err());
}

#[test]
fn a_file_that_is_not_toml_has_its_line() {
    let found = problems("users = 1\nusers = 2\n", &Overrides::default());
    assert!(found[0].starts_with("mine.toml:2 (syntax)"), "{found:?}");
}

#[test]
fn a_key_of_the_other_model_is_refused() {
    let open = format!("rate = 5\n{GOOD}");
    assert_eq!(problems(&open, &Overrides::default()), ["mine.toml:1 rate it needs `model = \"open\"`"]);
    let both = format!("model = \"open\"\nrate = 5\nstages = \"1s:1\"\n{GOOD}");
    assert!(problems(&both, &Overrides::default())[0].contains("both given"));
}

#[test]
fn a_service_that_does_not_run_beside_memory_alone_is_refused() {
    let mixed = format!("{GOOD}run_workflow = 1\n");
    let problem = problems(&mixed, &Overrides::default()).concat();
    assert!(problem.contains("mine.toml:6 mix.run_workflow it calls `orchestrator`"), "{problem}");
    let full = mixed.replace("\"memory\"", "\"orchestrator\"");
    assert!(read("mine", "mine.toml", &full, &Overrides::default()).is_ok());
}

#[test]
fn an_unknown_workload_names_the_known_ones() {
    let error = workload("memroy", &Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("did you mean `memory`?") && error.contains("known workloads: `memory`"), "{error}");
    assert_eq!(known_workloads(), ["memory", "memory-classic", "guardrails", "patterns", "workflow", "full", "smoke"]);
    let error = workload("missing/profile.toml", &Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("missing/profile.toml"), "{error}");
}

#[test]
fn thresholds_are_read() {
    let p99 = threshold("p99<500ms").unwrap();
    assert_eq!((p99.operation, p99.metric, p99.below), (None, Metric::LatencyPercentile(99.0), 500_000.0));
    let rate = threshold("get_memory: error_rate < 0.5%").unwrap();
    assert_eq!((rate.operation.as_deref(), rate.metric, rate.below), (Some("get_memory"), Metric::ErrorRate, 0.005));
    for wrong in ["p99", "p99<", "p100<1s", "p99<5", "error_rate<0", "error_rate<200%", "speed<1s", "p99<0ms"] {
        assert!(threshold(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn stages_go_on_from_the_rate_before() {
    let rates: Vec<_> = stages("1s:10, 2s:20,1s:5-0").unwrap();
    let rates: Vec<_> = rates.iter().map(|stage| (stage.from_per_second, stage.to_per_second)).collect();
    assert_eq!(rates, [(10.0, 10.0), (10.0, 20.0), (5.0, 0.0)]);
    for wrong in ["", "1s", "1s:", "0s:5", "1s:0", "1s:-5", "x:5", "1s:1e9"] {
        assert!(stages(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_profiles() {
    for (file, schema) in [("profile", super::schema()), ("target-profile", super::target_schema())] {
        let path = format!("{}/../docs/{file}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), current, "run this test with UPDATE_SCHEMA=1");
    }
}

proptest! {
    #[test]
    fn durations_are_parsed_in_small_units(micros in 0_u64..1_000_000_000) {
        prop_assert_eq!(duration(&format!("{micros}us")), Ok(Duration::from_micros(micros)));
        prop_assert_eq!(duration(&format!("{micros}ms")), Ok(Duration::from_millis(micros)));
    }

    #[test]
    fn no_text_makes_the_reader_panic(noise in any::<String>()) {
        let _ = (duration(&noise), stages(&noise), threshold(&noise), read("x", "x", &noise, &Overrides::default()));
    }
}
