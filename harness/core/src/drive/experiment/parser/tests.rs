//! What an experiment's file may say, and every problem that it can have.

use super::schema;
use crate::drive::experiment::{ExperimentError, find, read};
use crate::plan::topology::EdgeMode;

/// The problem of an experiment of the catalogue that was changed in one place.
fn problem_of(name: &str, from: &str, to: &str) -> String {
    let path = format!("{}/../../chaos/experiments/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    match read(name, "x.toml", &text.replace(from, to)) {
        Err(error @ ExperimentError::Problems(_)) => error.to_string(),
        other => panic!("no problem: {other:?}"),
    }
}

#[test]
fn provided_files_are_read_with_the_experiment() {
    let experiment = find("stale-pattern", None).unwrap();
    assert_eq!(experiment.given.len(), 2);
    assert!(experiment.given[0].text.contains("own-incident"));
}

#[test]
fn files_that_cannot_be_provided_or_changed_are_reported_with_their_line() {
    let error = problem_of("policy-change", "[[given]]\nservice = \"guardrails\"", "[[given]]\nservice = \"patterns\"");
    assert!(error.contains("`guardrails` watches no folder of files"), "{error}");
    let error = problem_of(
        "stale-pattern",
        "[[given]]\nservice = \"patterns\"\nfile = \"own.yaml\"",
        "[[given]]\nservice = \"patterns\"\nfile = \"third.yaml\"",
    );
    assert!(
        error.contains("x.toml:54") && error.contains("`own.yaml` cannot be removed, because it does not exist"),
        "{error}"
    );
    let error =
        problem_of("policy-change", "[[given]]\nservice = \"guardrails\"", "[[given]]\nservice = \"guardrail\"");
    assert!(
        error.contains("x.toml:11")
            && error.contains("`guardrail` is none of the allowed values; did you mean `guardrails`?"),
        "{error}"
    );
    let error = problem_of("stale-pattern", "file = \"other.yaml\"", "file = \"own.yaml\"");
    assert!(error.contains("`patterns` has the file `own.yaml` twice"), "{error}");
    let error = problem_of("policy-change", "about = ", "stack = \"memory\"\nabout = ");
    assert!(error.contains("x.toml:12: `given`: there is no `guardrails` in this stack"), "{error}");
    let error = problem_of("policy-change", "file = \"own.yaml\"", "file = \"../own.yaml\"");
    assert!(error.contains("a path inside its folder"), "{error}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_line_and_key() {
    let text = "id = 7\nabuot = \"x\"\nstack = \"ful\"\nrequires = [\"no-lost-write\"]\n[settings]\nQUOTA_FREE_DALY = 1\n\
        [settings.memory]\nQUOTA_FREE_DAILY = true\n[instances]\nmemory = 9\nredis = 2\n[load]\nrate = 0\norganisations = 30\n\
        mix = { store_memori = 1 }\n[[limited]]\nplan = \"gold\"\nlimit = 3\n[surge]\ntimes = 2\n[[fault]]\nkind = \"kil\"\n\
        part = \"memory\"\nlasts = \"2s\"\n[[fault]]\nkind = \"kill\"\npart = \"memry\"\nlasts = \"2s\"\ntimes = 2\n\
        [during]\nall = [\"p99\"]\n[expect]\nreadiness = [{ part = \"memory\", says = \"dead\" }]\n\
        counters = [{ part = \"memory\", metric = \"m\" }, { part = \"memori\", metric = \"m\", growth = \">= x\" }]\n[abort]\nerror_share = 2\n";
    let Err(error) = read("x", "x.toml", text) else { panic!("no problem") };
    let error = error.to_string();
    for expected in [
        "x.toml:1: `id`: `7` is not text",
        "x.toml:2: `abuot`: unknown key; did you mean `about`?",
        "x.toml: `about`: it is missing",
        "x.toml:3: `stack`: `ful` is none of the allowed values; did you mean `full`?",
        "x.toml:4: `requires`: there is no standing check `no-lost-write`; did you mean `no-lost-writes`?",
        "x.toml:6: `settings.QUOTA_FREE_DALY`: unknown key; did you mean `QUOTA_FREE_DAILY`?",
        "x.toml:8: `settings.memory.QUOTA_FREE_DAILY`: `true` is not a value",
        "x.toml:10: `instances.memory`: `9` is out of range",
        "x.toml:11: `instances.redis`: unknown key",
        "x.toml:13: `load.rate`: `0` is out of range",
        "x.toml:14: `load.organisations`: it is out of range",
        "x.toml:15: `load.mix.store_memori`: unknown key; did you mean `store_memory`?",
        "x.toml:17: `limited.plan`: `gold` is none of the allowed values",
        "x.toml: `surge.lasts`: it is missing",
        "x.toml:21: `fault`: unknown variant `kil`",
        "x.toml:25: `fault.every`: it is required if `times` is above 1",
        "x.toml:25: `fault`: there is no part `memry` in this stack; did you mean `memory`?",
        "x.toml:31: `during.all`",
        "x.toml:33: `expect.readiness.says`: `dead` is none of the allowed values",
        "x.toml:34: `expect.counters`: it does not have exactly one bound",
        "x.toml:34: `expect.counters`: `memori` is not a part of this stack",
        "x.toml:34: `expect.counters.growth`: ` x` is not a number",
        "x.toml:36: `abort.error_share`: `2` is out of range",
    ] {
        assert!(error.contains(expected), "`{expected}` is missing in {error}");
    }
}

const ON_TARGET: &str = "id = \"T\"\nabout = \"x\"\nstack = \"target\"\n[target]\nurl = \"http://127.0.0.1:{{port}}/mcp\"\n[target.start]\n\
    command = [\"serve\", \"{{port}}\"]\n[load]\nrate = 20\n[[operation]]\ntool = \"search\"\narguments = { q = \"{{word}}\" }\nweight = 3\n\
    [[fault]]\nkind = \"disk_full\"\npart = \"target\"\nlasts = \"2s\"\n[[fault]]\nkind = \"network\"\nfrom = \"client\"\nto = \"target\"\n\
    rule = { toxic = { kind = \"hang\" } }\nlasts = \"2s\"\n";

#[test]
fn an_experiment_on_a_target_has_its_server_and_its_calls() {
    let experiment = read("t", "t.toml", ON_TARGET).unwrap_or_else(|error| panic!("{error}"));
    assert!(experiment.is_on_target() && experiment.target.as_ref().is_some_and(|target| target.start.is_some()));
    assert_eq!((experiment.load.operations[0].tool.as_str(), experiment.load.mix["search"]), ("search", 3));
    assert_eq!(experiment.topology.edge_mode("client", "target"), Some(crate::plan::topology::EdgeMode::Proxied));
    // Without a server and calls of its own, the command line names them.
    assert!(find("any-kill", None).unwrap().load.operations.is_empty());
}

#[test]
fn keys_of_another_kind_of_stack_are_reported_with_their_line() {
    for (from, to, expected) in [
        ("stack = \"target\"", "stack = \"memory\"", "t.toml:4: `target`: it is for a server of any maker"),
        ("stack = \"target\"", "stack = \"memory\"", "`load.mix`: it is missing"),
        ("rate = 20", "mix = { get_memory = 1 }", "t.toml:9: `load.mix`: it does not apply to a server of any maker"),
        ("{{word}}", "{{wrod}}", "did you mean `{{word}}`?"),
        ("[load]", "[settings]\nQUOTA_FREE_DAILY = 1\n[load]", "t.toml:8: `settings`: it does not apply"),
        ("part = \"target\"", "part = \"targt\"", "there is no part `targt` in this stack; did you mean `target`?"),
        ("kind = \"disk_full\"", "kind = \"database_locked\"", "does not know its database"),
    ] {
        assert!(ON_TARGET.contains(from), "{from}");
        let error = read("t", "t.toml", &ON_TARGET.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "`{expected}` is missing in {error}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_experiments() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/experiment.schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), current, "run this test with UPDATE_SCHEMA=1");
}

#[test]
fn the_schema_accepts_the_catalogue() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, _, text) in crate::drive::experiment::BUILT_IN {
        let value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        assert!(validator.is_valid(&value), "{name}: {:?}", validator.iter_errors(&value).collect::<Vec<_>>());
    }
}

#[test]
fn an_experiment_on_postgres_has_the_server_and_an_edge_to_it() {
    let experiment = find("instance-kill", None).unwrap();
    let names: Vec<&str> = experiment.topology.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["redis", "postgres", "memory-1", "memory-2"]);
    assert_eq!(experiment.topology.edge_mode("memory-2", "postgres"), Some(EdgeMode::Direct));
    let cut = find("commit-answer-cut", None).unwrap();
    assert_eq!(cut.topology.edge_mode("memory", "postgres"), Some(EdgeMode::Proxied));
    let error = problem_of("postgres-kill", "store = \"postgres\"", "store = \"sqlite\"");
    assert!(error.contains("no part `postgres` in this stack"), "{error}");
    let error = problem_of("any-kill", "stack = \"target\"", "stack = \"target\"\nstore = \"postgres\"");
    assert!(error.contains("`store`: it does not apply to a server of any maker"), "{error}");
}
