//! What has to be done so that a fault is gone: as data, since somebody else may have to do it. Everything here may be done twice, and
//! where what it is about is gone it does nothing.

pub(crate) mod line;

mod container;
mod group;
mod log;
mod process;
mod redis;

pub use container::ContainerUndo;
pub(crate) use container::UNLIMITED;
pub use group::GroupUndo;
pub(crate) use group::MEMBERS;
pub use log::UndoLogError;
pub(crate) use log::{UndoGuard, UndoLog};
pub use process::{FileSizeUndo, ProcessUndo};
pub(crate) use process::{file_size, set_file_size};
pub use redis::RedisUndo;
pub(crate) use redis::{connect, query, run_id};

use crate::plan::seal::write_whole;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one undoing may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// What undoes a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Undo {
    /// A process goes on.
    Resume(ProcessUndo),
    /// A process may write files as large as before.
    FileSize(FileSizeUndo),
    /// A process goes back to where it was among the control groups, and ours is removed.
    Group(GroupUndo),
    /// A container goes on, or has the limits that it had.
    Container(ContainerUndo),
    /// A Redis has the settings that it had.
    Redis(RedisUndo),
    /// A file is gone.
    RemoveFile {
        /// The file.
        path: PathBuf,
    },
    /// A file is what it was.
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What was in it.
        text: String,
    },
}

/// Why something could not be undone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UndoError(String);

impl UndoError {
    fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

impl Undo {
    /// Undoes what can be undone without waiting for anybody; `None` where that is not possible.
    pub(crate) fn at_once(&self) -> Option<Result<(), UndoError>> {
        match self {
            Self::Resume(process) => Some(process.resume()),
            Self::FileSize(limit) => Some(limit.restore()),
            Self::RemoveFile { path } => Some(remove(path)),
            Self::WriteFile { path, text } => Some(write(path, text)),
            Self::Group(_) | Self::Container(_) | Self::Redis(_) => None,
        }
    }

    /// Undoes it and makes sure that it is undone.
    pub(crate) async fn apply(&self) -> Result<(), UndoError> {
        let undoing = async {
            match self {
                Self::Resume(process) => process.resume_surely().await,
                Self::FileSize(limit) => limit.restore(),
                Self::RemoveFile { path } => remove(path),
                Self::WriteFile { path, text } => write(path, text),
                Self::Group(group) => group.leave().await,
                Self::Container(container) => container.restore().await,
                Self::Redis(redis) => redis.restore().await,
            }
        };
        match tokio::time::timeout(DEADLINE, undoing).await {
            Ok(undone) => undone,
            Err(_) => Err(UndoError(format!("it took longer than {} s", DEADLINE.as_secs()))),
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

/// Where its folder is gone, nobody reads it any more.
fn write(path: &Path, text: &str) -> Result<(), UndoError> {
    match write_whole(path, text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(UndoError(format!("`{}` cannot be written: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{ProcessUndo, Undo};

    #[tokio::test]
    async fn what_is_gone_already_is_undone() {
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
    async fn a_file_is_what_it_was_unless_its_folder_is_gone() {
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
    fn an_undo_is_read_as_it_was_written() {
        let undo = Undo::Resume(ProcessUndo { pid: 7, started: 9 });
        let text = serde_json::to_string(&undo).unwrap();
        assert_eq!(text, r#"{"what":"resume","pid":7,"started":9}"#);
        assert_eq!(serde_json::from_str::<Undo>(&text).unwrap(), undo);
    }
}
