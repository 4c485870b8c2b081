//! Laws of the checks: what a correct stack does never fails; one planted violation fails its check and names its operations.
#![expect(clippy::unwrap_used, reason = "what the tests look for in a history is there")]

mod experiment;
mod figures;
mod files;
mod form;
mod guards;
mod history;
mod quota;
mod records;
mod recovery;
mod said;
mod stack;
