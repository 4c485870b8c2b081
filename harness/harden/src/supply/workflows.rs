//! The workflows of GitHub: whose code they run, and with which permissions.

use super::{NEEDS, WORKFLOWS, is_commit};
use harness_core::drive::hardening::{FileCase, HardeningCheck, Lane, Probe, Stop};
use serde_json::Value;
use std::collections::BTreeSet;
use std::future::ready;

/// Prefixes of the parts of an event that a stranger creates, such as an issue.
const OF_STRANGERS: [&str; 11] = [
    "github.event.issue.",
    "github.event.pull_request.",
    "github.event.comment.",
    "github.event.review.",
    "github.event.discussion.",
    "github.event.head_commit.",
    "github.event.pages",
    "github.event.commits",
    "github.event.workflow_run.head_",
    "github.event.workflow_run.display_title",
    "github.event.changes.",
];
/// Last parts of the expressions whose value a stranger writes: titles, texts and names of branches. Numbers and ids are harmless.
const TEXTS: [&str; 14] = [
    "title",
    "body",
    "ref",
    "label",
    "message",
    "head_branch",
    "default_branch",
    "name",
    "email",
    "page_name",
    "display_title",
    "description",
    "homepage",
    "from",
];
/// Functions whose value is true or false, whatever a stranger writes.
const TESTS: [&str; 3] = ["contains(", "startswith(", "endswith("];
/// What a script that checks out the work of a stranger names.
const REFS_OF_STRANGERS: [&str; 5] =
    ["pull/", "pull_request.head", "head_ref", "workflow_run.head", "merge_commit_sha"];
/// Most workflows and actions of the repository that one workflow uses.
const MOST_USED: usize = 100;
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
    how: "Reads every workflow and the actions in the repository that its steps use: each action must be pinned by a commit or a digest, the permissions at the top must be set and write nothing, no job may have `write-all`, no workflow that a stranger starts with the secrets of the repository may check out what the stranger wrote, itself or by a workflow that it calls, no script may contain a text that a stranger writes, and a checkout must not keep the token.",
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
    let mut judged = BTreeSet::new();
    for file in &files {
        let workflow = tree(file, &probe.read_file(file)?)?;
        if !workflow["jobs"].is_object() {
            return Err(Stop::Unclear(format!("`{file}` has no jobs")));
        }
        probe.count_control();
        let used = used(probe, &workflow)?;
        judge(probe, file, &workflow, &used);
        for (file, action) in used.iter().filter(|(_, used)| used["runs"].is_object()) {
            if judged.insert(file.clone()) {
                judge_steps(probe, file, action);
            }
        }
    }
    Ok(())
}

/// Returns the workflows and actions of the repository that a workflow uses, directly or through each other, each with its file.
fn used(probe: &Probe<'_>, workflow: &Value) -> Result<Vec<(String, Value)>, Stop> {
    let mut found: Vec<(String, Value)> = Vec::new();
    let mut waiting = local(workflow);
    while let Some(path) = waiting.pop() {
        for file in files_of(&path) {
            if found.iter().any(|(known, _)| *known == file) {
                continue;
            }
            let Some(text) = probe.find_file(&file)? else { continue };
            let tree = tree(&file, &text)?;
            waiting.extend(local(&tree));
            found.push((file, tree));
        }
        if found.len() > MOST_USED {
            return Err(Stop::Unclear(format!("a workflow uses more than {MOST_USED} files")));
        }
    }
    Ok(found)
}

/// Returns the paths below the repository that a workflow or an action uses.
fn local(tree: &Value) -> Vec<String> {
    let uses = steps(tree).into_iter().chain(jobs(tree)).filter_map(|step| step["uses"].as_str());
    uses.filter_map(|used| used.strip_prefix("./")).map(|path| path.trim_matches('/').to_owned()).collect()
}

/// Returns the files that a path may name: a workflow, or an action in a folder.
fn files_of(path: &str) -> Vec<String> {
    if path.ends_with(".yml") || path.ends_with(".yaml") {
        return vec![path.to_owned()];
    }
    let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
    ["action.yml", "action.yaml"].map(|name| format!("{folder}{name}")).to_vec()
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

fn case(probe: &Probe<'_>, file: &str, case: &str, wrong: &[String], fact: &str, effect: &str) {
    let (holds, excerpt) = (wrong.is_empty(), wrong.join("\n"));
    probe.judge_file(FileCase { file, case, holds, fact, effect, excerpt: &excerpt });
}

fn judge(probe: &Probe<'_>, file: &str, workflow: &Value, used: &[(String, Value)]) {
    judge_steps(probe, file, workflow);
    case(
        probe,
        file,
        "permissions are the least",
        &wide_permissions(workflow),
        "permissions are not set, or they write",
        "every step can change the repository",
    );
    case(
        probe,
        file,
        "a stranger cannot run code with the secrets",
        &checked_out(workflow, used),
        "a stranger starts it with the secrets of the repository, and it checks out what the stranger wrote",
        "code of a stranger has the secrets",
    );
}

/// Judges the steps of a workflow or of an action.
fn judge_steps(probe: &Probe<'_>, file: &str, tree: &Value) {
    let steps = steps(tree);
    let actions = steps.iter().copied().chain(jobs(tree)).filter_map(|step| step["uses"].as_str());
    let unpinned: Vec<String> = actions.filter(|action| !is_pinned(action)).map(str::to_owned).collect();
    case(
        probe,
        file,
        "actions are pinned by a commit",
        &unpinned,
        "an action is named by a tag or a branch",
        "the owner of the tag runs code with the token of the workflow",
    );
    let of_strangers = variables_of_strangers(tree);
    let injected: Vec<String> = steps.iter().flat_map(|step| injected(step, &of_strangers)).collect();
    case(
        probe,
        file,
        "no script contains a text of a stranger",
        &injected,
        "a script has an expression that a stranger writes",
        "the title of a pull request is executed",
    );
    let kept: Vec<String> =
        steps.iter().filter(|step| keeps_the_token(step)).map(|step| shown(&step["uses"])).collect();
    case(
        probe,
        file,
        "a checkout does not keep the token",
        &kept,
        "`persist-credentials` is not false",
        "every later step reads the token from the folder",
    );
}

fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().into_iter().flatten().map(|(_, job)| job)
}

/// Returns the steps of a workflow, or of an action.
fn steps(tree: &Value) -> Vec<&Value> {
    jobs(tree).map(|job| &job["steps"]).chain([&tree["runs"]["steps"]]).filter_map(Value::as_array).flatten().collect()
}

/// Returns the names of the variables, in lower case, that a workflow gives a text of a stranger. A script that reads them as `$NAME` is safe, and one that
/// has them in an expression is not.
fn variables_of_strangers(tree: &Value) -> Vec<String> {
    let all = std::iter::once(tree).chain(jobs(tree)).chain(steps(tree));
    let variables = all.filter_map(|owner| owner["env"].as_object()).flatten();
    let is_wrong = |value: &Value| expressions(&shown(value)).iter().any(|expression| is_of_strangers(expression, &[]));
    variables.filter(|(_, value)| is_wrong(value)).map(|(name, _)| name.to_ascii_lowercase()).collect()
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
fn checked_out(workflow: &Value, used: &[(String, Value)]) -> Vec<String> {
    let on = &workflow["on"];
    let is_trigger = |name: &&str| {
        on == *name || on.get(*name).is_some() || on.as_array().is_some_and(|all| all.iter().any(|one| one == *name))
    };
    let is_of_a_stranger = |step: &&Value| {
        let chosen = format!("{} {}", shown(&step["with"]["ref"]), shown(&step["with"]["repository"]));
        let script = step["run"].as_str().unwrap_or_default();
        // The name may come from a variable of the step.
        let whole = step.to_string();
        let by_git = script.contains("git ") && REFS_OF_STRANGERS.iter().any(|name| whole.contains(name));
        let fetches = script.contains("gh pr checkout") || by_git;
        is_checkout(step) && ["head", "merge_commit", "refs/pull"].iter().any(|word| chosen.contains(word)) || fetches
    };
    let mut trees = std::iter::once(workflow).chain(used.iter().map(|(_, tree)| tree));
    if !trees.any(|tree| steps(tree).iter().any(is_of_a_stranger)) {
        return Vec::new();
    }
    PRIVILEGED.into_iter().filter(is_trigger).map(str::to_owned).collect()
}

fn expressions(text: &str) -> Vec<&str> {
    text.split("${{").skip(1).filter_map(|rest| rest.split("}}").next()).map(str::trim).collect()
}

/// Returns the expressions in the script of a step that a stranger writes, directly or by one of these variables.
fn injected(step: &Value, variables: &[String]) -> Vec<String> {
    let of_action = step["uses"].as_str().is_some_and(|action| action.to_ascii_lowercase().starts_with(SCRIPT));
    let script = if of_action { &step["with"]["script"] } else { &step["run"] };
    let expressions = expressions(script.as_str().unwrap_or_default()).into_iter();
    expressions.filter(|expression| is_of_strangers(expression, variables)).map(str::to_owned).collect()
}

fn is_of_strangers(expression: &str, variables: &[String]) -> bool {
    // A member can be written as an index: `github.event['issue']`.
    let plain = expression.to_ascii_lowercase().replace("['", ".").replace("']", "");
    let is_test = TESTS.iter().any(|test| plain.trim_start_matches('!').starts_with(test));
    if is_test && !plain.contains("||") && !plain.contains("&&") {
        return false;
    }
    let is_printed = plain.contains("tojson(");
    let names = plain.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_.-*[]".contains(letter)));
    names.into_iter().any(|name| {
        let is_text = name.rsplit('.').next().is_some_and(|last| TEXTS.contains(&last));
        let is_begun = OF_STRANGERS.iter().any(|start| name.starts_with(start));
        // The branch that a pull request goes to belongs to the repository.
        let is_own = name.starts_with("github.event.pull_request.base.");
        let is_whole = OF_STRANGERS.iter().any(|start| start.strip_suffix('.') == Some(name)) || name == "github";
        let is_variable = name.strip_prefix("env.").is_some_and(|name| variables.iter().any(|other| other == name));
        let is_known = matches!(name, "github.head_ref" | "github.event") || is_printed && is_whole;
        is_known || is_variable || is_begun && is_text && !is_own
    })
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{
        checked_out, files_of, injected, is_pinned, keeps_the_token, local, scripts, tree, variables_of_strangers,
        wide_permissions,
    };
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
        let variables = ["title".to_owned()];
        let injected = |step: &Value| injected(step, &variables);
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
            "toJSON(github.event.issue)",
            "toJSON(github)",
            "github.event.workflow_run.display_title",
            "github.event.changes.title.from",
            "env.TITLE",
            "contains(github.event.issue.title, 'a') && github.event.issue.title",
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
            "env.OTHER",
            "contains(github.event.head_commit.message, '[skip]')",
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
        let workflow = |on: Value, step: Value| {
            let own = json!({ "on": on, "jobs": { "a": { "steps": [step.clone()] } } });
            let caller = json!({ "on": on, "jobs": { "a": { "uses": "./.github/workflows/b.yml" } } });
            let called = json!({ "on": "workflow_call", "jobs": { "a": { "steps": [step] } } });
            let count = checked_out(&own, &[]).len();
            assert_eq!(
                checked_out(&caller, &[("b.yml".to_owned(), called)]).len(),
                count,
                "by a workflow that it calls"
            );
            count
        };
        let head =
            json!({ "uses": "Actions/checkout@v4", "with": { "ref": "${{ github.event.pull_request.head.sha }}" } });
        for on in [json!("pull_request_target"), json!(["push", "workflow_run"]), json!({ "issue_comment": null })] {
            assert_eq!(workflow(on.clone(), head.clone()), 1, "{on}");
            assert_eq!(workflow(on.clone(), json!({ "run": "gh pr checkout 1" })), 1, "{on}");
            let fetch = json!({ "env": { "REF": "${{ github.head_ref }}" }, "run": "git checkout $REF" });
            assert_eq!(workflow(on.clone(), fetch), 1, "{on}");
            assert_eq!(workflow(on.clone(), json!({ "run": "git fetch origin main" })), 0, "{on}");
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
    fn a_text_of_a_stranger_in_a_variable_is_known() {
        let title = "${{ github.event.issue.title }}";
        let tree = json!({ "env": { "A": title }, "jobs": { "a": { "env": { "B": title, "C": "1" }, "steps": [{ "env": { "D": title } }] } } });
        assert_eq!(variables_of_strangers(&tree), ["a", "b", "d"]);
    }

    #[test]
    fn actions_and_workflows_of_the_repository_are_followed() {
        let text = "on: pull_request_target\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n  b:\n    steps:\n      - uses: ./\n      - uses: ./one/\n";
        let workflow = tree("a.yml", text).unwrap();
        // Other parsers read the name `on` as true.
        assert_eq!(workflow["on"], "pull_request_target");
        let mut paths = local(&workflow);
        paths.sort();
        assert_eq!(paths, ["", ".github/workflows/b.yml", "one"]);
        let action = json!({ "runs": { "steps": [{ "uses": "./two" }] } });
        assert_eq!(local(&action), ["two"]);
        assert_eq!(files_of(""), ["action.yml", "action.yaml"]);
        assert_eq!(files_of("one"), ["one/action.yml", "one/action.yaml"]);
        assert_eq!(files_of("b.yml"), ["b.yml"]);
    }

    #[test]
    fn names_of_jobs_and_steps_are_no_scripts() {
        let text = "jobs:\n  a:\n    name: cargo test\n    steps:\n      - name: cargo build\n        run: make\n";
        assert_eq!(scripts("a.yml", text).unwrap(), "make");
    }
}
