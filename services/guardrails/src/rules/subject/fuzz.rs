//! Any diff: no line is left out of what is judged unless the whole text is a diff that removes it.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new("diffs", &["services/guardrails/src/rules/subject.rs"]).with_words(&[
    "@@ -1,1 +1,1 @@\n",
    "@@ -1 +0,0 @@\n",
    "@@ -0,0 +1,2 @@ fn a() {\n",
    "@@ -1,99999999999999999999 +1 @@\n",
    "diff --git a/x b/x\n",
    "--- a/x\n+++ b/x\n",
    "\\ No newline at end of file\n",
    "-old\n",
    "+new\n",
    " same\n",
    "Binary files differ\n",
]);
/// A line that no diff removes.
const PLANTED: &str = "key: AKIA0000000000000000";

/// Reads the counts of a header as `git apply` does.
fn header(line: &str) -> Option<(u64, u64)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| {
        let (start, count) = range.split_once(',').unwrap_or((range, "1"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(start) && is_number(count)).then_some(())?;
        start.parse::<u64>().ok().and(count.parse().ok())
    };
    Some((count(old)?, count(new)?))
}

#[test]
fn no_line_is_hidden_by_what_only_resembles_a_diff() {
    TARGET.run_text(|text| {
        let planted = format!("{text}\n{PLANTED}");
        let judged = Subject::bare(ActionKind::Edit).with_text(&planted);
        assert!(judged.text.lines().any(|line| line == PLANTED), "the last line is not judged: {planted:?}");
        let bare = Subject::bare(ActionKind::Request).with_text(text);
        assert_eq!((&*bare.text, &*bare.removed), (text, ""), "the text of a command is judged as it is");
        let Some((added, removed)) = split_diff(text) else { return };
        let count = |text: &str| text.matches('\n').count();
        assert_eq!((count(&added), count(&removed)), (count(text), count(text)), "line numbers move");
        let headers: Vec<(u64, u64)> = text.lines().filter_map(header).collect();
        let mut left_out = 0_u64;
        for (line, kept) in text.split('\n').zip(added.split('\n')) {
            if kept != line && line.get(1..) != Some(kept) {
                assert!(line.starts_with('-') && kept.trim_end().is_empty(), "{line:?} is judged as {kept:?}");
                left_out += 1;
            }
        }
        let removable = headers.iter().fold(0_u64, |sum, (old, _)| sum.saturating_add(*old));
        assert!(left_out <= removable, "{left_out} lines are left out, and the headers remove {removable}");
    });
}
