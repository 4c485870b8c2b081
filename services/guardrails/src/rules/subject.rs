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

/// Lines of a diff between its hunks.
const METADATA: [&str; 14] = [
    "diff ",
    "index ",
    "--- ",
    "+++ ",
    "new file mode ",
    "deleted file mode ",
    "old mode ",
    "new mode ",
    "similarity index ",
    "dissimilarity index ",
    "rename ",
    "copy ",
    "Binary files ",
    "\\ No newline",
];

/// Splits a unified diff into the lines that it adds or keeps and those that it removes. Each part has blank lines in place of the other's, so
/// that line numbers stay the same. Returns `None` if the text has no hunk.
///
/// A line is left out of the first part only if the whole text is a diff: each hunk has as many lines as its header says, and nothing but the
/// metadata of a diff stands between them. Otherwise the text may be written as it is, and a line that begins with `-` is one of its lines.
fn split_diff(text: &str) -> Option<(String, String)> {
    if !text.lines().any(|line| Hunk::of(line).is_some()) {
        return None;
    }
    let whole = is_whole_diff(text);
    let (mut added, mut removed) = (String::with_capacity(text.len()), String::new());
    let (mut inside, mut hunk) = (false, Hunk { old: 0, new: 0 });
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        if whole {
            // The counts say where a hunk ends. A line of metadata after it, such as `--- a/x`, is judged as text.
            inside = hunk.old > 0 || hunk.new > 0;
            let content = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
            hunk = if inside { hunk.without(content) } else { Hunk::of(line) }.unwrap_or(hunk);
        } else {
            // Without counts a hunk begins with its header and ends only where a git diff begins the next file.
            inside = inside && !line.starts_with("diff --git ") || Hunk::of(line).is_some();
        }
        match line.as_bytes().first() {
            Some(b'-') if inside => {
                removed.push_str(&line[1..]);
                added.push_str(if whole { end } else { line });
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

/// The lines that are left in a hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hunk {
    old: u64,
    new: u64,
}

impl Hunk {
    /// Reads a header such as `@@ -3,2 +3 @@ fn main() {`.
    fn of(line: &str) -> Option<Self> {
        let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
        let (old, new) = ranges.split_once(" +")?;
        // `parse` alone would accept `+3`, which is no number of a diff.
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let lines = |range: &str| {
            let (start, lines) = range.split_once(',').unwrap_or((range, "1"));
            number(start).and(number(lines))
        };
        Some(Self { old: lines(old)?, new: lines(new)? })
    }

    /// The hunk without a line of it; `None` if the line does not belong to it.
    fn without(self, line: &str) -> Option<Self> {
        let (old, new) = match line.as_bytes().first() {
            Some(b'-') => (1, 0),
            Some(b'+') => (0, 1),
            // Editors take the blank off an empty line.
            Some(b' ') | None => (1, 1),
            Some(b'\\') => (0, 0),
            Some(_) => return None,
        };
        Some(Self { old: self.old.checked_sub(old)?, new: self.new.checked_sub(new)? })
    }
}

fn is_whole_diff(text: &str) -> bool {
    let mut hunk = Hunk { old: 0, new: 0 };
    for line in text.lines() {
        if hunk.old > 0 || hunk.new > 0 {
            match hunk.without(line) {
                Some(rest) => hunk = rest,
                None => return false,
            }
        } else if let Some(next) = Hunk::of(line) {
            hunk = next;
        } else if !line.is_empty() && !METADATA.iter().any(|start| line.starts_with(start)) {
            return false;
        }
    }
    hunk == Hunk { old: 0, new: 0 }
}

#[cfg(test)]
mod fuzz;
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
    fn a_line_is_left_out_only_if_the_whole_text_is_a_diff() {
        let judged = |text: &str| Subject::bare(ActionKind::Edit).with_text(text).text.contains("key: 1");
        for text in [
            "@@ -1,1 +1,1 @@\naws:\n- key: 1\n",
            "@@ -1,1 +1,1 @@\n context\n-- key: 1\n",
            "@@ -1,9 +1,1 @@\n context\n-- key: 1\n",
            "@@ -1,1 +0,0 @@\n- key: 1\naws:\n",
            "\"\"\"\n@@ -1,1 +0,0 @@\n- key: 1\n\"\"\"\n",
            "@@ -x +y @@\n- key: 1\n",
            "--- a/x\n- key: 1\n@@ -1 +0,0 @@\n-gone\n",
        ] {
            assert!(judged(text), "{text}");
        }
        for text in [
            "--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@ aws:\n a\n- key: 1\n",
            "@@ -1 +0,0 @@\n-key: 1\n\\ No newline at end of file",
        ] {
            assert!(!judged(text), "{text}");
        }
    }

    #[test]
    fn an_unknown_environment_is_production() {
        assert!(is_production(None) && is_production(Some("eu-west")) && is_production(Some("Production")));
        assert!(!is_production(Some(" Staging ")) && !is_production(Some("dev")));
    }
}
