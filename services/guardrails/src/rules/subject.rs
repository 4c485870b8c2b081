//! What rules are asked about: one action, one file of a commit, one statement or one icon, as plain facts.

use super::model::{Case, Rule, SubjectKind};
use mcp_contracts::guardrails::{ActionKind, ActionRequest};
use std::borrow::Cow;

/// Places where nobody is a customer; every other name, and none, counts as production.
const REHEARSALS: [&str; 13] = [
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

/// The facts.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// An action or an icon.
    pub kind: SubjectKind,
    /// Kind of action.
    pub action: ActionKind,
    /// What is to be achieved.
    pub intent: Cow<'a, str>,
    /// Paths.
    pub files: Cow<'a, [String]>,
    /// Paths of the whole action that this is a part of.
    pub all_files: Cow<'a, [String]>,
    /// What is written, run or sent; of a diff what it adds.
    pub text: Cow<'a, str>,
    /// What a diff removes.
    pub removed: Cow<'a, str>,
    /// Branch, where it is known.
    pub branch: Option<&'a str>,
    /// Size of the file, where it is known.
    pub bytes: Option<u64>,
    /// Whether it happens where customers are.
    pub production: bool,
    /// Whether there is a backup.
    pub backup: bool,
    /// Whether an icon has a text that stands for it, or needs none.
    pub labelled: bool,
    /// What the text is called in a place, such as `text` or a path.
    pub place: &'a str,
}

impl<'a> Subject<'a> {
    /// An action of which nothing is known but its kind.
    pub fn bare(action: ActionKind) -> Self {
        Self {
            kind: SubjectKind::Action,
            action,
            intent: Cow::Borrowed(""),
            files: Cow::Borrowed(&[]),
            all_files: Cow::Borrowed(&[]),
            text: Cow::Borrowed(""),
            removed: Cow::Borrowed(""),
            branch: None,
            bytes: None,
            production: true,
            backup: false,
            labelled: false,
            place: "text",
        }
    }

    /// An action as it is asked about; nothing says where it happens or whether there is a backup, so the worse is assumed.
    pub fn of_request(request: &'a ActionRequest) -> Self {
        let subject = Self {
            intent: Cow::Borrowed(&request.intent),
            files: Cow::Borrowed(&request.files),
            all_files: Cow::Borrowed(&request.files),
            ..Self::bare(request.action)
        };
        subject.with_text(request.text.as_deref().unwrap_or_default())
    }

    /// Adds a text. A change of files may come as a diff: what it removes is then no longer there to be judged.
    #[must_use]
    pub fn with_text(mut self, text: &'a str) -> Self {
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

    /// Sets where it happens.
    #[must_use]
    pub fn in_environment(mut self, environment: Option<&str>) -> Self {
        self.production = is_production(environment);
        self
    }

    /// A case of a rule's tests; what it leaves out is ordinary.
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

/// Tells whether customers are where `environment` is.
pub fn is_production(environment: Option<&str>) -> bool {
    environment.is_none_or(|name| !REHEARSALS.contains(&name.trim().to_ascii_lowercase().as_str()))
}

fn first_action(condition: &super::model::Condition) -> Option<ActionKind> {
    condition.actions.first().copied().or_else(|| condition.all.iter().chain(&condition.any).find_map(first_action))
}

/// What a unified diff adds or keeps, and what it removes, each with the other's lines left blank so that numbers stay; `None` for
/// every other text.
fn split_diff(text: &str) -> Option<(String, String)> {
    let is_hunk = |line: &str| line.starts_with("@@ -") && line[4..].contains(" +") && line[4..].contains(" @@");
    if !text.lines().any(is_hunk) {
        return None;
    }
    let (mut added, mut removed) = (String::with_capacity(text.len()), String::new());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
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
            // What is not of a hunk is judged as it stands: nothing can be hidden outside of one.
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
    fn a_diff_is_what_it_adds_and_what_it_removes_with_the_lines_of_the_original() {
        let diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n";
        let (added, removed) = split_diff(diff).unwrap();
        assert_eq!(added, "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\nsame\n\nnew\n");
        assert_eq!(removed, "\n\n\n\nold\n\n");
    }

    #[test]
    fn what_only_looks_like_a_diff_is_judged_as_it_stands() {
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
