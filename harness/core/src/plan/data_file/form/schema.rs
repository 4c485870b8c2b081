//! The schema of a form: `schemars` derives it, and this file adapts it to TOML. Also the schemas that several forms
//! share.

use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;

/// Returns the schema (JSON Schema 2020-12) of a file that is read as a `T`. A key with a default is not required, and
/// null is not a type, because TOML has none.
pub fn schema<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    tidy(&mut schema);
    schema
}

fn tidy(form: &mut Value) {
    if !form.is_object() && !form.is_array() {
        return;
    }
    if let Some(Value::Array(types)) = form.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            form["type"] = only.clone();
        }
    }
    // `schemars` writes an optional struct as a choice between the struct and null.
    if let Some(Value::Object(some)) = form.get("anyOf").map(|choices| choices[0].clone()) {
        form.as_object_mut().into_iter().for_each(|form| drop(form.remove("anyOf")));
        form.as_object_mut().into_iter().for_each(|form| form.extend(some.clone()));
    }
    let defaults = |name: &Value| name.as_str().is_some_and(|name| !form["properties"][name]["default"].is_null());
    let required: Option<Vec<Value>> =
        form["required"].as_array().map(|names| names.iter().filter(|name| !defaults(name)).cloned().collect());
    if let Some(required) = required {
        form["required"] = required.into();
    }
    // A struct of the plan may be part of a form. It need not have `deny_unknown_fields`, but in a file an unknown key
    // is a mistake.
    if form["properties"].is_object() && form.get("additionalProperties").is_none() {
        form["additionalProperties"] = false.into();
    }
    match form {
        Value::Object(form) => form.values_mut().for_each(tidy),
        Value::Array(forms) => forms.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Returns the schema of weights by operation, of which at least one must be above 0.
pub fn weights(operations: &[&str]) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "enum": operations },
        "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 1_000 },
        "x-positive": true,
    })
}

/// Returns the schema of thresholds by operation, such as `all = ["p99<500ms"]`.
pub fn thresholds(operations: &[&str]) -> Schema {
    let names: Vec<&str> = std::iter::once("all").chain(operations.iter().copied()).collect();
    json_schema!({
        "type": "object",
        "default": {},
        "propertyNames": { "enum": names },
        "additionalProperties": { "type": "array", "items": { "type": "string", "format": "bound" } },
    })
}
