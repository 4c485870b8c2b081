//! Hardening: the type of a check, what its probe can do, and how a catalogue is run. The checks themselves are in the crate `harness-harden`.

mod access;
mod answer;
mod case_result;
mod check;
mod conversation;
mod curl;
mod files;
mod lane_order;
mod mask;
mod probe;
mod probe_context;
mod record;
mod request;
mod run_checks;
mod token;

pub(crate) use access::Access;
pub use answer::Answer;
pub use check::{HardeningCheck, Lane, Need, ProbeFn};
pub use conversation::Conversation;
pub use files::FileCase;
pub use probe::{Caller, Probe, Stop};
pub(crate) use probe_context::ProbeContext;
pub use record::{CheckRecord, CheckState, ExchangeText, ViolationRecord};
pub use request::HttpRequest;
pub(crate) use run_checks::run_checks;
pub use token::{base64url, signed, signed_with};
