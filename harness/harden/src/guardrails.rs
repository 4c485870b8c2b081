//! Guardrails: what they block stays blocked, and nothing is injected without their verdict.

pub(crate) mod caller;
pub(crate) mod check;
pub(crate) mod injection;
