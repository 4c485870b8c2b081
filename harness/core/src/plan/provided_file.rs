//! A file of rules or patterns that the harness provides to a service before its start.

use mcp_contracts::Service;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvidedFile {
    pub service: Service,
    /// Path within the service's folder of rules or patterns.
    pub file: String,
    pub text: String,
}
