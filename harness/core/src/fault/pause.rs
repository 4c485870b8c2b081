//! A part stands still: its process is stopped by a signal, or its container is paused. Connections to it stay open and nobody answers.

use super::active::Held;
use super::error::FaultError;
use super::injector::{Injected, Order};
use super::undo::{ContainerUndo, ProcessUndo, Undo};

pub(super) async fn inject(order: &Order<'_, '_>, part: &str) -> Result<Injected, FaultError> {
    let running = order.part(part)?;
    let undo = match running.container.clone() {
        Some(container) => {
            Undo::Container(ContainerUndo { container, paused: true, cpu_quota: None, memory: None, memory_swap: None })
        }
        None => {
            let (pid, started) = order.process(&running)?;
            Undo::Resume(ProcessUndo { pid, started })
        }
    };
    let owed = order.owe(undo)?;
    order.stack().pause(part).await.map_err(|error| order.stack_failed(error))?;
    Ok((Held::Nothing, vec![owed]))
}
