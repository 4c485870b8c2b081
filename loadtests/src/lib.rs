//! Load: profiles, the users, and goose that runs them. The only crate that knows goose. What a call is, which one comes next and when is
//! decided by the traffic engine of `harness-core`; services are started and runs are judged elsewhere.

pub mod drive;
pub mod profile;

mod driver;
mod error;
mod goose_run;
mod interrupt;
mod seed;
mod usage;

pub use drive::{drive, drive_from_stdin};
pub use profile::{Overrides, ProfileError, known_workloads, workload};
