//! One run of the harness. The folders are listed lowest first, and each uses only those before it (`tests/layers.rs` holds that).
//! Never knows goose, never links a service: it sees binaries, images and the wire.

pub mod drive;
pub mod fault;
pub mod judge;
pub mod observe;
pub mod plan;
pub mod report;
pub mod run;
pub mod stack;

pub use chaos_proxy::fidelity;
