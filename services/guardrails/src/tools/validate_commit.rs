//! `validate_commit`: checks a commit, file by file and as a whole.

use super::{READ_ONLY, SCOPES, validate};
use crate::judge::{Judge, Judged, cost_of_files, judge};
use crate::rules::{Rules, Subject};
use mcp_contracts::guardrails::{ActionKind, ActionRequest, ValidateCommit, Verdict, tool};
use mcp_contracts::{Plan, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::borrow::Cow;

const INFO: ToolInfo = ToolInfo {
    name: tool::VALIDATE_COMMIT,
    title: "Check a commit",
    description: "Checks the files, the changes (as text or unified diff), the message and the branch of a commit before it is made. \
                  Returns a verdict like `check_guardrails`. Its token is valid for the request with action `commit`, the message as \
                  intent, the paths as files, and as text each path and its change, each followed by a line end.",
    annotations: READ_ONLY,
    scopes: SCOPES,
};

pub(super) fn tool(judge: Judge) -> Tool {
    Tool::new(INFO, move |context: CallContext, commit: ValidateCommit| {
        let judge = judge.clone();
        async move { check(&judge, &context, commit).await }
    })
}

async fn check(judge: &Judge, context: &CallContext, commit: ValidateCommit) -> Result<Verdict, ToolError> {
    validate::intent("message", &commit.message)?;
    if commit.files.is_empty() {
        return Err(validate::invalid("`files` is empty; a commit has at least one file"));
    }
    validate::files(commit.files.iter().map(|file| &*file.path))?;
    let bytes = commit.files.iter().filter_map(|file| file.change.as_deref()).map(str::len).sum();
    validate::text("files[].change", bytes)?;
    let execution_id = validate::execution_id(commit.execution_id.as_deref(), context)?;
    let request = request(&commit);
    // The size of the work: the message is checked again with every file.
    let files = cost_of_files(commit.files.iter().map(|file| &*file.path));
    let work = bytes + commit.message.len() * commit.files.len() + files;
    let judged = judge.judged(context, work, move |rules, plan| judged(rules, plan, &commit)).await?;
    judge.conclude(context, &execution_id, &request, judged)
}

/// Returns the request that the token is valid for.
fn request(commit: &ValidateCommit) -> ActionRequest {
    let changes = commit.files.iter().filter_map(|file| Some((file.path.as_str(), file.change.as_deref()?)));
    let text: String = changes.flat_map(|(path, change)| [path, "\n", change, "\n"]).collect();
    ActionRequest {
        action: ActionKind::Commit,
        intent: commit.message.clone(),
        files: commit.files.iter().map(|file| file.path.clone()).collect(),
        text: Some(text).filter(|text| !text.is_empty()),
    }
}

fn judged(rules: &Rules, plan: Plan, commit: &ValidateCommit) -> Judged {
    let paths: Vec<String> = commit.files.iter().map(|file| file.path.clone()).collect();
    let whole = Subject {
        intent: Cow::Borrowed(&commit.message),
        files: Cow::Borrowed(&paths),
        all_files: Cow::Borrowed(&paths),
        branch: commit.branch.as_deref(),
        ..Subject::bare(ActionKind::Commit)
    };
    // Each file is a subject of its own, so that a rule for some files is never checked against the text of others.
    let parts = commit.files.iter().enumerate().filter(|(_, file)| file.change.is_some() || file.bytes.is_some());
    let parts = parts.map(|(at, file)| {
        let part =
            Subject { files: Cow::Borrowed(&paths[at..=at]), bytes: file.bytes, place: &file.path, ..whole.clone() };
        part.with_text(file.change.as_deref().unwrap_or_default())
    });
    let subjects: Vec<Subject<'_>> = std::iter::once(whole.clone()).chain(parts).collect();
    judge(rules, plan, &subjects)
}
