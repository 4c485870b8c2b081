//! One run of the harness: plan -> stack -> drive -> observe -> check -> report, one module per word.
//! Never knows goose, never links a service: it sees binaries, images and the wire.

pub mod clock;
pub mod drive;
pub mod plan;
pub mod run_dir;
pub mod sample;
pub mod topology;
pub mod view;
pub mod workload;
