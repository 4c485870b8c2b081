//! Load: profiles, the arrival schedule, the users, and goose that runs them. The only crate that knows goose; never
//! starts or stops a service, never judges a run.

pub mod memory;
pub mod profile;

pub use profile::{Overrides, ProfileError, known_workloads, workload};
