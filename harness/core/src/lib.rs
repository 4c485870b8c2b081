//! One run of the harness: plan -> stack -> drive -> observe -> check -> report, one module per word.
//! Never knows goose, never links a service: it sees binaries, images and the wire.

pub mod canary;
pub mod client;
pub mod clock;
pub mod data_file;
pub mod drive;
pub mod effect;
pub mod experiment;
pub mod fault;
pub mod gate;
pub mod judge;
pub mod labelled;
pub mod observe;
pub mod plan;
pub mod reaper;
pub mod record;
pub mod report;
pub mod run;
pub mod run_dir;
pub mod runs;
pub mod sample;
pub mod scenario;
pub mod seal;
pub mod settings;
pub mod stack;
pub mod state;
pub mod token;
pub mod topology;
pub mod view;
pub mod workload;

pub use chaos_proxy::fidelity;
