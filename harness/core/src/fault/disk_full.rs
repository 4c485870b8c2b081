//! `disk_full`: a part cannot write to its files, as on a full disk. That includes its log.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use super::problems::no_database;
use crate::plan::Backend;
use crate::plan::topology::{Part, PartKind, Topology};
use crate::stack::undo::{FileSizeUndo, Undo, file_size, set_file_size};
use serde::{Deserialize, Serialize};

/// The bit of `CAP_SYS_RESOURCE`, the right to change the limits of other users' processes (capabilities(7)).
const SYS_RESOURCE: u64 = 1 << 24;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskFull {
    pub part: String,
}

impl Fault for DiskFull {
    fn kind(&self) -> &'static str {
        "disk_full"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        match topology.part(&self.part) {
            // Whatever a target writes to, it is on this machine.
            Some(Part { kind: PartKind::Target, .. }) => Vec::new(),
            Some(_) | None => no_database(topology, &self.part, self.kind()),
        }
    }

    // Only on Docker: there a service runs as another user than the harness.
    fn unavailable_on_machine(&self, backend: &Backend) -> Option<String> {
        if *backend != Backend::Docker {
            return None;
        }
        let status = procfs::process::Process::myself().and_then(|process| process.status());
        match status {
            Ok(status) if status.capeff & SYS_RESOURCE != 0 => None,
            Ok(_) => Some(
                "the service runs as another user, and only a program with CAP_SYS_RESOURCE may change its limits; grant it (`setcap \
                 cap_sys_resource+ep` on the harness), or use `--backend process`"
                    .to_owned(),
            ),
            Err(error) => Some(format!("the capabilities of this process cannot be read: {error}")),
        }
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            let (pid, started) = injection.worker(&injection.part(&self.part)?)?;
            let (soft, hard) = file_size(pid).map_err(|error| injection.refused(error))?;
            let guard = injection.must_undo(Undo::FileSize(FileSizeUndo { pid, started, soft, hard }))?;
            // The limit is 0 and not the present size of the files: SQLite restarts its WAL at the beginning of the
            // same file, so a limit at the present size would accept writes for a while. The hard limit stays, because
            // only a privileged process could raise it again.
            set_file_size(pid, Some(0), hard).map_err(|error| injection.refused(error))?;
            match file_size(pid) {
                Ok((Some(0), _)) => Ok(guard.into()),
                Ok((soft, _)) => Err(injection.no_effect(format!("the file size limit of process {pid} is {soft:?}"))),
                Err(error) => Err(injection.no_effect(error)),
            }
        })
    }

    // A write past the limit raises SIGXFSZ, which ends a process that does not ignore it.
    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(injection.start_if_dead(&self.part))
    }
}
