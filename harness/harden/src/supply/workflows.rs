//! The workflows of GitHub: whose code they run, and with which permissions.

use super::{NEEDS, WORKFLOWS, is_commit};
use harness_core::drive::hardening::{FileCase, HardeningCheck, Lane, Probe, Stop};
use serde_json::Value;
use std::future::ready;

/// Prefixes of the parts of an event that a stranger creates, such as an issue.
const OF_STRANGERS: [&str; 9] = [
    "github.event.issue.",
    "github.event.pull_request.",
    "github.event.comment.",
    "github.event.review.",
    "github.event.discussion.",
    "github.event.head_commit.",
    "github.event.pages",
    "github.event.commits",
    "github.event.workflow_run.head_",
];
/// Last parts of the expressions whose value a stranger writes: titles, texts and names of branches. Numbers and ids are harmless.
const TEXTS: [&str; 10] =
    ["title", "body", "ref", "label", "message", "head_branch", "default_branch", "name", "email", "page_name"];
/// Triggers that have the secrets of the repository although a stranger starts them.
const PRIVILEGED: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];
const SCRIPT: &str = "actions/github-script@";
const CHECKOUT: &str = "actions/checkout@";

pub(crate) const PINNED: HardeningCheck = HardeningCheck {
    id: "MCP-SUP-01",
    title: "workflows run only actions that are pinned by a commit, with the least permissions, and no code of strangers with secrets",
    score: 7.5,
    why: "A tag of an action can be moved to other code, which then has the token and the secrets of the repository.",
    sources: &["OWASP MCP04:2025", "OWASP CICD-SEC-3 and CICD-SEC-4", "SLSA 1.0, build", "CWE-829"],
    needs: NEEDS,
    how: "Reads every workflow and the actions in the repository that its steps use: each action must be pinned by a commit or a digest, the permissions at the top must be set and write nothing, no job may have `write-all`, no workflow that a stranger starts with the secrets of the repository may check out what the stranger wrote, no script may contain a text that a stranger writes, and a checkout must not keep the token.",
    remedy: "Pin actions by commit, begin with `permissions: {}`, and grant each job what it needs.",
    fix_in: &[".github/workflows/mcp-ci.yml"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(ready(pinned(probe))),
};

fn pinned(probe: &Probe<'_>) -> Result<(), Stop> {
    let files = probe.files_in(WORKFLOWS, &[".yml", ".yaml"])?;
    if files.is_empty() {
        return Err(Stop::NotApplicable(format!("the repository has no workflow in `{WORKFLOWS}`")));
    }
    for file in &files {
        let workflow = tree(file, &probe.read_file(file)?)?;
        if !workflow["jobs"].is_object() {
            return Err(Stop::Unclear(format!("`{file}` has no jobs")));
        }
        probe.count_control();
        judge(probe, file, &workflow);
        for action in steps(&workflow).iter().filter_map(|step| step["uses"].as_str()?.strip_prefix("./")) {
            judge_action(probe, action)?;
        }
    }
    Ok(())
}

/// Judges the actions that an action of the repository uses.
fn judge_action(probe: &Probe<'_>, folder: &str) -> Result<(), Stop> {
    for name in ["action.yml", "action.yaml"] {
        let file = format!("{}/{name}", folder.trim_end_matches('/'));
        let Some(text) = probe.find_file(&file)? else { continue };
        let action = tree(&file, &text)?;
        let steps = action["runs"]["steps"].as_array().into_iter().flatten();
        let unpinned: Vec<&str> =
            steps.filter_map(|step| step["uses"].as_str()).filter(|used| !is_pinned(used)).collect();
        probe.judge_file(FileCase {
            file: &file,
            case: "actions are pinned by a commit",
            holds: unpinned.is_empty(),
            fact: "an action is named by a tag or a branch",
            effect: "the owner of the tag runs code with the token of the workflow",
            excerpt: &unpinned.join("\n"),
        });
    }
    Ok(())
}

fn tree(file: &str, text: &str) -> Result<Value, Stop> {
    serde_saphyr::from_str(text).map_err(|error| Stop::Unclear(format!("`{file}` is not YAML: {error}")))
}

/// Returns the scripts of a workflow and the actions that it uses, each on a line.
pub(super) fn scripts(file: &str, text: &str) -> Result<String, Stop> {
    let workflow = tree(file, text)?;
    let steps = steps(&workflow);
    let lines = steps.iter().flat_map(|step| [step["run"].as_str(), step["uses"].as_str()]).flatten();
    Ok(lines.collect::<Vec<_>>().join("\n"))
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
    case(
        "a stranger cannot run code with the secrets",
        &checked_out(workflow),
        "a stranger starts it with the secrets of the repository, and it checks out what the stranger wrote",
        "code of a stranger has the secrets",
    );
    let injected: Vec<String> = steps.iter().flat_map(|step| injected(step)).collect();
    case(
        "no script contains a text of a stranger",
        &injected,
        "a script has an expression that a stranger writes",
        "the title of a pull request is executed",
    );
    let kept: Vec<String> =
        steps.iter().filter(|step| keeps_the_token(step)).map(|step| shown(&step["uses"])).collect();
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
    action.rsplit_once('@').is_some_and(|(_, commit)| is_commit(commit))
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

fn is_checkout(step: &Value) -> bool {
    step["uses"].as_str().is_some_and(|action| action.to_ascii_lowercase().starts_with(CHECKOUT))
}

fn keeps_the_token(step: &Value) -> bool {
    is_checkout(step) && shown(&step["with"]["persist-credentials"]) != "false"
}

/// Returns the triggers with secrets of a workflow that checks out what a stranger wrote.
fn checked_out(workflow: &Value) -> Vec<String> {
    let on = &workflow["on"];
    let is_trigger = |name: &&str| {
        on == *name || on.get(*name).is_some() || on.as_array().is_some_and(|all| all.iter().any(|one| one == *name))
    };
    let is_of_a_stranger = |step: &&Value| {
        let chosen = format!("{} {}", shown(&step["with"]["ref"]), shown(&step["with"]["repository"]));
        let fetches = step["run"].as_str().is_some_and(|script| script.contains("gh pr checkout"));
        is_checkout(step) && ["head", "merge_commit", "refs/pull"].iter().any(|word| chosen.contains(word)) || fetches
    };
    if !steps(workflow).iter().any(is_of_a_stranger) {
        return Vec::new();
    }
    PRIVILEGED.into_iter().filter(is_trigger).map(str::to_owned).collect()
}

/// Returns the expressions in the script of a step that a stranger writes.
fn injected(step: &Value) -> Vec<String> {
    let of_action = step["uses"].as_str().is_some_and(|action| action.to_ascii_lowercase().starts_with(SCRIPT));
    let script = if of_action { &step["with"]["script"] } else { &step["run"] };
    let expressions = script.as_str().unwrap_or_default().split("${{").skip(1);
    let expressions = expressions.filter_map(|rest| rest.split("}}").next()).map(str::trim);
    expressions.filter(|expression| is_of_strangers(expression)).map(str::to_owned).collect()
}

fn is_of_strangers(expression: &str) -> bool {
    // A member can be written as an index: `github.event['issue']`.
    let plain = expression.to_ascii_lowercase().replace("['", ".").replace("']", "");
    let names = plain.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_.-*[]".contains(letter)));
    names.into_iter().any(|name| {
        let is_text = name.rsplit('.').next().is_some_and(|last| TEXTS.contains(&last));
        let is_begun = OF_STRANGERS.iter().any(|start| name.starts_with(start));
        // The branch that a pull request goes to belongs to the repository.
        let is_own = name.starts_with("github.event.pull_request.base.");
        matches!(name, "github.head_ref" | "github.event") || is_begun && is_text && !is_own
    })
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{checked_out, injected, is_pinned, keeps_the_token, scripts, wide_permissions};
    use serde_json::{Value, json};

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
        let run = |expression: &str| injected(&json!({ "run": format!("echo ${{{{ {expression} }}}}") })).len();
        for expression in [
            "github.event.pull_request.title",
            "github.event['pull_request']['title']",
            "github.event.issue.body || 'none'",
            "github.event.review.body",
            "github.event.discussion.title",
            "github.event.head_commit.message",
            "github.event.commits[0].author.name",
            "github.event.pull_request.head.ref",
            "github.event.workflow_run.head_branch",
            "github.head_ref",
            "toJSON(github.event)",
        ] {
            assert_eq!(run(expression), 1, "{expression}");
        }
        for expression in [
            "github.sha",
            "github.event.issue.number",
            "github.event.comment.id",
            "github.event.pull_request.head.sha",
            "github.event.pull_request.base.ref",
            "github.event.repository.name",
            "github.event.workflow_run.name",
            "github.event_name",
        ] {
            assert_eq!(run(expression), 0, "{expression}");
        }
        let script = "${{ github.event.issue.title }}";
        assert_eq!(injected(&json!({ "uses": "Actions/github-script@v7", "with": { "script": script } })).len(), 1);
        assert_eq!(injected(&json!({ "env": { "TITLE": script }, "run": "echo $TITLE" })).len(), 0);
        assert!(injected(&json!({ "run": "echo github.head_ref" })).is_empty(), "it is no expression");
    }

    #[test]
    fn a_stranger_starts_a_workflow_only_on_code_of_the_repository() {
        let workflow =
            |on: Value, step: Value| checked_out(&json!({ "on": on, "jobs": { "a": { "steps": [step] } } })).len();
        let head =
            json!({ "uses": "Actions/checkout@v4", "with": { "ref": "${{ github.event.pull_request.head.sha }}" } });
        for on in [json!("pull_request_target"), json!(["push", "workflow_run"]), json!({ "issue_comment": null })] {
            assert_eq!(workflow(on.clone(), head.clone()), 1, "{on}");
            assert_eq!(workflow(on.clone(), json!({ "run": "gh pr checkout 1" })), 1, "{on}");
            assert_eq!(workflow(on.clone(), json!({ "uses": "actions/labeler@v5" })), 0, "{on}");
            assert_eq!(
                workflow(on, json!({ "uses": "actions/checkout@v4" })),
                0,
                "the default is code of the repository"
            );
        }
        assert_eq!(workflow(json!("pull_request"), head), 0);
    }

    #[test]
    fn a_checkout_keeps_the_token_unless_it_is_forbidden() {
        let checkout = |with: Value| json!({ "uses": "Actions/Checkout@v4", "with": with });
        assert!(keeps_the_token(&checkout(json!({}))) && keeps_the_token(&checkout(json!({ "token": "a" }))));
        assert!(!keeps_the_token(&checkout(json!({ "persist-credentials": false }))));
        assert!(!keeps_the_token(&json!({ "uses": "a/b@v1" })));
    }

    #[test]
    fn names_of_jobs_and_steps_are_no_scripts() {
        let text = "jobs:\n  a:\n    name: cargo test\n    steps:\n      - name: cargo build\n        run: make\n";
        assert_eq!(scripts("a.yml", text).unwrap(), "make");
    }
}
