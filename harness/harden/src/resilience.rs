//! Resilience: the promises that a service must keep even if it is killed.

pub(crate) mod backup;
pub(crate) mod drain;
pub(crate) mod durable;
