//! A file of rules or patterns that a service reads when it starts.

use mcp_contracts::Service;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file of rules or patterns that a service reads when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidedFile {
    #[schemars(with = "String", extend("enum" = Service::ALL.map(Service::name)))]
    pub service: Service,
    /// Path of the file in the folder of its service.
    pub file: String,
    pub text: String,
}
