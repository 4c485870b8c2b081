//! A file of rules or patterns that a service reads when it starts.

use mcp_contracts::Service;
use serde::{Deserialize, Serialize};

/// A file of rules or patterns that a service reads when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvidedFile {
    pub service: Service,
    /// Path of the file in the folder of its service.
    pub file: String,
    pub text: String,
}
