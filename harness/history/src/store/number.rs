//! Numbers of texts, records, states and users.

/// Stands for an omitted number.
pub(crate) const NONE: u32 = u32::MAX;
