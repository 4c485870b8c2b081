//! The schemas of a tool, derived from its types. Input schemas are closed and stand alone: no `$ref`, no `null` beside a type and no formats
//! of Rust, because several hosts warn about them or do not follow them.

use schemars::JsonSchema;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Deepest nesting of definitions that is inlined. No request is that deep; a type that contains itself would not end.
const MAX_DEPTH: usize = 16;

pub(super) fn output_schema<T: JsonSchema>() -> Object {
    match schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value() {
        Value::Object(schema) => schema,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

/// Returns true if the type refuses unknown fields (`deny_unknown_fields`).
pub(super) fn is_strict<T: JsonSchema>() -> bool {
    output_schema::<T>().get("additionalProperties") == Some(&Value::Bool(false))
}

pub(super) fn input_schema<T: JsonSchema>() -> Object {
    let mut schema = output_schema::<T>();
    let definitions = match schema.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => Object::new(),
    };
    simplify(&mut schema, &definitions, MAX_DEPTH);
    // A tool without arguments has an empty list of them.
    schema.entry("properties").or_insert_with(|| Value::Object(Object::new()));
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    // The tool has a name and a description of its own, and a model pays for both on every turn.
    schema.remove("title");
    schema.remove("description");
    schema
}

fn simplify(schema: &mut Object, definitions: &Object, depth: usize) {
    if depth == 0 {
        return;
    }
    inline(schema, definitions);
    without_null(schema);
    // The definition may be behind the choice between it and null.
    inline(schema, definitions);
    if matches!(schema.get("format").and_then(Value::as_str), Some(format) if is_rust_format(format)) {
        schema.remove("format");
    }
    // One type and a list of its values say the same as a list of constants, and every host understands them.
    if let Some(Value::Array(choices)) = schema.get("oneOf") {
        // Each documented value is a constant of its own, the others share one list.
        let values = |choice: &Value| match (choice.get("const"), choice.get("enum")) {
            (Some(value), _) => Some(vec![value.clone()]),
            (None, Some(Value::Array(values))) => Some(values.clone()),
            (None, _) => None,
        };
        let names: Option<Vec<Vec<Value>>> = choices.iter().map(values).collect();
        let names = names.map(|names| names.concat()).filter(|names| names.iter().all(Value::is_string));
        if let Some(names) = names {
            schema.remove("oneOf");
            schema.insert("type".to_owned(), "string".into());
            schema.insert("enum".to_owned(), names.into());
        }
    }
    if schema.contains_key("properties") {
        schema.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (key, value) in schema.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let schemas = properties.values_mut().filter_map(Value::as_object_mut);
                schemas.for_each(|schema| simplify(schema, definitions, depth - 1));
            }
            ("items" | "additionalProperties", Value::Object(schema)) => simplify(schema, definitions, depth - 1),
            ("anyOf" | "oneOf" | "allOf", Value::Array(choices)) => {
                let schemas = choices.iter_mut().filter_map(Value::as_object_mut);
                schemas.for_each(|schema| simplify(schema, definitions, depth - 1));
            }
            _ => {}
        }
    }
}

/// Replaces a reference by its definition. What stands beside the reference, such as a description, stays.
fn inline(schema: &mut Object, definitions: &Object) {
    let Some(Value::String(reference)) = schema.remove("$ref") else { return };
    let definition = reference.strip_prefix("#/$defs/").and_then(|name| definitions.get(name));
    for (key, value) in definition.and_then(Value::as_object).into_iter().flatten() {
        schema.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// An optional argument is omitted; `null` is understood too, but not advertised.
fn without_null(schema: &mut Object) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&Value::String("null".to_owned())));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

fn is_rust_format(format: &str) -> bool {
    matches!(format.trim_start_matches("uint").trim_start_matches("int"), "" | "8" | "16" | "32" | "64" | "128")
        || matches!(format, "float" | "double")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::{CheckGuardrails, ScanText};
    use mcp_contracts::memory::{ImportPage, ListMemories, MemoryStats, SearchMemory, StoreMemory, UpdateMemory};
    use mcp_contracts::orchestrator::RunWorkflow;
    use mcp_contracts::patterns::{InjectPattern, SelectPattern};

    /// Returns what a host could stumble over.
    fn problems(path: &str, schema: &Value, found: &mut Vec<String>) {
        let Some(object) = schema.as_object() else { return };
        for word in ["$ref", "$defs", "format", "anyOf", "oneOf"] {
            if object.contains_key(word) {
                found.push(format!("{path}: {word}"));
            }
        }
        let kind = object.get("type").and_then(Value::as_str);
        if kind.is_none() {
            found.push(format!("{path}: no single type"));
        }
        if let Some(properties) = object.get("properties").and_then(Value::as_object) {
            if object.get("additionalProperties") != Some(&Value::Bool(false)) {
                found.push(format!("{path}: open"));
            }
            properties.iter().for_each(|(name, schema)| problems(&format!("{path}.{name}"), schema, found));
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(schema) = object.get(inner).filter(|schema| schema.is_object()) {
                problems(&format!("{path}.{inner}"), schema, found);
            }
        }
    }

    #[test]
    fn input_schemas_stand_alone_are_closed_and_have_one_type_for_each_property() {
        let schemas = [
            ("search", input_schema::<SearchMemory>()),
            ("list", input_schema::<ListMemories>()),
            ("store", input_schema::<StoreMemory>()),
            ("update", input_schema::<UpdateMemory>()),
            ("import", input_schema::<ImportPage>()),
            ("stats", input_schema::<MemoryStats>()),
            ("check", input_schema::<CheckGuardrails>()),
            ("scan", input_schema::<ScanText>()),
            ("inject", input_schema::<InjectPattern>()),
            ("select", input_schema::<SelectPattern>()),
            ("run", input_schema::<RunWorkflow>()),
        ];
        let mut found = Vec::new();
        for (name, schema) in schemas {
            assert!(schema["properties"].is_object(), "{name}");
            problems(name, &Value::Object(schema), &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn the_description_of_a_property_wins_over_that_of_its_type() {
        let schema = input_schema::<ListMemories>();
        assert_eq!(schema["properties"]["tagMatch"]["enum"], serde_json::json!(["any", "all"]));
        assert_eq!(schema["properties"]["limit"]["type"], "integer");
    }
}
