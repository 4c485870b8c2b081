//! The reports of a hardening run: one finding for each cause, SARIF that code scanning reads, and `fix.md` with the command that proves a fix.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/recorded.rs"]
mod recorded;

use harness_core::plan::Backend;
use harness_core::plan::reach::Reach;
use harness_core::plan::run_dir;
use harness_core::plan::target::Target;
use harness_history::Verdict;
use recorded::{write_hardening, write_hardening_of};
use serde_json::{Value, json};
use std::path::Path;

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn failures_of_one_cause_are_one_finding_in_every_report() {
    let dir = tempfile::tempdir().unwrap();
    let judgement = write_hardening(dir.path());
    let findings: Vec<(&str, Verdict)> =
        judgement.findings.iter().map(|one| (one.check.as_str(), one.verdict)).collect();
    let expected = [
        ("run-is-evidence", Verdict::Pass),
        ("MCP-AUTH-06", Verdict::Fail),
        ("MCP-TRN-01", Verdict::Unknown),
        ("MCP-TRN-02", Verdict::Pass),
    ];
    assert_eq!((judgement.verdict, findings), (Verdict::Fail, expected.to_vec()));
    let report: Value = serde_json::from_str(&read(dir.path(), run_dir::REPORT_JSON)).unwrap();
    let checks = report["hardening"]["checks"].as_array().unwrap();
    let states: Vec<&str> = checks.iter().map(|check| check["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["fail", "fail", "unknown", "pass", "not applicable"]);
    assert_eq!((&checks[0]["same_cause_as"], &checks[1]["same_cause_as"]), (&Value::Null, &json!("MCP-AUTH-06")));
    let junit = read(dir.path(), run_dir::JUNIT);
    assert!(junit.contains("check MCP-TRN-12") && junit.matches("<skipped").count() == 2, "{junit}");
    let markdown = read(dir.path(), run_dir::REPORT_MARKDOWN);
    assert!(markdown.contains("- 1 check skipped: the gateway adds the header (MCP-TRN-12)"), "{markdown}");
    assert!(markdown.contains("1 check passes.") && !markdown.contains("| operation |"), "{markdown}");
    assert_eq!(
        report["because"].as_str().unwrap().split(": ").next(),
        Some("1 of 4 checks fails (1 critical), 1 is unknown")
    );
    assert!(markdown.contains("(same cause as MCP-AUTH-06)"), "{markdown}");
}

#[test]
fn sarif_has_what_code_scanning_requires() {
    let dir = tempfile::tempdir().unwrap();
    write_hardening(dir.path());
    let sarif: Value = serde_json::from_str(&read(dir.path(), run_dir::SARIF)).unwrap();
    let validator = jsonschema::validator_for(&required_by_code_scanning()).unwrap();
    let problems: Vec<String> = validator.iter_errors(&sarif).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    let (rules, results) = (&sarif["runs"][0]["tool"]["driver"]["rules"], &sarif["runs"][0]["results"]);
    assert_eq!(results.as_array().unwrap().len(), 1, "one alert for each cause: {results}");
    let result = &results[0];
    let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
    assert_eq!((&result["ruleId"], &rule["id"]), (&json!("MCP-AUTH-06"), &json!("MCP-AUTH-06")));
    assert_eq!((&result["level"], &rule["properties"]["security-severity"]), (&json!("error"), &json!("9.8")));
    // The validator sees what is missing.
    let mut broken = sarif.clone();
    broken["runs"][0]["results"][0].as_object_mut().unwrap().remove("locations");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn sarif_is_valid_by_the_whole_published_schema() {
    let dir = tempfile::tempdir().unwrap();
    write_hardening(dir.path());
    let sarif: Value = serde_json::from_str(&read(dir.path(), run_dir::SARIF)).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schemas/sarif-2.1.0.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&sarif).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    // The schema knows no other field, and every field has its type.
    for (place, value) in [("/runs/0/results/0/level", json!("severe")), ("/runs/0/results/0/ruleIndex", json!("0"))] {
        let mut broken = sarif.clone();
        *broken.pointer_mut(place).unwrap() = value;
        assert!(!validator.is_valid(&broken), "{place}");
    }
    let mut broken = sarif;
    broken["runs"][0]["results"][0]["ruleName"] = json!("x");
    assert!(!validator.is_valid(&broken), "an unknown field");
}

fn sarif_of(backend: Backend, file: Option<&str>) -> (Value, String) {
    let dir = tempfile::tempdir().unwrap();
    write_hardening_of(dir.path(), backend, file);
    let sarif: Value = serde_json::from_str(&read(dir.path(), run_dir::SARIF)).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schemas/sarif-2.1.0.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    for schema in [schema, required_by_code_scanning()] {
        let validator = jsonschema::validator_for(&schema).unwrap();
        let problems: Vec<String> = validator.iter_errors(&sarif).map(|error| error.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new());
    }
    let fix = read(dir.path(), run_dir::FIX);
    (sarif["runs"][0].clone(), fix)
}

#[test]
fn a_result_of_a_foreign_server_names_that_server_and_no_file_of_this_product() {
    let url = "http://127.0.0.1:8000/mcp?key=a".to_owned();
    let target = Target { url, tokens: Vec::new(), ca_file: None, reach: Reach::default(), start: None };
    let (run, fix) = sarif_of(Backend::Target(Box::new(target)), None);
    let text = run["results"].to_string();
    assert!(!text.contains("services/") && !text.contains("Cargo.toml"), "{text}");
    let location = &run["results"][0]["locations"][0];
    let file = &location["physicalLocation"]["artifactLocation"];
    assert_eq!((&file["uri"], &file["uriBaseId"]), (&json!(run_dir::FIX), &json!("RUN")));
    assert!(run["originalUriBaseIds"]["RUN"].is_object(), "every base is declared");
    let name = location["logicalLocations"][0]["fullyQualifiedName"].as_str().unwrap();
    assert_eq!(name, "http://127.0.0.1:8000/mcp memory: a token of another key");
    assert!(!fix.contains("Files:") && !fix.contains("services/kit"), "{fix}");
}

#[test]
fn a_result_that_a_file_shows_points_to_that_file() {
    let (run, _) = sarif_of(Backend::Process, Some("deploy/Dockerfile"));
    let file = &run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!((&file["uri"], &file["uriBaseId"]), (&json!("deploy/Dockerfile"), &json!("%SRCROOT%")));
    let (run, _) = sarif_of(Backend::Process, None);
    let file = &run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(file["uri"], "services/kit/src/auth.rs");
}

/// What SARIF 2.1.0 and code scanning require of the fields that the document has.
fn required_by_code_scanning() -> Value {
    let text = json!({ "type": "object", "required": ["text"], "properties": { "text": { "type": "string", "minLength": 1 } } });
    let level = json!({ "enum": ["none", "note", "warning", "error"] });
    let rule = json!({
        "type": "object", "required": ["id", "shortDescription", "fullDescription", "help", "properties"],
        "properties": {
            "id": { "type": "string", "maxLength": 255 }, "shortDescription": text, "fullDescription": text, "help": text,
            "defaultConfiguration": { "type": "object", "properties": { "level": level } },
            "properties": { "type": "object", "required": ["security-severity", "tags"], "properties": {
                "security-severity": { "type": "string", "pattern": "^(10|[0-9])\\.[0-9]$" },
                "precision": { "enum": ["very-high", "high", "medium", "low"] },
                "tags": { "type": "array", "maxItems": 20, "items": { "type": "string" }, "contains": { "const": "security" } },
            }},
        },
    });
    let location = json!({
        "type": "object", "required": ["physicalLocation"],
        "properties": { "physicalLocation": { "type": "object", "required": ["artifactLocation", "region"], "properties": {
            "artifactLocation": { "type": "object", "required": ["uri"], "properties": { "uri": { "type": "string", "pattern": "^[^/:]+(/[^/:]+)*$" } } },
            "region": { "type": "object", "required": ["startLine"], "properties": { "startLine": { "type": "integer", "minimum": 1 } } },
        }}},
    });
    let result = json!({
        "type": "object", "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
        "properties": {
            "message": text, "level": level, "locations": { "type": "array", "minItems": 1, "maxItems": 1_000, "items": location },
            "partialFingerprints": { "type": "object", "required": ["primaryLocationLineHash"] },
        },
    });
    json!({
        "type": "object", "required": ["$schema", "version", "runs"],
        "properties": {
            "version": { "const": "2.1.0" },
            "runs": { "type": "array", "minItems": 1, "maxItems": 20, "items": {
                "type": "object", "required": ["tool", "results"],
                "properties": {
                    "tool": { "type": "object", "required": ["driver"], "properties": { "driver": {
                        "type": "object", "required": ["name", "rules"], "properties": { "name": { "type": "string" }, "rules": { "type": "array", "items": rule } },
                    }}},
                    "results": { "type": "array", "maxItems": 25_000, "items": result },
                },
            }},
        },
    })
}

#[test]
fn the_list_of_fixes_has_the_evidence_and_the_command_that_proves_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    write_hardening(dir.path());
    let fix = read(dir.path(), run_dir::FIX);
    for part in [
        "| [MCP-AUTH-06](#mcp-auth-06) | critical | what MCP-AUTH-06 tries is refused; not so: memory: a token of another key and 2 more | \
         `harness harden --repeat MCP-AUTH-06` |",
        "| [MCP-TRN-01](#mcp-trn-01) | high, unknown |",
        "Seen with memory: a token of another key; memory: a token of no key: the status is not 401; the reply has a result.",
        "authorization: Bearer [token]",
        "HTTP/1.1 200 OK",
        "curl -sS -i -X POST 'http://127.0.0.1:7420/mcp'",
        "Fix: Refuse it. Files: `services/kit/src/auth.rs`.",
        "Fails for the same cause: MCP-AUTH-08",
    ] {
        assert!(fix.contains(part), "`{part}` is missing:\n{fix}");
    }
    assert!(!fix.contains("## MCP-AUTH-08"), "a failure of the same cause is no finding of its own:\n{fix}");
    assert!(fix.contains("` ` `{}"), "a fence in the evidence does not end the block:\n{fix}");
    assert_eq!(fix.matches("curl -sS").count(), 1, "one request stands for all cases with the same signs:\n{fix}");
}
