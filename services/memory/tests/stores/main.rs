//! Tests of the stores through their trait. What both stores promise runs on each of them by one factory.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

mod deletion;
mod factory;
mod failover;
mod isolation;
mod pages;
mod parity;
mod sharing;
mod storage;
mod walls;
