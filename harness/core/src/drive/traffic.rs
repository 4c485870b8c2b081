//! The traffic engine, which loads and experiments share. It decides which operation each call makes ([`mix`],
//! [`operations`]) and when ([`pace`]). It remembers records that exist (`known_records`), and reads back every write at the
//! end, for scenarios as well ([`final_read`]). The load or the experiment decides which instance gets a call and where
//! the call is recorded.

pub mod clock;
pub mod directory;
pub mod final_read;
pub mod mix;
pub mod operations;
pub mod pace;
pub mod rotation;
pub mod tally;
pub mod user;

mod arrivals;
mod content;
mod data;
mod known_records;
mod operation;

#[cfg(test)]
mod tests;

pub use operation::Operation;
