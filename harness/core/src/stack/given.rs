//! Data that a service has when it starts: an older database, or a folder with files of rules or patterns. The files may change while the service is
//! running.

use super::StackError;
use crate::plan::ProvidedFile;
use crate::plan::topology::Topology;
use mcp_contracts::Service;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A database, as the bytes of its file.
    Database { service: Service, bytes: Arc<[u8]> },
    /// A folder of rules or patterns, with this file in it.
    File {
        service: Service,
        /// Path of the file in the folder.
        name: String,
        text: String,
    },
}

impl From<&ProvidedFile> for Given {
    fn from(given: &ProvidedFile) -> Self {
        Self::File { service: given.service, name: given.file.clone(), text: given.text.clone() }
    }
}

impl Given {
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
pub(super) fn has_folder(given: &[Given], service: Service) -> bool {
    given.iter().any(|given| matches!(given, Given::File { .. }) && given.service() == service)
}

/// Writes the files; containers mount their folder.
pub(super) fn write_files(dir: &Path, topology: &Topology, given: &[Given]) -> Result<(), StackError> {
    for given in given {
        let service = given.service();
        if topology.of(service).next().is_none() {
            return Err(StackError::start(
                service.name(),
                "it is given a file or a database, and is not a part of the stack",
            ));
        }
        if let Given::File { name, text, .. } = given {
            write(&folder(dir, service), name, text).map_err(|error| StackError::start(service.name(), error))?;
        }
    }
    Ok(())
}

/// Writes a file completely or not at all, because the service may read it at any time. Every user may read it, because the user in a container is
/// another one.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let hidden = parent.join(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    std::fs::write(&hidden, text)?;
    std::fs::rename(hidden, path)
}
