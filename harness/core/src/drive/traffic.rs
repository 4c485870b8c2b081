//! The traffic of loads and experiments: which operation each call makes ([`mix`], [`operations`]), when ([`pace`]), what is known of the
//! records ([`ledger`]), and the final read of what was written, which scenarios use as well. Where calls go and where they are recorded is
//! decided by the load or the experiment.

pub mod clock;
pub mod directory;
pub mod final_read;
pub mod mix;
pub mod operations;
pub mod pace;
pub mod tally;
pub mod user;

mod arrivals;
mod content;
mod ledger;
mod operation;

#[cfg(test)]
mod tests;

pub use operation::Operation;
