//! What injects faults into a running stack, one after the other or several at once.

use super::active::{Active, Held};
use super::error::FaultError;
use super::injection::Injection;
use super::squeeze::Limit;
use super::{FaultKind, database_locked, disk_full, file_changed, network, pause, process, redis, squeeze};
use crate::plan::run_dir;
use crate::stack::Stack;
use crate::stack::undo::UndoLog;
use std::path::Path;
use std::sync::Arc;

/// Injects faults into a stack.
pub struct Injector<'a> {
    stack: &'a Stack,
    log: Arc<UndoLog>,
}

impl<'a> Injector<'a> {
    /// Makes one; what would have to be undone is written to the run directory.
    pub fn new(stack: &'a Stack, run_dir: &Path) -> Self {
        let (reaper, executable) = (stack.reaper().cloned(), &stack.request().executable);
        Self { stack, log: UndoLog::new(run_dir.join(run_dir::UNDO), reaper, executable) }
    }

    /// Injects a fault; it acts when this returns.
    ///
    /// # Errors
    /// It cannot be injected, and nothing of it is left.
    pub async fn inject(&self, kind: &FaultKind) -> Result<Active<'a>, FaultError> {
        let injection = Injection::new(self.stack, Arc::clone(&self.log), kind.name());
        let (held, owed) = match kind {
            FaultKind::Kill { part } => {
                process::kill(&injection, part).await?;
                (Held::Ended { part: part.clone() }, Vec::new())
            }
            FaultKind::Stop { part } => {
                process::stop(&injection, part).await?;
                (Held::Ended { part: part.clone() }, Vec::new())
            }
            FaultKind::Restart { part } => {
                process::restart(&injection, part).await?;
                (Held::Nothing, Vec::new())
            }
            FaultKind::Pause { part } => (Held::Nothing, vec![pause::inject(&injection, part).await?]),
            FaultKind::Network { from, to, rule } => {
                (Held::Rule(network::inject(&injection, from, to, rule)?), Vec::new())
            }
            FaultKind::Redis { state } => {
                let (acting, owed) = Box::pin(redis::inject(&injection, *state)).await?;
                (Held::Redis(acting), owed)
            }
            FaultKind::DiskFull { part } => {
                (Held::Endangered { part: part.clone() }, vec![disk_full::inject(&injection, part)?])
            }
            FaultKind::DatabaseLocked { part } => {
                (Held::Lock { _file: database_locked::inject(&injection, part).await? }, Vec::new())
            }
            FaultKind::FileChanged { service, file, text } => {
                (Held::Nothing, vec![file_changed::inject(&injection, *service, file, text.as_deref())?])
            }
            FaultKind::CpuSqueeze { part, percent } => {
                let owed = squeeze::inject(&injection, part, Limit::Cpu { percent: *percent }).await?;
                (Held::Endangered { part: part.clone() }, vec![owed])
            }
            FaultKind::MemorySqueeze { part, mebibytes } => {
                let owed = squeeze::inject(&injection, part, Limit::Memory { mebibytes: *mebibytes }).await?;
                (Held::Endangered { part: part.clone() }, vec![owed])
            }
        };
        Ok(Active::new(self.stack, injection.name, held, owed))
    }
}
