//! A part ends, at once or in order, or is restarted. What a dead harness leaves needs no undoing: its stack dies with it.

use super::error::FaultError;
use super::order::Order;

pub(super) async fn kill(order: &Order<'_, '_>, part: &str) -> Result<(), FaultError> {
    order.stack().kill(part).await.map_err(|error| order.stack_failed(error))
}

pub(super) async fn stop(order: &Order<'_, '_>, part: &str) -> Result<(), FaultError> {
    order.stack().terminate(part).await.map(|_| ()).map_err(|error| order.stack_failed(error))
}

/// Done when this returns: the part is back.
pub(super) async fn restart(order: &Order<'_, '_>, part: &str) -> Result<(), FaultError> {
    Box::pin(order.stack().restart(part)).await.map(|_| ()).map_err(|error| order.stack_failed(error))
}
