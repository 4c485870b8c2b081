//! Limits: a service refuses requests that are too large, too deep or too long, and spends little on them.

pub(crate) mod concurrency;
pub(crate) mod descriptors;
pub(crate) mod explosion;
pub(crate) mod fields;
pub(crate) mod fuzz;
pub(crate) mod gzip;
pub(crate) mod json;
pub(crate) mod size;
