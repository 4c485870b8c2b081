//! The common part of all services: settings, auth, quota, telemetry, readiness, the MCP endpoint, drain, serve,
//! databases and data files. It knows no tool of any service; a service passes its tools as a [`tool::ToolSet`].

pub mod auth;
mod certificate;
mod cors;
pub mod data;
pub mod database;
pub mod delegate;
pub mod elicitation;
mod env_reader;
pub mod erase;
pub mod mcp;
pub mod ops;
pub mod origin;
pub mod prompt;
mod provider;
pub mod quota;
pub mod readiness;
pub mod redis_target;
pub mod resource;
mod revocation;
pub mod run;
mod secret;
pub mod serve;
pub mod server_features;
pub mod settings;
pub mod single_use;
pub mod telemetry;
pub mod tool;
pub mod verdict;

pub use delegate::Delegate;
pub use elicitation::{Elicitation, ElicitationContext, ElicitationResponses, ToolOutcome};
pub use erase::Erase;
pub use prompt::{PromptArgument, PromptInfo, PromptText, Prompts};
pub use readiness::Readiness;
pub use resource::{ResourceInfo, ResourceTemplate, ResourceText, Resources};
pub use run::{Application, ServiceCommand, Start, run};
pub use server_features::{Page, ServerFeatures};
pub use settings::{EnvReader, ServiceSettings, Settings};
pub use single_use::SingleUse;
pub use tool::{Annotations, CallContext, Tool, ToolInfo, ToolResult, ToolSet};
pub use verdict::Verdicts;
