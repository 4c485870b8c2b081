//! The reply to a request of a probe.

use super::record::ExchangeText;
use mcp_contracts::{ErrorCode, rpc};
use serde_json::Value;

/// A reply, or the reason why there is none.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status; `None` without a complete reply.
    pub status: Option<u16>,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub(super) text: ExchangeText,
    /// Position in the history.
    pub(super) op: u64,
    /// Why there is no complete reply.
    pub(super) lost: Option<String>,
}

impl Answer {
    /// Returns the first value of a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn has_status(&self, status: u16) -> bool {
        self.status == Some(status)
    }

    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the JSON-RPC message: the body, or the last event of a stream.
    pub fn message(&self) -> Value {
        let text = self.body_text();
        let event = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
        serde_json::from_str(event.unwrap_or(&text)).unwrap_or(Value::Null)
    }

    pub fn result(&self) -> Value {
        member(self.message(), "result")
    }

    /// Returns the error of JSON-RPC.
    pub fn error(&self) -> Value {
        member(self.message(), "error")
    }

    /// Returns true if the reply has a result, other than the error of a tool.
    pub fn has_result(&self) -> bool {
        let result = self.result();
        result.is_object() && result["isError"] != true
    }

    /// Returns the structured content of a tool result.
    pub fn structured(&self) -> Value {
        member(self.result(), "structuredContent")
    }

    /// Returns the stable code of a refusal: that of a tool, or that in the data of an error of JSON-RPC.
    pub fn refusal_code(&self) -> Option<String> {
        let message = self.message();
        if let Some(code) = message["error"]["data"]["code"].as_str() {
            return Some(code.to_owned());
        }
        let text = message["result"]["content"][0]["text"].as_str().filter(|_| message["result"]["isError"] == true)?;
        serde_json::from_str::<Value>(text).ok()?["code"].as_str().map(str::to_owned)
    }

    /// Returns true if the call was refused because of what it requested, by HTTP, by JSON-RPC or by the tool, and has no result. A limit or a fault of
    /// the service refuses every call, so it is no such refusal.
    pub fn is_refused(&self) -> bool {
        let refused = self.status.is_some_and(|status| (400..500).contains(&status)) && !self.has_result()
            || !self.error().is_null()
            || self.result()["isError"] == true;
        let is_limit = self.has_status(429) || self.refusal_code().as_deref() == Some(ErrorCode::QuotaExceeded.name());
        let is_fault = |name: &str| ErrorCode::ALL.into_iter().any(|code| code.name() == name && code.is_fault());
        refused
            && !is_limit
            && self.status.is_none_or(|status| status < 500)
            && self.error()["code"] != rpc::INTERNAL_ERROR
            && !self.refusal_code().is_some_and(|code| is_fault(&code))
    }

    /// Returns the same reply, whose evidence has no body: it may have secrets of the target.
    #[must_use]
    pub fn without_body(&self) -> Self {
        let mut answer = self.clone();
        answer.text.reply = answer.text.reply.split("\n\n").next().unwrap_or_default().to_owned();
        answer
    }

    /// Describes the reply in a few words.
    pub fn describe(&self) -> String {
        match (self.status, &self.lost) {
            (Some(200), _) if self.has_result() => "status 200 with a result".to_owned(),
            (Some(status), _) => match self.refusal_code() {
                Some(code) => format!("status {status}, `{code}`"),
                None => format!("status {status}"),
            },
            (None, Some(why)) => format!("no reply: {why}"),
            (None, None) => "no reply".to_owned(),
        }
    }
}

/// Takes a member out of a value; null if the value is not an object. Indexing it for a change would panic on an array or a text, and any server may
/// send one.
fn member(mut value: Value, name: &str) -> Value {
    value.get_mut(name).map(Value::take).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Answer, ExchangeText};

    #[test]
    fn a_body_that_is_json_and_not_an_object_has_neither_result_nor_error() {
        for body in [r#""Bad Request""#, "404", "true", "[]", "null", r#"{"result":"done"}"#] {
            let text = ExchangeText { request: String::new(), reply: String::new(), curl: None };
            let (headers, body) = (Vec::new(), body.as_bytes().to_vec());
            let answer = Answer { status: Some(400), headers, body, text, op: 0, lost: None };
            assert!(answer.error().is_null() && answer.structured().is_null(), "{}", answer.body_text());
            assert!(!answer.has_result() && answer.is_refused(), "{}", answer.body_text());
            assert_eq!(answer.describe(), "status 400", "{}", answer.body_text());
        }
    }
}
