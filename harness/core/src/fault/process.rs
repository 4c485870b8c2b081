//! A part ends, at once or in order, or is restarted. What a dead harness leaves needs no undoing: its stack dies with it.

use super::error::FaultError;
use super::injection::Injection;

pub(super) async fn kill(injection: &Injection<'_>, part: &str) -> Result<(), FaultError> {
    injection.stack.kill(part).await.map_err(|error| injection.stack_failed(error))
}

pub(super) async fn stop(injection: &Injection<'_>, part: &str) -> Result<(), FaultError> {
    injection.stack.terminate(part).await.map(|_| ()).map_err(|error| injection.stack_failed(error))
}

/// Done when this returns: the part is back.
pub(super) async fn restart(injection: &Injection<'_>, part: &str) -> Result<(), FaultError> {
    Box::pin(injection.stack.restart(part)).await.map(|_| ()).map_err(|error| injection.stack_failed(error))
}
