//! Secrets and what is written about calls: logs, metrics, descriptions of tools, keys.

pub(crate) mod denied;
pub(crate) mod injection;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod start;
pub(crate) mod tools;
