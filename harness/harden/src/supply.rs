//! The supply chain: what the workflows of the repository may do, and which packages a build takes.

pub(crate) mod dependencies;
pub(crate) mod workflows;

use harness_core::drive::hardening::Need;

const NEEDS: &[Need] = &[Need::Repository];
/// Folder of the workflows.
const WORKFLOWS: &str = ".github/workflows";
