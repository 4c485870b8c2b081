//! What injects faults into a running stack, one after the other or several at once.

use super::active::{Active, Held};
use super::error::FaultError;
use super::order::{Books, Order};
use super::squeeze::Limit;
use super::{FaultKind, database_locked, disk_full, file_changed, network, pause, process, redis, squeeze};
use crate::stack::Stack;
use std::path::Path;

/// Injects faults into a stack.
pub struct Injector<'a> {
    stack: &'a Stack,
    books: Books<'a>,
}

impl<'a> Injector<'a> {
    /// Makes one; what would have to be undone is written to the run directory.
    pub fn new(stack: &'a Stack, run_dir: &Path) -> Self {
        Self { stack, books: Books::new(stack, run_dir) }
    }

    /// Injects a fault; it acts when this returns.
    ///
    /// # Errors
    /// It cannot be injected, and nothing of it is left.
    pub async fn inject(&self, kind: &FaultKind) -> Result<Active<'a>, FaultError> {
        let order = Order::new(&self.books, kind.name());
        let (held, owed) = match kind {
            FaultKind::Kill { part } => {
                process::kill(&order, part).await?;
                (Held::Ended { part: part.clone() }, Vec::new())
            }
            FaultKind::Stop { part } => {
                process::stop(&order, part).await?;
                (Held::Ended { part: part.clone() }, Vec::new())
            }
            FaultKind::Restart { part } => {
                process::restart(&order, part).await?;
                (Held::Nothing, Vec::new())
            }
            FaultKind::Pause { part } => (Held::Nothing, vec![pause::inject(&order, part).await?]),
            FaultKind::Network { from, to, rule } => (Held::Rule(network::inject(&order, from, to, rule)?), Vec::new()),
            FaultKind::Redis { state } => {
                let (acting, owed) = Box::pin(redis::inject(&order, *state)).await?;
                (Held::Redis(acting), owed)
            }
            FaultKind::DiskFull { part } => {
                (Held::Endangered { part: part.clone() }, vec![disk_full::inject(&order, part)?])
            }
            FaultKind::DatabaseLocked { part } => {
                (Held::Lock { _file: database_locked::inject(&order, part).await? }, Vec::new())
            }
            FaultKind::FileChanged { service, file, text } => {
                (Held::Nothing, vec![file_changed::inject(&order, *service, file, text.as_deref())?])
            }
            FaultKind::CpuSqueeze { part, percent } => {
                let owed = squeeze::inject(&order, part, Limit::Cpu { percent: *percent }).await?;
                (Held::Endangered { part: part.clone() }, vec![owed])
            }
            FaultKind::MemorySqueeze { part, mebibytes } => {
                let owed = squeeze::inject(&order, part, Limit::Memory { mebibytes: *mebibytes }).await?;
                (Held::Endangered { part: part.clone() }, vec![owed])
            }
        };
        Ok(Active::new(self.stack, order.name, held, owed))
    }
}
