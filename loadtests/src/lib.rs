//! The load: its profiles, its users, and goose, which runs the users. No other crate uses goose. The traffic engine of
//! `harness-core` decides which call a user makes and when. This crate starts no service and judges no run.

pub mod drive;
pub mod profile;

mod driver;
mod error;
mod goose_run;
mod handshakes;
mod interrupt;
mod seed;
mod usage;

pub use drive::{drive, drive_from_stdin};
pub use profile::{Load, Overrides, ProfileError, known_workloads, load, of_calls, workload};
