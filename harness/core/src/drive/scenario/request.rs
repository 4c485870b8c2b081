//! One request of a scenario: method, target, era and headers. Most are tool calls of the modern era.

use super::Reply;
use crate::drive::client::{Era, Message};
use crate::drive::traffic::operations::service_of_tool;
use mcp_contracts::{Service, headers};
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioRequest {
    pub(super) service: Service,
    pub(super) part: Option<String>,
    pub(super) ready_one: bool,
    pub(super) message: Message,
}

impl ScenarioRequest {
    /// Calls a tool of the service that has a tool with this name.
    ///
    /// # Panics
    /// Panics if no service has that tool. [`ScenarioRequest::tool_of`] calls a tool that does not exist.
    pub fn tool(name: &str, arguments: Value) -> Self {
        let service = service_of_tool(name).unwrap_or_else(|| panic!("no service has a tool `{name}`"));
        Self::tool_of(service, name, arguments)
    }

    /// Calls a tool of a service, even if the service does not have it.
    pub fn tool_of(service: Service, name: &str, arguments: Value) -> Self {
        Self::method(service, "tools/call", json!({ "name": name, "arguments": arguments }))
    }

    pub fn resource(service: Service, uri: &str) -> Self {
        Self::method(service, "resources/read", json!({ "uri": uri }))
    }

    pub fn prompt(service: Service, name: &str, arguments: Value) -> Self {
        Self::method(service, "prompts/get", json!({ "name": name, "arguments": arguments }))
    }

    /// Sends any method; `params` is an object.
    pub fn method(service: Service, method: &str, params: Value) -> Self {
        let params = match params {
            Value::Object(params) => params,
            _ => Map::new(),
        };
        let message = Message { method: method.to_owned(), params, ..Message::default() };
        Self { service, part: None, ready_one: false, message }
    }

    /// Sends the request to one instance, such as `memory-2`.
    #[must_use]
    pub fn at(mut self, part: &str) -> Self {
        self.part = Some(part.to_owned());
        self
    }

    /// Sends the request to an instance that reports *ready*, as a load balancer does.
    #[must_use]
    pub fn at_ready_instance(mut self) -> Self {
        self.ready_one = true;
        self
    }

    /// Sends the request in the older era of the protocol.
    #[must_use]
    pub fn legacy(mut self) -> Self {
        self.message.era = Era::Legacy;
        self
    }

    /// Declares that the client can ask its user a question.
    #[must_use]
    pub fn supports_elicitation(mut self) -> Self {
        self.message.supports_elicitation = true;
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.message.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the request as part of an execution.
    #[must_use]
    pub fn execution(self, id: &str) -> Self {
        self.header(headers::EXECUTION_ID, id)
    }

    /// Repeats the request with the user's answer to a question of the service.
    #[must_use]
    pub fn answering(self, question: &Reply, content: Value) -> Self {
        self.responding(question, &json!({ "action": "accept", "content": content }))
    }

    /// Repeats the request after the user declined to answer.
    #[must_use]
    pub fn declining(self, question: &Reply) -> Self {
        self.responding(question, &json!({ "action": "decline" }))
    }

    fn responding(mut self, question: &Reply, response: &Value) -> Self {
        let keys = question.result()["inputRequests"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
        let responses: Map<String, Value> = keys.map(|key| (key, response.clone())).collect();
        self.message.params.insert("requestState".to_owned(), question.result()["requestState"].clone());
        self.message.params.insert("inputResponses".to_owned(), Value::Object(responses));
        // Declared again, because each request is independent of the one before it.
        self.supports_elicitation()
    }

    pub(super) fn tool_name(&self) -> Option<&str> {
        (self.message.method == "tools/call").then(|| self.message.params["name"].as_str())?
    }

    /// Returns the name of the tool, or the method if the request calls no tool.
    pub fn name(&self) -> &str {
        self.tool_name().unwrap_or(&self.message.method)
    }

    pub(super) fn arguments(&self) -> &Value {
        self.message.params.get("arguments").unwrap_or(&Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::{ScenarioRequest, Service};
    use serde_json::json;

    #[test]
    fn a_tool_finds_its_service() {
        assert_eq!(ScenarioRequest::tool("store_memory", json!({})).service, Service::Memory);
        assert_eq!(ScenarioRequest::tool("inject_pattern", json!({})).service, Service::Patterns);
        assert_eq!(ScenarioRequest::tool("run_workflow", json!({})).name(), "run_workflow");
        assert_eq!(ScenarioRequest::resource(Service::Guardrails, "guardrail://rules").name(), "resources/read");
    }
}
