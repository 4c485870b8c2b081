//! A file of rules or patterns that the harness provides to a service before its start.

use mcp_contracts::Service;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidedFile {
    #[schemars(with = "String", extend("enum" = Service::ALL.map(Service::name)))]
    pub service: Service,
    /// Path within the service's folder of rules or patterns.
    pub file: String,
    pub text: String,
}
