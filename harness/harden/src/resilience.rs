//! Resilience: what a service promised holds after it was killed.

pub(crate) mod durable;
