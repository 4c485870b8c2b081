//! Settings that only this service has.

use mcp_contracts::env;
use mcp_kit::{EnvReader, ServiceSettings};
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub struct GuardrailsSettings {
    /// Folder of rule files in addition to the built-in ones.
    pub rules_dir: Option<PathBuf>,
}

impl ServiceSettings for GuardrailsSettings {
    fn read(reader: &mut EnvReader<'_>) -> Self {
        Self { rules_dir: reader.folder(env::RULES_DIR) }
    }
}
