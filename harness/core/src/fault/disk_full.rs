//! A part cannot write its files any more, as on a full disk: the system lets none of them be written at all. A limit at the size that they
//! have would let a log that begins anew, as that of SQLite does, accept writes for a while. Logs are lost too, as they are on a full disk.

use super::error::FaultError;
use super::injection::Injection;
use crate::stack::undo::{FileSizeUndo, Undo, UndoGuard, file_size, set_file_size};

pub(super) fn inject(injection: &Injection<'_>, part: &str) -> Result<UndoGuard, FaultError> {
    let (pid, started) = injection.worker(&injection.part(part)?)?;
    let (soft, hard) = file_size(pid).map_err(|error| injection.refused(error))?;
    let owed = injection.must_undo(Undo::FileSize(FileSizeUndo { pid, started, soft, hard }))?;
    set_file_size(pid, Some(0), hard).map_err(|error| injection.refused(error))?;
    match file_size(pid) {
        Ok((Some(0), _)) => Ok(owed),
        Ok((found, _)) => Err(injection.no_effect(format!("the limit of process {pid} is {found:?}"))),
        Err(error) => Err(injection.no_effect(error)),
    }
}

/// Bit of the right to change the limits of processes of other users (CAP_SYS_RESOURCE; capabilities(7)).
const SYS_RESOURCE: u64 = 1 << 24;

/// Why no process of another user can be limited from here; `None` where it can.
pub(super) fn impossible_for_another_user() -> Option<String> {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    match status {
        Ok(status) if status.capeff & SYS_RESOURCE != 0 => None,
        Ok(_) => Some(
            "the service runs as another user, whose limits only a harness with CAP_SYS_RESOURCE may change; grant it (`setcap \
             cap_sys_resource+ep` on the harness), or use `--backend process`"
                .to_owned(),
        ),
        Err(error) => Some(format!("what this process may do cannot be seen: {error}")),
    }
}
