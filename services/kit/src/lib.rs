//! What a service needs and none of its domain: settings, auth, quota, telemetry, readiness, the MCP endpoint, drain, serve.
//! Knows no tool of any service; a service hands its tools over as a [`tool::ToolSet`].

pub mod auth;
pub mod mcp;
pub mod ops;
pub mod origin;
pub mod quota;
pub mod readiness;
pub mod run;
pub mod serve;
pub mod settings;
pub mod telemetry;
pub mod tool;

pub use readiness::Readiness;
pub use run::{Application, NoCommand, OwnCommand, Start, run};
pub use settings::Settings;
pub use tool::{Annotations, CallContext, Tool, ToolInfo, ToolResult, ToolSet};
