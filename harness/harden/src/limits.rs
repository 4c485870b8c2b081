//! Limits: what is too large, too deep or too long is refused, and costs little.

pub(crate) mod descriptors;
pub(crate) mod fields;
pub(crate) mod gzip;
pub(crate) mod json;
pub(crate) mod size;
