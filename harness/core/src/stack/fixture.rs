//! Fixtures that the harness provides before a service starts: an older database, or files of rules or patterns in a
//! folder that may change while the service is running.

use super::StackError;
use crate::plan::ProvidedFile;
use crate::plan::topology::Topology;
use mcp_contracts::Service;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fixture {
    /// A database, as the bytes of its file.
    Database { service: Service, bytes: Arc<[u8]> },
    /// A file in the service's folder of rules or patterns. Without such a fixture the stack has no folder for the service.
    File {
        service: Service,
        /// Path of the file in the folder.
        name: String,
        text: String,
    },
}

impl From<&ProvidedFile> for Fixture {
    fn from(provided: &ProvidedFile) -> Self {
        Self::File { service: provided.service, name: provided.file.clone(), text: provided.text.clone() }
    }
}

impl Fixture {
    pub const fn service(&self) -> Service {
        match self {
            Self::Database { service, .. } | Self::File { service, .. } => *service,
        }
    }
}

/// Returns the folder of a service's files on this machine.
pub(super) fn folder(dir: &Path, service: Service) -> PathBuf {
    dir.join("files").join(service.name())
}

/// Returns true if a service of this stack has a folder of files.
pub(super) fn has_folder(fixtures: &[Fixture], service: Service) -> bool {
    fixtures.iter().any(|fixture| matches!(fixture, Fixture::File { .. }) && fixture.service() == service)
}

/// Writes the files of rules and patterns, whose folder a container mounts. The backend writes the databases.
pub(super) fn write_files(dir: &Path, topology: &Topology, fixtures: &[Fixture]) -> Result<(), StackError> {
    for fixture in fixtures {
        let service = fixture.service();
        if topology.of(service).next().is_none() {
            return Err(StackError::start(
                service.name(),
                "there is a file or a database for it, but it is not a part of the stack",
            ));
        }
        if let Fixture::File { name, text, .. } = fixture {
            write(&folder(dir, service), name, text).map_err(|error| StackError::start(service.name(), error))?;
        }
    }
    Ok(())
}

/// Writes a file as a whole or not at all, because the service may read it at any time.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    // In the same folder, because a rename is atomic only within one file system; services skip
    // hidden files. A new file has the default mode, so the user of a container can read it.
    let hidden = parent.join(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    std::fs::write(&hidden, text)?;
    std::fs::rename(hidden, path)
}
