//! How a fault is undone, as data, because the watchdog or a later harness may have to apply it. Every undo may be
//! applied twice. It does nothing if its process, container, Redis or file no longer exists or was replaced by another.

pub(crate) mod line;

mod container;
mod group;
mod process;
mod redis;
mod server;

pub use container::ContainerUndo;
pub(crate) use container::UNLIMITED;
pub use group::GroupUndo;
pub(crate) use group::MEMBERS;
pub use process::{EndUndo, FileSizeUndo, ProcessUndo};
pub(crate) use process::{file_size, set_file_size};
pub use redis::RedisUndo;
pub(crate) use redis::{connect, query, run_id};
pub use server::ServerUndo;

use crate::plan::seal::write_whole;
use crate::stack::labelled;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Deadline for one undo. The watchdog applies them one after another, so an undo that hangs must not delay the others.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Deadline for Docker to remove a stack, which takes about a second for each container.
const REMOVE_DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Undo {
    /// Ends the process of a part.
    EndProcess(EndUndo),
    /// Ends the process of a part and the processes that it has started.
    EndGroup(EndUndo),
    /// Ends every process of a database server.
    EndServer(ServerUndo),
    /// Removes every container, network and volume of a stack.
    RemoveLabelled {
        label: String,
    },
    /// Resumes a process.
    Resume(ProcessUndo),
    /// Resumes every process of a database server.
    ResumeServer(ServerUndo),
    /// Restores the file size limit of a process.
    FileSize(FileSizeUndo),
    /// Moves a process back to its control group and removes the harness's group.
    Group(GroupUndo),
    /// Resumes a container, or restores its limits.
    Container(ContainerUndo),
    /// Restores the settings of a Redis.
    Redis(RedisUndo),
    RemoveFile {
        path: PathBuf,
    },
    /// Restores the content of a file.
    WriteFile {
        path: PathBuf,
        text: String,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UndoError(String);

impl UndoError {
    fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

impl Undo {
    /// Applies the undo without waiting, for a destructor; `None` if it must wait for Redis, Docker or a busy control
    /// group.
    pub(crate) fn at_once(&self) -> Option<Result<(), UndoError>> {
        match self {
            Self::EndProcess(process) => Some(process.kill()),
            Self::EndGroup(process) => Some(process.kill_group()),
            Self::EndServer(server) => Some(server.kill()),
            Self::Resume(process) => Some(process.resume()),
            Self::ResumeServer(server) => Some(server.resume()),
            Self::FileSize(limit) => Some(limit.restore()),
            Self::RemoveFile { path } => Some(remove(path)),
            Self::WriteFile { path, text } => Some(write(path, text)),
            Self::RemoveLabelled { .. } | Self::Group(_) | Self::Container(_) | Self::Redis(_) => None,
        }
    }

    /// Applies the undo and verifies its effect.
    pub(crate) async fn apply(&self) -> Result<(), UndoError> {
        let applying = async {
            match self {
                Self::EndProcess(process) => process.kill_and_wait().await,
                Self::EndGroup(process) => process.kill_group_and_wait().await,
                Self::EndServer(server) => server.kill_and_wait().await,
                Self::RemoveLabelled { label } => labelled::remove(label).await.map_err(UndoError::new),
                Self::Resume(process) => process.resume_and_wait().await,
                Self::ResumeServer(server) => server.resume_and_wait().await,
                Self::FileSize(limit) => limit.restore(),
                Self::RemoveFile { path } => remove(path),
                Self::WriteFile { path, text } => write(path, text),
                Self::Group(group) => group.leave().await,
                Self::Container(container) => container.restore().await,
                Self::Redis(redis) => redis.restore().await,
            }
        };
        let deadline = if matches!(self, Self::RemoveLabelled { .. }) { REMOVE_DEADLINE } else { DEADLINE };
        match tokio::time::timeout(deadline, applying).await {
            Ok(result) => result,
            Err(_) => Err(UndoError(format!("it took longer than {} s", deadline.as_secs()))),
        }
    }

    /// Returns what [`Undo::apply`] would do now, in the past tense.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::EndProcess(process) | Self::EndGroup(process) => process.describe(),
            Self::EndServer(server) => server.describe_end(),
            Self::RemoveLabelled { label } => format!("removed everything in Docker with the label `{label}`"),
            Self::Resume(process) => format!("resumed process {}", process.pid),
            Self::ResumeServer(server) => format!("resumed `{}` (process {})", server.part, server.pid),
            Self::FileSize(limit) => format!("restored the file size limit of process {}", limit.pid),
            Self::Group(group) => format!("moved process {} back to its control group", group.pid),
            Self::Container(container) => format!("restored the container `{}`", container.container),
            Self::Redis(redis) => format!("restored the settings of `{}`", redis.url),
            Self::RemoveFile { path } => format!("removed `{}`", path.display()),
            Self::WriteFile { path, .. } => format!("restored `{}`", path.display()),
        }
    }
}

fn remove(path: &Path) -> Result<(), UndoError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(UndoError(format!("`{}` cannot be removed: {error}", path.display()))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), UndoError> {
    match write_whole(path, text.as_bytes()) {
        Ok(()) => Ok(()),
        // The folder of the run was removed, so no service reads the file any more.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(UndoError(format!("`{}` cannot be written: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{ProcessUndo, Undo};

    #[tokio::test]
    async fn an_undo_of_something_gone_does_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = Undo::RemoveFile { path: folder.path().join("a") };
        std::fs::write(folder.path().join("a"), "").unwrap();
        for _ in 0..2 {
            file.apply().await.unwrap();
            file.at_once().unwrap().unwrap();
        }
        let dead = Undo::Resume(ProcessUndo { pid: 1 << 22, started: 1 });
        dead.apply().await.unwrap();
        dead.at_once().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_file_is_restored_unless_its_folder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        std::fs::write(&path, "stricter").unwrap();
        let undo = Undo::WriteFile { path: path.clone(), text: "as it was".to_owned() };
        for _ in 0..2 {
            undo.apply().await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "as it was");
        }
        folder.close().unwrap();
        undo.at_once().unwrap().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn the_format_of_an_undo_stays() {
        let undo = Undo::Resume(ProcessUndo { pid: 7, started: 9 });
        let text = serde_json::to_string(&undo).unwrap();
        assert_eq!(text, r#"{"what":"resume","pid":7,"started":9}"#);
        assert_eq!(serde_json::from_str::<Undo>(&text).unwrap(), undo);
    }
}
