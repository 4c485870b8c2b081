//! `report.sarif`: the failures of a hardening run for code scanning (SARIF 2.1.0). A result points to the file that shows it or in which it is fixed,
//! because a URL is not a location in a repository. A server of another maker has no such file; its results point to `fix.md` of the run, and name the server.

use super::figures::{CheckFigures, HardeningFigures, Summary};
use crate::plan::run_dir;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Names of the folders that locations are relative to.
const SOURCES: &str = "%SRCROOT%";
const RUN: &str = "RUN";
/// Maximum number of tags of a rule that code scanning shows.
const MAX_TAGS: usize = 10;

#[derive(Debug, Serialize)]
pub(super) struct Sarif {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [SarifRun; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifRun {
    tool: Value,
    automation_details: Value,
    original_uri_base_ids: Value,
    invocations: [Value; 1],
    results: Vec<SarifResult>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Value,
    locations: [Value; 1],
    partial_fingerprints: Value,
}

/// Returns the document with one result for each finding.
pub(super) fn document(summary: &Summary, hardening: &HardeningFigures) -> Sarif {
    let failed = hardening.checks.iter().enumerate();
    let failed = failed.filter(|(_, check)| check.state == "fail" && check.same_cause_as.is_none());
    Sarif {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [SarifRun {
            tool: json!({ "driver": {
                "name": "harness harden",
                "version": summary.surroundings.harness_version,
                "rules": hardening.checks.iter().map(rule).collect::<Vec<_>>(),
            }}),
            automation_details: json!({ "id": format!("harness-harden/{}", summary.run_id) }),
            // Without their paths, which differ from one machine to the next.
            original_uri_base_ids: json!({
                SOURCES: { "description": { "text": "The root of the repository." } },
                RUN: { "description": { "text": "The directory of the run." } },
            }),
            invocations: [json!({ "executionSuccessful": !summary.interrupted, "commandLine": summary.plan.command })],
            results: failed.map(|(index, check)| result(index, check, hardening.target.as_deref())).collect(),
        }],
    }
}

fn rule(check: &CheckFigures) -> Value {
    let tags: Vec<&str> = std::iter::once("security").chain(check.sources.iter().map(String::as_str)).collect();
    let sources: String = check.sources.iter().map(|source| format!("\n- {source}")).collect();
    json!({
        "id": check.id,
        "name": check.id,
        "shortDescription": { "text": check.title },
        "fullDescription": { "text": check.why },
        "help": {
            "text": format!("{}\n{}", check.why, check.remedy),
            "markdown": format!("{}\n\n**Test:** {}\n\n**Remedy:** {}\n\n**Sources:**\n{sources}", check.why, check.how, check.remedy),
        },
        "defaultConfiguration": { "level": level(&check.severity) },
        "properties": {
            // Code scanning reads the number as a text.
            "security-severity": format!("{:.1}", check.score),
            "precision": "very-high",
            "tags": &tags[..tags.len().min(MAX_TAGS)],
        },
    })
}

/// Returns the place of a finding.
fn location(check: &CheckFigures, target: Option<&str>) -> Value {
    let shown_by = check.violations.iter().find_map(|violation| violation.file.as_deref());
    let physical = |uri: &str, base: &str| json!({ "artifactLocation": { "uri": uri, "uriBaseId": base }, "region": { "startLine": 1 } });
    match shown_by.or(check.mend.first().map(String::as_str)) {
        Some(file) => json!({ "physicalLocation": physical(file, SOURCES) }),
        None => {
            let case = check.violations.first().map_or("", |violation| violation.case.as_str());
            let name = format!("{} {case}", target.unwrap_or("the stack"));
            json!({
                "physicalLocation": physical(run_dir::FIX, RUN),
                "logicalLocations": [{ "fullyQualifiedName": name.trim(), "kind": "resource" }],
            })
        }
    }
}

fn result(rule_index: usize, check: &CheckFigures, target: Option<&str>) -> SarifResult {
    let cases: String = check
        .violations
        .iter()
        .map(|violation| format!("\n{}: {}", violation.case, violation.signs.join("; ")))
        .collect();
    SarifResult {
        rule_id: check.id.clone(),
        rule_index,
        level: level(&check.severity),
        message: json!({ "text": format!("Expected: {}.{cases}\nRemedy: {}\nRepeat: {}", check.title, check.remedy, check.repeat) }),
        locations: [location(check, target)],
        // One alert for each check, however its cases change.
        partial_fingerprints: json!({ "primaryLocationLineHash": hex::encode(Sha256::digest(check.id.as_bytes())) }),
    }
}

fn level(severity: &str) -> &'static str {
    match severity {
        "critical" | "high" => "error",
        "medium" => "warning",
        _ => "note",
    }
}
