//! Laws of the checks: what a correct stack does never fails; one planted violation fails its check and names its operations.
#![expect(clippy::unwrap_used, reason = "a test may assume the history that it built")]

mod consistency;
mod experiment;
mod figures;
mod files;
mod form;
mod guard_mutations;
mod guards;
mod history;
mod mutations;
mod packed;
mod quota;
mod records;
mod recovery;
mod simulation;
mod stack;
mod verdicts;
