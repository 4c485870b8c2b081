//! One run of the harness. The folders form layers, from `plan`, the lowest, to `run`; each uses only the layers below
//! it, which `tests/layers.rs` checks. This crate never uses goose and never links a service: it uses binaries, images
//! and the wire.

pub mod drive;
pub mod fault;
pub mod judge;
pub mod observe;
pub mod plan;
pub mod report;
pub mod run;
pub mod stack;

pub use chaos_proxy::fidelity;
