//! Arguments as clients and models send them: `null` for an omitted one, numbers and lists as text. What is unambiguous is accepted; everything
//! else is refused with the name of the argument. Nothing that was sent disappears without a word.

use crate::data::did_you_mean;
use mcp_contracts::{ErrorCode, ToolError};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest part of a value that an error repeats, in characters.
const SHOWN_CHARS: usize = 40;

type Object = Map<String, Value>;

/// The arguments of one tool.
pub(super) struct Arguments {
    tool: &'static str,
    schema: Arc<Object>,
    /// True if the type itself refuses unknown names.
    strict: bool,
}

impl Arguments {
    pub(super) fn new(tool: &'static str, schema: Arc<Object>, strict: bool) -> Self {
        Self { tool, schema, strict }
    }

    /// Turns the arguments of a call into the request of the tool.
    pub(super) fn parse<Request: DeserializeOwned>(&self, arguments: &RawValue) -> Result<Request, ToolError> {
        // The usual case first: what fits the type as it is needs no second look.
        if (self.strict || self.has_only_known_names(arguments))
            && let Ok(request) = serde_json::from_str(arguments.get())
        {
            return Ok(request);
        }
        let mut value = serde_json::from_str(arguments.get()).map_err(|error| self.refused(&text_of(&error)))?;
        adapt(&self.schema, &mut value, "").map_err(|problem| self.refused(&problem))?;
        serde_json::from_value(value).map_err(|error| self.refused(&text_of(&error)))
    }

    fn has_only_known_names(&self, arguments: &RawValue) -> bool {
        let sent = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(arguments.get());
        let known = |name: &Cow<'_, str>| properties(&self.schema).is_some_and(|known| known.contains_key(&**name));
        sent.is_ok_and(|sent| sent.iter().all(|(name, value)| known(name) && value.get() != "null"))
    }

    fn refused(&self, problem: &str) -> ToolError {
        ToolError::new(ErrorCode::InvalidArgument, format!("invalid arguments of `{}`: {problem}", self.tool))
    }
}

/// Returns the message without its place in the text, which the author of the call does not see.
fn text_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned()
}

fn properties(schema: &Object) -> Option<&Object> {
    schema.get("properties").and_then(Value::as_object)
}

/// Changes `value` to what `schema` expects, if that is unambiguous. `path` names it in errors.
fn adapt(schema: &Object, value: &mut Value, path: &str) -> Result<(), String> {
    let Some(expected) = schema.get("type").and_then(Value::as_str) else { return choice(schema, value, path) };
    if let Some(read) = read_text(expected, value) {
        *value = read;
    }
    match (expected, &mut *value) {
        ("object", Value::Object(fields)) => adapt_object(schema, fields, path),
        ("array", Value::Array(items)) => {
            let Some(item) = schema.get("items").and_then(Value::as_object) else { return Ok(()) };
            items.iter_mut().enumerate().try_for_each(|(at, value)| adapt(item, value, &format!("{path}[{at}]")))
        }
        ("string", Value::String(_)) => choice(schema, value, path),
        ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => Ok(()),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
        ("object" | "array" | "string" | "boolean" | "number" | "integer", other) => {
            Err(format!("{} is {}; it must be {}", named(path), described(other), example(expected)))
        }
        _ => Ok(()),
    }
}

fn adapt_object(schema: &Object, fields: &mut Object, path: &str) -> Result<(), String> {
    let Some(known) = properties(schema) else {
        // A map with free names, such as the variables of a pattern.
        let Some(item) = schema.get("additionalProperties").and_then(Value::as_object) else { return Ok(()) };
        return fields.iter_mut().try_for_each(|(name, value)| {
            // The caller chose the name, so that it may be as long as the body.
            let name: String = name.chars().take(SHOWN_CHARS).collect();
            adapt(item, value, &joined(path, &name))
        });
    };
    let required = |name: &str| {
        schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|one| one == name))
    };
    // `null` stands for an omitted argument: models fill in every argument of the schema.
    fields.retain(|name, value| !(value.is_null() && known.contains_key(name) && !required(name)));
    for (name, value) in fields.iter_mut() {
        let Some(schema) = known.get(name).and_then(Value::as_object) else {
            let name: String = name.chars().take(SHOWN_CHARS).collect();
            let near = did_you_mean(&name, known.keys().map(String::as_str));
            let all: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
            let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            return Err(format!("there is no argument `{}`{near}; the arguments are {all}", joined(path, &name)));
        };
        adapt(schema, value, &joined(path, name))?;
    }
    match known.keys().find(|name| required(name) && !fields.contains_key(*name)) {
        Some(missing) => Err(format!("{} is missing", named(&joined(path, missing)))),
        None => Ok(()),
    }
}

/// Reads a value that was sent as text.
fn read_text(expected: &str, value: &Value) -> Option<Value> {
    if let (Value::Number(number), "integer") = (value, expected) {
        let float = number.as_f64().filter(|_| number.is_f64())?;
        // Whole numbers up to 2^53 have one float each.
        return (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then(|| (float as i64).into());
    }
    let text = value.as_str()?.trim();
    let read: Value = match expected {
        "object" | "array" | "integer" | "number" | "boolean" => serde_json::from_str(text).ok()?,
        _ => return None,
    };
    let fits = match expected {
        "object" => read.is_object(),
        "array" => read.is_array(),
        "integer" => read.is_i64() || read.is_u64(),
        "number" => read.is_number(),
        _ => read.is_boolean(),
    };
    fits.then_some(read)
}

/// Checks that a value is one of the choices of an enumeration.
fn choice(schema: &Object, value: &Value, path: &str) -> Result<(), String> {
    let Some(Value::Array(choices)) = schema.get("enum") else { return Ok(()) };
    let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
    if choices.is_empty() || value.as_str().is_some_and(|text| choices.contains(&text)) {
        return Ok(());
    }
    let near = value.as_str().map(|text| did_you_mean(text, choices.iter().copied())).unwrap_or_default();
    let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    Err(format!("{} is {}; it must be one of {}{near}", named(path), described(value), choices.join(", ")))
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn named(path: &str) -> String {
    if path.is_empty() { "the value".to_owned() } else { format!("`{path}`") }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) => {
            let shown: String = text.chars().take(SHOWN_CHARS).collect();
            let rest = if shown.len() < text.len() { "…" } else { "" };
            format!("the text `{}{rest}`", shown.escape_debug())
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn example(expected: &str) -> &'static str {
    match expected {
        "object" => "an object, such as `{\"key\": \"value\"}`",
        "array" => "a list, such as `[\"one\", \"two\"]`",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number, such as `5`",
        "number" => "a number, such as `0.5`",
        _ => "text, such as `\"some words\"`",
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::schema::{input_schema, is_strict};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        #[default]
        Newest,
        /// The oldest first.
        Oldest,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Filter {
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        order: Order,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Search {
        query: String,
        #[serde(flatten)]
        filter: Filter,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        dry: bool,
        #[serde(default)]
        data: Map<String, Value>,
        #[serde(default)]
        names: BTreeMap<String, String>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(default)]
        searches: Vec<Inner>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        text: String,
        #[serde(default)]
        weight: Option<f64>,
    }

    fn parse<T: DeserializeOwned + JsonSchema>(arguments: &Value) -> Result<T, String> {
        let arguments = serde_json::value::to_raw_value(arguments).unwrap();
        let parsed = Arguments::new("find", Arc::new(input_schema::<T>()), is_strict::<T>()).parse(&arguments);
        parsed.map_err(|error| error.message)
    }

    #[test]
    fn null_is_omitted_and_text_is_read_where_it_is_unambiguous() {
        let plain = parse::<Search>(&json!({ "query": "a" })).unwrap();
        for arguments in [
            json!({ "query": "a", "tags": null, "limit": null, "dry": null, "data": null, "names": null }),
            json!({ "query": "a", "tags": "[]", "dry": "false", "data": "{}" }),
        ] {
            assert_eq!(parse::<Search>(&arguments).as_ref(), Ok(&plain), "{arguments}");
        }
        let full = json!({ "query": "5", "tags": ["a"], "limit": 5, "dry": true, "data": { "x": null }, "names": { "a": "b" } });
        let sent = json!({ "query": "5", "tags": "[\"a\"]", "limit": "5", "dry": "true", "data": "{\"x\":null}", "names": "{\"a\":\"b\"}" });
        assert_eq!(parse::<Search>(&sent), parse::<Search>(&full));
        assert_eq!(parse::<Search>(&json!({ "query": "a", "limit": 5.0 })).unwrap().limit, Some(5));
        assert_eq!(
            parse::<Strict>(&json!({ "searches": [{ "text": "a", "weight": "0.5" }] })).unwrap().searches[0].weight,
            Some(0.5)
        );
        // Text stays text, whatever it looks like.
        assert_eq!(parse::<Search>(&json!({ "query": "[1]", "limit": null })).unwrap().query, "[1]");
    }

    #[test]
    fn everything_else_is_refused_with_the_name_of_the_argument() {
        for (arguments, expected) in [
            (
                json!({ "query": "a", "tag": ["x"] }),
                "there is no argument `tag`; did you mean `tags`?; the arguments are",
            ),
            (json!({ "query": "a", "colour": 1 }), "there is no argument `colour`; the arguments are"),
            (json!({ "query": "a", "colour": null }), "there is no argument `colour`"),
            (json!({ "limit": 1 }), "`query` is missing"),
            (json!({ "query": null, "limit": 1 }), "`query` is null; it must be text"),
            (json!({ "query": 5 }), "`query` is `5`; it must be text"),
            (
                json!({ "query": "a", "limit": "five" }),
                "`limit` is the text `five`; it must be a whole number, such as `5`",
            ),
            (json!({ "query": "a", "limit": 5.5 }), "`limit` is `5.5`"),
            (json!({ "query": "a", "dry": "yes" }), "`dry` is the text `yes`; it must be `true` or `false`"),
            (json!({ "query": "a", "tags": "x,y" }), "`tags` is the text `x,y`; it must be a list"),
            (json!({ "query": "a", "tags": [1] }), "`tags[0]` is `1`; it must be text"),
            (
                json!({ "query": "a", "order": "oldst" }),
                "`order` is the text `oldst`; it must be one of `newest`, `oldest`; did you mean `oldest`?",
            ),
            (json!({ "query": "a", "names": { "x": 1 } }), "`names.x` is `1`; it must be text"),
        ] {
            let error = parse::<Search>(&arguments).unwrap_err();
            assert!(error.contains(expected) && !error.contains(" column "), "{arguments}: {error}");
        }
        let nested = parse::<Strict>(&json!({ "searches": [{ "text": "a" }, { "txt": "b" }] })).unwrap_err();
        assert!(nested.contains("there is no argument `searches[1].txt`; did you mean `text`?"), "{nested}");
        let negative = parse::<Search>(&json!({ "query": "a", "limit": -1 })).unwrap_err();
        assert!(!negative.contains(" column "), "{negative}");
    }
}
