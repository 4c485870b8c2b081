//! The workflows of GitHub: whose code they run, and with which permissions.

use super::{NEEDS, WORKFLOWS};
use harness_core::drive::hardening::{FileCase, HardeningCheck, Probe, Stop};
use serde_json::Value;
use std::future::ready;

/// Digits of a commit.
const COMMIT_DIGITS: usize = 40;
/// What a stranger writes: titles, texts and names of branches.
const WRITTEN_BY_STRANGERS: [&str; 6] = [
    "github.head_ref",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.pull_request.head.ref",
    "github.event.issue",
    "github.event.comment",
];
const CHECKOUT: &str = "actions/checkout@";

pub(crate) const PINNED: HardeningCheck = HardeningCheck {
    id: "MCP-SUP-01",
    title: "workflows run only actions that are pinned by a commit, with the least permissions, and no code of strangers with secrets",
    score: 7.5,
    why: "A tag of an action can be moved to other code, which then has the token and the secrets of the repository.",
    sources: &["OWASP MCP04:2025", "OWASP CICD-SEC-3 and CICD-SEC-4", "SLSA 1.0, build", "CWE-829"],
    needs: NEEDS,
    how: "Reads every workflow: each action must be pinned by a commit or a digest, the permissions at the top must be set and write nothing, no job may have `write-all`, no workflow may run on `pull_request_target`, no script may contain a text that a stranger writes, and a checkout must not keep the token.",
    remedy: "Pin actions by commit, begin with `permissions: {}`, and grant each job what it needs.",
    fix_in: &[".github/workflows/mcp-ci.yml"],
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(ready(pinned(probe))),
};

fn pinned(probe: &Probe<'_>) -> Result<(), Stop> {
    let files = probe.files_in(WORKFLOWS, &[".yml", ".yaml"])?;
    if files.is_empty() {
        return Err(Stop::NotApplicable(format!("the repository has no workflow in `{WORKFLOWS}`")));
    }
    for file in &files {
        let workflow: Value = serde_saphyr::from_str(&probe.read_file(file)?)
            .map_err(|error| Stop::Unclear(format!("`{file}` is not YAML: {error}")))?;
        if !workflow["jobs"].is_object() {
            return Err(Stop::Unclear(format!("`{file}` has no jobs")));
        }
        probe.controlled();
        judge(probe, file, &workflow);
    }
    Ok(())
}

fn judge(probe: &Probe<'_>, file: &str, workflow: &Value) {
    let case = |case: &str, wrong: &[String], fact: &str, effect: &str| {
        let (holds, excerpt) = (wrong.is_empty(), wrong.join("\n"));
        probe.judge_file(FileCase { file, case, holds, fact, effect, excerpt: &excerpt });
    };
    let steps = steps(workflow);
    let actions = steps.iter().copied().chain(jobs(workflow)).filter_map(|step| step["uses"].as_str());
    let unpinned: Vec<String> = actions.filter(|action| !is_pinned(action)).map(str::to_owned).collect();
    case(
        "actions are pinned by a commit",
        &unpinned,
        "an action is named by a tag or a branch",
        "the owner of the tag runs code with the token of the workflow",
    );
    case(
        "permissions are the least",
        &wide_permissions(workflow),
        "permissions are not set, or they write",
        "every step can change the repository",
    );
    let triggers = shown(&workflow["on"]);
    let target: Vec<String> = triggers.contains("pull_request_target").then(|| triggers.clone()).into_iter().collect();
    case(
        "it does not run on `pull_request_target`",
        &target,
        "the trigger is `pull_request_target`",
        "code of a stranger runs with the secrets of the repository",
    );
    let scripts = steps.iter().filter_map(|step| step["run"].as_str());
    let injected: Vec<String> = scripts.filter(|script| takes_text_of_strangers(script)).map(str::to_owned).collect();
    case(
        "no script contains a text of a stranger",
        &injected,
        "a script has an expression that a stranger writes",
        "the title of a pull request is executed",
    );
    let is_checkout = |step: &&&Value| step["uses"].as_str().is_some_and(|action| action.starts_with(CHECKOUT));
    let keeps = |step: &&&Value| shown(&step["with"]["persist-credentials"]) != "false";
    let kept: Vec<String> = steps.iter().filter(is_checkout).filter(keeps).map(|step| step.to_string()).collect();
    case(
        "a checkout does not keep the token",
        &kept,
        "`persist-credentials` is not false",
        "every later step reads the token from the folder",
    );
}

fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().into_iter().flatten().map(|(_, job)| job)
}

fn steps(workflow: &Value) -> Vec<&Value> {
    jobs(workflow).filter_map(|job| job["steps"].as_array()).flatten().collect()
}

/// Returns true for an action of this repository, of a commit, or of an image with a digest.
fn is_pinned(action: &str) -> bool {
    if action.starts_with("./") || action.starts_with("docker://") && action.contains("@sha256:") {
        return true;
    }
    let commit = action.rsplit_once('@').map_or("", |(_, commit)| commit);
    commit.len() == COMMIT_DIGITS && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the permissions that are more than a workflow or a job may have.
fn wide_permissions(workflow: &Value) -> Vec<String> {
    let mut wide = Vec::new();
    let top = &workflow["permissions"];
    let writes = |permissions: &Value| {
        let mut each = permissions.as_object().into_iter().flatten();
        permissions == "write-all" || each.any(|(_, level)| level == "write")
    };
    if top.is_null() || writes(top) {
        wide.push(format!("permissions: {top}"));
    }
    for (name, job) in workflow["jobs"].as_object().into_iter().flatten() {
        if job["permissions"] == "write-all" {
            wide.push(format!("{name}: permissions: write-all"));
        }
    }
    wide
}

fn takes_text_of_strangers(script: &str) -> bool {
    let expressions = script.split("${{").skip(1).filter_map(|rest| rest.split("}}").next());
    expressions.into_iter().any(|expression| WRITTEN_BY_STRANGERS.iter().any(|text| expression.contains(text)))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{is_pinned, takes_text_of_strangers, wide_permissions};
    use serde_json::json;

    #[test]
    fn only_a_commit_or_a_digest_pins_an_action() {
        let commit = "a".repeat(40);
        for (action, pinned) in [
            (format!("actions/checkout@{commit}"), true),
            ("actions/checkout@v4".to_owned(), false),
            ("actions/checkout".to_owned(), false),
            ("./.github/workflows/deploy.yml".to_owned(), true),
            ("docker://alpine:3".to_owned(), false),
            (format!("docker://alpine@sha256:{commit}"), true),
        ] {
            assert_eq!(is_pinned(&action), pinned, "{action}");
        }
    }

    #[test]
    fn permissions_that_write_at_the_top_are_wide() {
        let of = |top| {
            wide_permissions(
                &json!({ "permissions": top, "jobs": { "a": { "permissions": { "contents": "write" } } } }),
            )
        };
        assert!(of(json!({})).is_empty() && of(json!("read-all")).is_empty());
        assert_eq!(of(json!(null)).len(), 1);
        assert_eq!(of(json!({ "packages": "write" })).len(), 1);
    }

    #[test]
    fn only_the_text_of_strangers_is_injected() {
        assert!(takes_text_of_strangers("echo ${{ github.event.pull_request.title }}"));
        assert!(!takes_text_of_strangers("echo ${{ github.sha }} github.head_ref"));
    }
}
