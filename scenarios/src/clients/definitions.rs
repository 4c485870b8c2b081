//! The definitions of the tools, as hosts read them: some follow no `$ref`, some refuse a property without a type, and each definition costs
//! the model context on every turn.

use harness_core::drive::scenario::{Actor, ScenarioRequest, Stage, StepFailed};
use harness_history::counted;
use mcp_contracts::Service;
use serde_json::{Value, json};

/// Bytes of the names, descriptions and input schemas that a host gives to its model, for one service and for all four. A token is about four
/// bytes of such JSON, so this is 2,800 and 7,000 tokens.
const MAX_OF_A_SERVICE: usize = 4 * 2_800;
const MAX_OF_ALL: usize = 4 * 7_000;

/// Reads the tools of every service in both eras and compares them with what hosts require.
pub(super) async fn check(stage: &Stage<'_>, ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    let (mut total, mut calls) = (0, Vec::new());
    for service in Service::ALL {
        let name = service.name();
        let ask = ScenarioRequest::method(service, "tools/list", json!({}));
        let older = ann
            .send(ask.clone().legacy())
            .await
            .expect_ok(&format!("{name} lists its tools to an older client"))
            .or_stop()?;
        let listed = ann.send(ask).await.expect_ok(&format!("{name} lists its tools")).or_stop()?;
        let same = older["tools"] == listed["tools"];
        stage.expect(
            &format!("{name} lists the same tools in both eras"),
            same,
            "the lists",
            &[older.op(), listed.op()],
        );

        let tools: Vec<&Value> = listed["tools"].as_array().into_iter().flatten().collect();
        let problems: Vec<String> = tools.iter().flat_map(|tool| problems(tool)).collect();
        let held = problems.is_empty() && !tools.is_empty();
        let expected = format!("every host can use the definitions of {name}");
        stage.expect(
            &expected,
            held,
            format!("{}, {problems:?}", counted(tools.len(), "tool", "tools")),
            &[listed.op()],
        );

        let size: usize = tools.iter().map(|tool| size(tool)).sum();
        let expected = format!("the definitions of {name} have at most {MAX_OF_A_SERVICE} bytes");
        stage.expect(&expected, size <= MAX_OF_A_SERVICE, format!("{size} bytes"), &[listed.op()]);
        total += size;
        calls.push(listed.op());
    }
    let expected = format!("the definitions of all services have at most {MAX_OF_ALL} bytes");
    stage.expect(&expected, total <= MAX_OF_ALL, format!("{total} bytes"), &calls);
    Ok(())
}

fn size(tool: &Value) -> usize {
    json!({ "name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"] })
        .to_string()
        .len()
}

/// Returns what a host could not use in the definition of a tool.
fn problems(tool: &Value) -> Vec<String> {
    let name = tool["name"].as_str().unwrap_or_default();
    let schema = &tool["inputSchema"];
    let mut problems = Vec::new();
    if !schema["properties"].is_object() {
        problems.push("no `properties`".to_owned());
    }
    if schema["additionalProperties"] != false {
        problems.push("unknown arguments are allowed".to_owned());
    }
    let destroys = tool["annotations"]["destructiveHint"] == true;
    let description = tool["description"].as_str().unwrap_or_default().to_lowercase();
    if description.is_empty() {
        problems.push("no description".to_owned());
    }
    if destroys && !["delete", "remove", "replace", "overwrite"].iter().any(|word| description.contains(word)) {
        problems.push("the description does not say that the tool destroys".to_owned());
    }
    in_schema(schema, "", &mut problems);
    problems.into_iter().map(|problem| format!("{name}: {problem}")).collect()
}

fn in_schema(schema: &Value, at: &str, problems: &mut Vec<String>) {
    for word in ["$ref", "$defs", "anyOf", "oneOf", "allOf"] {
        if schema.get(word).is_some() {
            problems.push(format!("`{word}` at `{at}`"));
        }
    }
    if !at.is_empty() && !schema["type"].is_string() {
        problems.push(format!("`{at}` has no single type"));
    }
    // Formats such as `uint32` belong to one language; validators of others warn about them.
    if schema["type"] == "integer" && schema.get("format").is_some() {
        problems.push(format!("`{at}` has the format {}", schema["format"]));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        in_schema(property, &format!("{at}/{name}"), problems);
    }
    if schema["items"].is_object() {
        in_schema(&schema["items"], &format!("{at}/items"), problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_of_a_definition_is_reported() {
        let tool = |schema: Value| json!({ "name": "t", "description": "Changes it.", "inputSchema": schema });
        let good =
            json!({ "type": "object", "additionalProperties": false, "properties": { "n": { "type": "integer" } } });
        assert_eq!(problems(&tool(good.clone())), Vec::<String>::new());
        let mut destroys = tool(good.clone());
        destroys["annotations"] = json!({ "destructiveHint": true });
        assert_eq!(problems(&destroys).len(), 1);
        for (at, bad) in [
            ("additionalProperties", json!(true)),
            ("properties", json!({ "n": { "type": ["integer", "null"] } })),
            ("properties", json!({ "n": {} })),
            ("properties", json!({ "n": { "type": "integer", "format": "uint32" } })),
            ("properties", json!({ "n": { "type": "array", "items": {} } })),
            ("$defs", json!({})),
        ] {
            let mut schema = good.clone();
            schema[at] = bad;
            assert_eq!(problems(&tool(schema.clone())).len(), 1, "{schema}");
        }
    }
}
