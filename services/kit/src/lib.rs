//! What a service needs and none of its domain: settings, auth, quota, telemetry, readiness, drain, serve.
//! Knows no tool of any service; a service hands its tools over as a [`tool::ToolSet`].

pub mod tool;
