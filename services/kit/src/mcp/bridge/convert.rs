//! Converts tools, resources, prompts and errors to the types of the SDK.

use crate::prompt::PromptInfo;
use crate::resource::{ResourceInfo, ResourceTemplate};
use crate::tool::Tool;
use mcp_contracts::{ErrorCode, ToolError};
use rmcp::ErrorData;
use rmcp::model::{JsonObject, Prompt, PromptArgument, Resource, ToolAnnotations};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest part of a name that an error repeats, in characters.
const MAX_NAME_CHARS: usize = 128;

pub(super) fn tool(tool: &Tool) -> rmcp::model::Tool {
    let mut described = rmcp::model::Tool::new(tool.name, tool.description, Arc::clone(&tool.input_schema));
    described.title = Some(tool.title.to_owned());
    described.output_schema = Some(Arc::clone(&tool.output_schema));
    described.annotations = Some(
        ToolAnnotations::with_title(tool.title)
            .read_only(tool.annotations.read_only)
            .destructive(tool.annotations.destructive)
            .idempotent(tool.annotations.idempotent)
            .open_world(false),
    );
    described
}

pub(super) fn resource(info: ResourceInfo) -> Resource {
    let mut resource = Resource::new(info.uri, info.name);
    resource.title = Some(info.title);
    resource.description = Some(info.description);
    resource.mime_type = Some(info.mime_type.to_owned());
    resource
}

pub(super) fn template(info: ResourceTemplate) -> rmcp::model::ResourceTemplate {
    let mut template = rmcp::model::ResourceTemplate::new(info.uri_template, info.name);
    template.title = Some(info.title);
    template.description = Some(info.description);
    template.mime_type = Some(info.mime_type.to_owned());
    template
}

pub(super) fn prompt(info: PromptInfo) -> Prompt {
    let arguments = info.arguments.into_iter().map(|argument| {
        PromptArgument::new(argument.name).with_description(argument.description).with_required(argument.required)
    });
    Prompt::new(info.name, Some(info.description), Some(arguments.collect())).with_title(info.title)
}

/// Converts the arguments of a prompt, which must be text.
pub(super) fn arguments(arguments: Option<JsonObject>) -> Result<BTreeMap<String, String>, ErrorData> {
    let text = |(name, value): (String, serde_json::Value)| match value {
        serde_json::Value::String(text) => Ok((name, text)),
        _ => Err(ErrorData::invalid_params(format!("argument `{}` must be text", short(&name)), None)),
    };
    arguments.unwrap_or_default().into_iter().map(text).collect()
}

/// Converts the error of a read. Errors of the caller are `-32602`; since 2026-07-28 that includes an unknown resource.
pub(super) fn error(error: &ToolError) -> ErrorData {
    let data = serde_json::to_value(error).ok();
    match error.code {
        ErrorCode::Internal => ErrorData::internal_error(error.message.clone(), data),
        _ => ErrorData::invalid_params(error.message.clone(), data),
    }
}

/// Cuts a name for an error.
pub(super) fn short(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}
