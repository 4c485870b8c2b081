//! Where the checks of a run are run.

use super::access::Access;
use crate::drive::scenario::Stage;
use std::path::Path;

/// The stack or target of the checks, and its sources.
#[derive(Clone, Copy)]
pub(crate) struct ProbeContext<'s> {
    pub(crate) stage: &'s Stage<'s>,
    /// How a target is reached; `None` for the services of this product.
    pub(crate) access: Option<&'s Access>,
    /// Folder with the sources of the stack.
    pub(crate) repository: Option<&'s Path>,
}
