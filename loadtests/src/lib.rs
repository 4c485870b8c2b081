//! Load: profiles, the arrival schedule, the users, and goose that runs them. The only crate that knows goose; never
//! starts or stops a service, never judges a run.

pub mod arrivals;
mod clock;
mod content;
mod directory;
pub mod drive;
mod goose_run;
mod interrupt;
mod memory;
mod pace;
pub mod profile;
mod quiet;
mod tally;
mod usage;

pub use drive::{drive, drive_from_stdin};
pub use memory::OPERATIONS;
pub use profile::{Overrides, ProfileError, known_workloads, workload};
