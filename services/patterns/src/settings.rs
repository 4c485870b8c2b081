//! Settings that only this service has.

use mcp_contracts::env;
use mcp_kit::{EnvReader, ServiceSettings};
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub struct PatternsSettings {
    /// Folder of catalogue files instead of the built-in ones.
    pub catalog_dir: Option<PathBuf>,
}

impl ServiceSettings for PatternsSettings {
    fn read(reader: &mut EnvReader<'_>) -> Self {
        Self { catalog_dir: reader.folder(env::CATALOG_DIR) }
    }
}
