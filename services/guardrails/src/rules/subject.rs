//! The subject of a check: an action, a file of a commit, an SQL statement or an icon, in the one form that rules are matched against.

use super::model::{Case, Rule, SubjectKind};
use mcp_contracts::guardrails::{ActionKind, ActionRequest};
use std::borrow::Cow;

/// Environments without customers. Every other name counts as production, and so does a missing one, because a wrong guess must err on the
/// safe side.
const TEST_ENVIRONMENTS: [&str; 13] = [
    "dev",
    "development",
    "local",
    "test",
    "testing",
    "ci",
    "qa",
    "stage",
    "staging",
    "sandbox",
    "preview",
    "demo",
    "uat",
];

#[derive(Debug, Clone)]
pub struct Subject<'a> {
    pub kind: SubjectKind,
    pub action: ActionKind,
    pub intent: Cow<'a, str>,
    pub files: Cow<'a, [String]>,
    /// Paths of the whole action, of which this may be a part.
    pub all_files: Cow<'a, [String]>,
    /// Text that is written, run or sent; of a diff, the lines that it adds or keeps.
    pub text: Cow<'a, str>,
    /// True if the tool's argument is SQL and nothing else.
    pub is_sql: bool,
    /// Lines that a diff removes.
    pub removed: Cow<'a, str>,
    pub branch: Option<&'a str>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// True if the action happens in production.
    pub production: bool,
    pub backup: bool,
    /// True if the icon has a label or needs none.
    pub labelled: bool,
    /// Name of the text in reported places, such as `text` or a path.
    pub place: &'a str,
}

impl<'a> Subject<'a> {
    /// Returns an action without details, in production and without a backup.
    pub fn bare(action: ActionKind) -> Self {
        Self {
            kind: SubjectKind::Action,
            action,
            intent: Cow::Borrowed(""),
            files: Cow::Borrowed(&[]),
            all_files: Cow::Borrowed(&[]),
            text: Cow::Borrowed(""),
            is_sql: false,
            removed: Cow::Borrowed(""),
            branch: None,
            bytes: None,
            production: true,
            backup: false,
            labelled: false,
            place: "text",
        }
    }

    /// Returns the subject of a request. A request names no environment and no backup, so production without a backup is assumed.
    pub fn of_request(request: &'a ActionRequest) -> Self {
        let subject = Self {
            intent: Cow::Borrowed(&request.intent),
            files: Cow::Borrowed(&request.files),
            all_files: Cow::Borrowed(&request.files),
            ..Self::bare(request.action)
        };
        subject.with_text(request.text.as_deref().unwrap_or_default())
    }

    /// Adds a text. If the action changes files and the text is a diff, the lines that the diff removes go into `removed` instead of `text`.
    #[must_use]
    pub fn with_text(mut self, text: &'a str) -> Self {
        // Of other actions the whole text counts. Otherwise a forged hunk header would hide the lines after it that begin with `-`.
        let changes = matches!(self.action, ActionKind::Edit | ActionKind::Commit);
        match split_diff(text).filter(|_| changes) {
            Some((added, removed)) => {
                self.text = Cow::Owned(added);
                self.removed = Cow::Owned(removed);
            }
            None => self.text = Cow::Borrowed(text),
        }
        self
    }

    #[must_use]
    pub fn in_environment(mut self, environment: Option<&str>) -> Self {
        self.production = is_production(environment);
        self
    }

    /// Returns the subject of a test case of a rule; omitted fields get ordinary values.
    pub(super) fn of_case(rule: &Rule, case: &'a Case) -> Self {
        let action = case.action.or_else(|| first_action(&rule.when)).unwrap_or(ActionKind::Edit);
        let subject = Self {
            kind: rule.subject,
            intent: Cow::Borrowed(case.intent.as_deref().unwrap_or("finish the task")),
            files: Cow::Borrowed(&case.files),
            all_files: Cow::Borrowed(&case.files),
            branch: case.branch.as_deref(),
            bytes: case.bytes,
            backup: case.backup,
            labelled: case.label.is_some(),
            ..Self::bare(action)
        };
        subject.with_text(case.text.as_deref().unwrap_or_default()).in_environment(case.environment.as_deref())
    }
}

/// Returns true unless `environment` is a test environment.
pub fn is_production(environment: Option<&str>) -> bool {
    environment.is_none_or(|name| !TEST_ENVIRONMENTS.contains(&name.trim().to_ascii_lowercase().as_str()))
}

fn first_action(condition: &super::model::Condition) -> Option<ActionKind> {
    condition.actions.first().copied().or_else(|| condition.all.iter().chain(&condition.any).find_map(first_action))
}

/// Splits a unified diff into the lines that it adds or keeps and those that it removes. Each part has an empty line for each line
/// of the other, so that line numbers stay the same. Returns `None` if the text is not a diff.
fn split_diff(text: &str) -> Option<(String, String)> {
    let is_hunk = |line: &str| line.starts_with("@@ -") && line[4..].contains(" +") && line[4..].contains(" @@");
    if !text.lines().any(is_hunk) {
        return None;
    }
    let (mut added, mut removed) = (String::with_capacity(text.len()), String::new());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        // A hunk begins with its header and ends only where a git diff begins the next file.
        inside = inside && !line.starts_with("diff --git ") || is_hunk(line);
        match line.as_bytes().first() {
            Some(b'-') if inside => {
                removed.push_str(&line[1..]);
                added.push_str(end);
            }
            Some(b'+' | b' ') if inside => {
                added.push_str(&line[1..]);
                removed.push_str(end);
            }
            // Lines outside hunks are judged as text, so that nothing can be hidden there.
            Some(_) | None => {
                added.push_str(line);
                removed.push_str(end);
            }
        }
    }
    Some((added, removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_split_and_line_numbers_stay() {
        let diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n";
        let (added, removed) = split_diff(diff).unwrap();
        assert_eq!(added, "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\nsame\n\nnew\n");
        assert_eq!(removed, "\n\n\n\nold\n\n");
    }

    #[test]
    fn text_that_only_resembles_a_diff_is_judged_as_text() {
        assert_eq!(split_diff("- DROP TABLE x\n+ nothing\n"), None);
        let subject = Subject::bare(ActionKind::Database).with_text("@@ -1 +1 @@\n-DROP TABLE x\n");
        assert!(subject.text.contains("DROP TABLE"));
        let before = Subject::bare(ActionKind::Edit).with_text("- outside of a hunk\n@@ -1 +1 @@\n-x\n");
        assert!(before.text.contains("outside of a hunk"));
    }

    #[test]
    fn an_unknown_environment_is_production() {
        assert!(is_production(None) && is_production(Some("eu-west")) && is_production(Some("Production")));
        assert!(!is_production(Some(" Staging ")) && !is_production(Some("dev")));
    }
}
