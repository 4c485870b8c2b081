//! A part ends, at once or in order, or is restarted. What a dead harness leaves needs no undoing: its stack dies with it.

use super::active::Held;
use super::error::FaultError;
use super::injector::{Injected, Order};

pub(super) async fn kill(order: &Order<'_, '_>, part: &str) -> Result<Injected, FaultError> {
    order.stack().kill(part).await.map_err(|error| order.stack_failed(error))?;
    Ok((Held::Ended { part: part.to_owned() }, Vec::new()))
}

pub(super) async fn stop(order: &Order<'_, '_>, part: &str) -> Result<Injected, FaultError> {
    order.stack().terminate(part).await.map_err(|error| order.stack_failed(error))?;
    Ok((Held::Ended { part: part.to_owned() }, Vec::new()))
}

/// Done when this returns: the part is back.
pub(super) async fn restart(order: &Order<'_, '_>, part: &str) -> Result<Injected, FaultError> {
    Box::pin(order.stack().restart(part)).await.map_err(|error| order.stack_failed(error))?;
    Ok((Held::Nothing, Vec::new()))
}
