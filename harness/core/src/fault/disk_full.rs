//! A part cannot write its files any more, as on a full disk: the system lets none of them be written at all. A limit at the size that they
//! have would let a log that begins anew, as that of SQLite does, accept writes for a while. Logs are lost too, as they are on a full disk.

use super::active::Held;
use super::error::FaultError;
use super::injector::{Injected, Order};
use super::undo::{FileSizeUndo, Undo, file_size, set_file_size};

pub(super) fn inject(order: &Order<'_, '_>, part: &str) -> Result<Injected, FaultError> {
    let (pid, started) = order.worker(&order.part(part)?)?;
    let (soft, hard) = file_size(pid).map_err(|error| order.refused(error))?;
    let owed = order.owe(Undo::FileSize(FileSizeUndo { pid, started, soft, hard }))?;
    set_file_size(pid, Some(0), hard).map_err(|error| order.refused(error))?;
    match file_size(pid) {
        Ok((Some(0), _)) => Ok((Held::Endangered { part: part.to_owned() }, vec![owed])),
        Ok((found, _)) => Err(order.no_effect(format!("the limit of process {pid} is {found:?}"))),
        Err(error) => Err(order.no_effect(error)),
    }
}
