//! Hardening: the type of a check, what its probe can do, and how a catalogue is run. The checks themselves are in the crate `harness-harden`.

mod access;
mod answer;
mod appraise;
mod check;
mod conversation;
mod curl;
mod files;
mod mask;
mod place;
mod probe;
mod record;
mod request;
mod run_checks;
mod token;
mod turns;

pub(crate) use access::Access;
pub use answer::Answer;
pub use check::{HardeningCheck, Lane, Need, Probing};
pub use conversation::Conversation;
pub use files::FileCase;
pub(crate) use place::Place;
pub use probe::{Caller, Probe, Stop};
pub use record::{CheckRecord, CheckState, ExchangeText, ViolationRecord};
pub use request::HttpRequest;
pub(crate) use run_checks::run_checks;
pub use token::{base64url, signed, signed_with};
