//! Compares the operations of a profile with the tools of a server: an unknown tool, or arguments that the tool's own schema refuses, are found before
//! the load and not counted as errors of the server.

use super::example::example_call;
use super::tools::{Tool, shown};
use crate::plan::data_file::{Problem, nearest};
use crate::plan::operation::{OperationData, Placeholder};
use serde_json::{Value, json};

/// Maximum number of reasons for one operation. A schema with alternatives has one for each.
const MAX_REASONS: usize = 3;
/// Maximum number of tools in a message.
const MAX_NAMES: usize = 50;

/// Returns what does not fit, one problem for each reason.
pub fn call_problems(operations: &[OperationData], tools: &[Tool]) -> Vec<Problem> {
    // One problem and not one for each operation: none of them can be right.
    if let (true, Some(first)) = (tools.is_empty(), operations.first()) {
        return vec![Problem {
            place: first.place.clone(),
            key: "operation.tool".to_owned(),
            what: "the target lists no tool, so nothing can be called".to_owned(),
            allowed: "a server with tools; check the URL, and that the token may see them".to_owned(),
        }];
    }
    operations.iter().flat_map(|operation| operation_problems(operation, tools)).collect()
}

fn operation_problems(operation: &OperationData, tools: &[Tool]) -> Vec<Problem> {
    let problem = |key: &str, what: String, allowed: String| Problem {
        place: operation.place.clone(),
        key: format!("operation.{key}"),
        what,
        allowed,
    };
    let names = || tools.iter().map(|tool| tool.name.as_str());
    let Some(tool) = tools.iter().find(|tool| tool.name == operation.tool) else {
        let near = nearest(&operation.tool, names())
            .map(|near| format!("; did you mean `{}`?", shown(near)))
            .unwrap_or_default();
        let what = format!("the target has no tool `{}`{near}", operation.tool);
        let known: Vec<String> = names().take(MAX_NAMES).map(shown).collect();
        return vec![problem("tool", what, format!("`{}`", known.join("`, `")))];
    };
    let refused = refusals(operation, &tool.input_schema);
    let allowed = || {
        let example = example_call(tool).chars().filter(|letter| !letter.is_control()).collect::<String>();
        format!("what the input schema of `{}` accepts, such as `--call '{example}'`", tool.name)
    };
    refused.into_iter().map(|what| problem("arguments", what, allowed())).collect()
}

/// Returns why the schema refuses the arguments. A key may be a text or a number, which only the server knows; arguments that fit with either are good.
fn refusals(operation: &OperationData, schema: &Value) -> Vec<String> {
    // A server whose schema is none is tried: it decides itself.
    let Ok(validator) = jsonschema::validator_for(schema) else { return Vec::new() };
    let with_keys = |key: Value| {
        let arguments = operation.arguments.render(&mut |placeholder| sample(placeholder, &key));
        let reasons = validator.iter_errors(&arguments).map(|error| match error.instance_path().to_string() {
            place if place.is_empty() => shown(&error.to_string()),
            place => shown(&format!("`/arguments{place}`: {error}")),
        });
        reasons.take(MAX_REASONS).collect::<Vec<String>>()
    };
    let reasons = with_keys(json!("key-0123456789abcdef01234567"));
    if reasons.is_empty() || with_keys(json!(17)).is_empty() { Vec::new() } else { reasons }
}

/// A value as a load fills it in.
fn sample(placeholder: Placeholder, key: &Value) -> Value {
    match placeholder {
        Placeholder::Word => json!("deploy"),
        Placeholder::Words => json!("deploy ledger"),
        Placeholder::Uuid => json!("3f1f8a52-6c0f-4e0a-9a3c-0d5f6f2b7c11"),
        Placeholder::Number => json!(17),
        Placeholder::User => json!("user-001"),
        Placeholder::Organisation => json!("org-01234567-00"),
        Placeholder::Content => json!("the ledger was slow after the deploy"),
        Placeholder::Key => json!("key-0123456789abcdef01234567"),
        Placeholder::KnownKey | Placeholder::SharedKey | Placeholder::ForeignKey => key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{OperationData, Tool, call_problems};
    use serde_json::{Value, json};

    fn tools() -> Vec<Tool> {
        let schema = json!({
            "type": "object", "properties": { "q": { "type": "string" }, "id": { "type": "integer" } },
            "required": ["q"], "additionalProperties": false,
        });
        vec![Tool { name: "search".to_owned(), about: String::new(), input_schema: schema, is_read_only: false }]
    }

    fn texts(tool: &str, arguments: &Value) -> String {
        let data = json!({ "name": "n", "place": "a.toml:7", "tool": tool, "arguments": arguments });
        let data: OperationData = serde_json::from_value(data).unwrap();
        call_problems(&[data], &tools()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_server_without_tools_is_one_problem() {
        let data = |place: &str| -> OperationData {
            serde_json::from_value(json!({ "name": place, "place": place, "tool": "t", "arguments": {} })).unwrap()
        };
        let found = call_problems(&[data("a.toml:1"), data("a.toml:9")], &[]);
        let [only] = &found[..] else { panic!("{found:?}") };
        assert!(only.to_string().starts_with("a.toml:1: `operation.tool`: the target lists no tool"), "{only}");
    }

    #[test]
    fn an_unknown_tool_and_refused_arguments_are_found_with_their_place() {
        assert_eq!(texts("search", &json!({ "q": "{{word}}" })), "");
        assert_eq!(texts("search", &json!({ "q": "x", "id": "{{number}}" })), "");
        assert_eq!(texts("search", &json!({ "q": "x", "id": "{{known_key}}" })), "", "a key may be a number");
        let unknown = texts("serch", &json!({}));
        assert!(
            unknown.starts_with("a.toml:7: `operation.tool`") && unknown.contains("did you mean `search`?"),
            "{unknown}"
        );
        let missing = texts("search", &json!({}));
        assert!(
            missing.contains("`operation.arguments`") && missing.contains("\"q\" is a required property"),
            "{missing}"
        );
        assert!(missing.contains(r#"such as `--call 'search {"q":"{{words}}"}'`"#), "{missing}");
        let wrong = texts("search", &json!({ "q": "x", "id": "no. {{number}}" }));
        assert!(wrong.contains("`/arguments/id`"), "{wrong}");
        assert!(texts("search", &json!({ "q": "x", "k": 1 })).contains("'k'"));
    }
}
