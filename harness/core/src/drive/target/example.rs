//! An example of a call of a tool, made from its schema, which a newcomer can copy from the terminal.

use super::tools::Tool;
use serde_json::{Map, Value, json};

/// Depth of the schema up to which an example is made.
const MAX_DEPTH: usize = 6;

/// Returns the value of `--call` for a tool: its name, and arguments with placeholders for the properties that it requires.
pub fn example_call(tool: &Tool) -> String {
    let arguments = object(&tool.input_schema, &tool.input_schema, 0);
    if arguments.as_object().is_some_and(Map::is_empty) {
        tool.name.clone()
    } else {
        format!("{} {arguments}", tool.name)
    }
}

fn object(form: &Value, root: &Value, depth: usize) -> Value {
    let required = form["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let fields = required.map(|name| (name.to_owned(), value(name, &form["properties"][name], root, depth + 1)));
    Value::Object(fields.collect())
}

fn value(name: &str, form: &Value, root: &Value, depth: usize) -> Value {
    let form = resolved(form, root);
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(first) = form["enum"].get(0).or_else(|| form.get("const")) {
        return first.clone();
    }
    if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|key| form[*key].get(0)) {
        return value(name, first, root, depth + 1);
    }
    let kind = form["type"].as_str().or_else(|| form["type"].get(0).and_then(Value::as_str));
    match kind {
        Some("object") => object(form, root, depth),
        Some("array") => json!([value(name.strip_suffix('s').unwrap_or(name), &form["items"], root, depth + 1)]),
        Some("integer" | "number") => json!("{{number}}"),
        Some("boolean") => json!(false),
        _ => json!(placeholder(name)),
    }
}

/// Returns the definition that a reference within the schema names, or the form itself.
fn resolved<'v>(form: &'v Value, root: &'v Value) -> &'v Value {
    form["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)).unwrap_or(form)
}

/// Returns the placeholder for a text, by the name of its field.
fn placeholder(name: &str) -> &'static str {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["query", "search"]) || name == "q" {
        "{{words}}"
    } else if has(&["uuid"]) {
        "{{uuid}}"
    } else if has(&["key", "name", "id", "path", "title"]) {
        "{{key}}"
    } else if has(&["content", "text", "body", "value", "message", "observation", "note"]) {
        "{{content}}"
    } else {
        "{{word}}"
    }
}

#[cfg(test)]
mod tests {
    use super::{Tool, example_call};
    use serde_json::{Value, json};

    fn example(input_schema: Value) -> String {
        example_call(&Tool { name: "t".to_owned(), about: String::new(), input_schema, is_read_only: false })
    }

    #[test]
    fn an_example_has_the_required_arguments_in_the_types_of_the_schema() {
        assert_eq!(example(json!({ "type": "object", "properties": { "limit": { "type": "integer" } } })), "t");
        let schema = json!({
            "type": "object", "required": ["entities", "limit", "mode", "deep"],
            "properties": {
                "entities": { "type": "array", "items": { "$ref": "#/$defs/Entity" } },
                "limit": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "mode": { "enum": ["fast", "slow"] },
                "deep": { "type": "boolean" },
            },
            "$defs": { "Entity": { "type": "object", "required": ["name", "text", "kind"],
                "properties": { "name": { "type": "string" }, "text": { "type": "string" }, "kind": { "type": "string" } } } },
        });
        assert_eq!(
            example(schema),
            r#"t {"deep":false,"entities":[{"kind":"{{word}}","name":"{{key}}","text":"{{content}}"}],"limit":"{{number}}","mode":"fast"}"#
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let schema = json!({ "type": "object", "required": ["next"], "properties": { "next": { "$ref": "#" } } });
        assert!(example(schema).ends_with('}'));
        assert_eq!(example(json!({ "type": "object", "required": ["q"] })), r#"t {"q":"{{words}}"}"#);
        assert_eq!(example(Value::Null), "t");
    }
}
