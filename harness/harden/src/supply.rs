//! The supply chain: what the workflows of the repository may do, and which packages a build takes.

mod commands;
pub(crate) mod dependencies;
pub(crate) mod workflows;

use harness_core::drive::hardening::Need;

/// Digits of a commit.
const COMMIT_DIGITS: usize = 40;
const NEEDS: &[Need] = &[Need::Repository];
/// Folder of the workflows.
const WORKFLOWS: &str = ".github/workflows";

/// Returns true for a full commit, which cannot be moved as a tag can.
fn is_commit(text: &str) -> bool {
    text.len() == COMMIT_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
