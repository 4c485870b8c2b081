//! What a part finds in place when it starts: an older database, or files of rules and patterns in a folder that may change while it runs.

use super::StackError;
use crate::plan::ProvidedFile;
use crate::plan::topology::Topology;
use mcp_contracts::Service;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something that a service finds in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A database, as the bytes of its file.
    Database {
        /// The service.
        service: Service,
        /// The file.
        bytes: Arc<[u8]>,
    },
    /// A folder of rules or patterns, with this file in it.
    File {
        /// The service.
        service: Service,
        /// Path of the file in the folder.
        name: String,
        /// Its text.
        text: String,
    },
}

impl From<&ProvidedFile> for Given {
    fn from(given: &ProvidedFile) -> Self {
        Self::File { service: given.service, name: given.file.clone(), text: given.text.clone() }
    }
}

impl Given {
    /// The service that finds it.
    pub const fn service(&self) -> Service {
        match self {
            Self::Database { service, .. } | Self::File { service, .. } => *service,
        }
    }
}

/// Where the files of a service are on this machine.
pub(super) fn folder(dir: &Path, service: Service) -> PathBuf {
    dir.join("files").join(service.name())
}

/// Tells whether a service of this stack has a folder of files.
pub(super) fn has_folder(given: &[Given], service: Service) -> bool {
    given.iter().any(|given| matches!(given, Given::File { .. }) && given.service() == service)
}

/// Puts the files in place, for every backend that can see this machine.
pub(super) fn write_files(dir: &Path, topology: &Topology, given: &[Given]) -> Result<(), StackError> {
    for given in given {
        let service = given.service();
        if topology.of(service).next().is_none() {
            return Err(StackError::start(service.name(), "something is given to it, and it is no part of the stack"));
        }
        if let Given::File { name, text, .. } = given {
            write(&folder(dir, service), name, text).map_err(|error| StackError::start(service.name(), error))?;
        }
    }
    Ok(())
}

/// Writes a file as a whole or not at all, readable by everybody: a container has a user of its own.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let hidden = parent.join(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    std::fs::write(&hidden, text)?;
    std::fs::rename(hidden, path)
}
