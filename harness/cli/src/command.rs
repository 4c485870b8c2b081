//! The subcommands, one file each.

pub(crate) mod become_program;
pub(crate) mod bench;
pub(crate) mod chaos;
pub(crate) mod check;
pub(crate) mod client_config;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod down;
pub(crate) mod flow;
pub(crate) mod gate;
pub(crate) mod harden;
pub(crate) mod init;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod plan;
pub(crate) mod play;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod scenario;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod usage;
pub(crate) mod watch;
