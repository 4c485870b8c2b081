//! The list of tools. Every tool of every service must be tried by another organisation in the files of this folder or
//! be excused here, so that a new tool cannot be forgotten.

use harness_core::drive::scenario::{ScenarioRequest, Stage, StepFailed};
use harness_history::counted;
use mcp_contracts::Service;
use serde_json::json;

/// Tools that another organisation calls against the data of this one. A test checks that the files of this folder call
/// each of them.
const TRIED: &[&str] = &[
    "store_memory",
    "get_memory",
    "search_memory",
    "list_memories",
    "update_memory",
    "delete_memory",
    "delete_by_tag",
    "memory_stats",
    "export_memories",
    "import_memories",
    "acknowledge_guardrails",
    "select_pattern",
    "inject_pattern",
    "log_pattern_usage",
    "run_workflow",
    "get_execution",
    "list_executions",
];
/// Tools that cannot return data of another tenant, because they judge only the text of their own call.
const EXCUSED: &[&str] =
    &["check_guardrails", "validate_commit", "validate_db_operation", "validate_icons", "scan_text"];

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let mut offered = Vec::new();
    for service in Service::ALL {
        let listed = ann.send(ScenarioRequest::method(service, "tools/list", json!({}))).await.or_stop()?;
        let tools = listed["tools"].as_array().into_iter().flatten();
        let names: Vec<String> = tools.filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect();
        let forgotten = forgotten(&names);
        stage.expect(
            &format!("every tool of {} is tried by another organisation or excused", service.name()),
            !names.is_empty() && forgotten.is_empty(),
            format!("{}, forgotten: {forgotten:?}", counted(names.len(), "tool", "tools")),
            &[listed.op()],
        );
        offered.extend(names);
    }
    let removed: Vec<&&str> =
        TRIED.iter().chain(EXCUSED).filter(|name| !offered.iter().any(|tool| tool == *name)).collect();
    stage.expect("every tool on these lists exists", removed.is_empty(), format!("{removed:?}"), &[]);
    Ok(())
}

fn forgotten(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| !TRIED.contains(&name.as_str()) && !EXCUSED.contains(&name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::{EXCUSED, TRIED, forgotten};

    const FILES: [&str; 4] = [
        include_str!("memory.rs"),
        include_str!("workflows.rs"),
        include_str!("verdicts.rs"),
        include_str!("counts.rs"),
    ];

    #[test]
    fn a_new_tool_is_forgotten_until_it_is_listed() {
        let names = ["get_memory".to_owned(), "scan_text".to_owned(), "read_everything".to_owned()];
        assert_eq!(forgotten(&names), ["read_everything"]);
    }

    #[test]
    fn every_tool_that_counts_as_tried_is_called() {
        for tool in TRIED {
            assert!(FILES.iter().any(|text| text.contains(&format!("\"{tool}\""))), "`{tool}` is never called");
        }
        assert!(EXCUSED.iter().all(|tool| !TRIED.contains(tool)));
    }
}
