//! `report.sarif`: the failures of a hardening run for code scanning (SARIF 2.1.0). A result points to the file in which it is fixed, because a URL is not a location
//! in a repository.

use super::figures::{CheckFigures, HardeningFigures, Summary};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The place of a result on a server of another maker, whose files are not known.
const SERVER: &str = "mcp-server";
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
            invocations: [json!({ "executionSuccessful": !summary.interrupted, "commandLine": summary.plan.command })],
            results: failed.map(|(index, check)| result(index, check)).collect(),
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

fn result(rule_index: usize, check: &CheckFigures) -> SarifResult {
    let cases: String = check
        .violations
        .iter()
        .map(|violation| format!("\n{}: {}", violation.case, violation.signs.join("; ")))
        .collect();
    let file = check.mend.first().map_or(SERVER, String::as_str);
    SarifResult {
        rule_id: check.id.clone(),
        rule_index,
        level: level(&check.severity),
        message: json!({ "text": format!("Expected: {}.{cases}\nRemedy: {}\nRepeat: {}", check.title, check.remedy, check.repeat) }),
        locations: [json!({ "physicalLocation": {
            "artifactLocation": { "uri": file, "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": 1 },
        }})],
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
