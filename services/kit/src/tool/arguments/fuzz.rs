//! Any arguments: what a type accepts as it is arrives unchanged, nothing that was sent disappears, and a refusal is short.

use super::*;
use crate::tool::schema::{input_schema, is_strict};
use fuzzing::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const TARGET: Target = Target::new("arguments", &["services/kit/src/tool/arguments.rs"]).with_words(&[
    "\"query\":\"a\",",
    "\"limit\":5,",
    "\"limit\":\"5\",",
    "\"limit\":5.0,",
    "\"tags\":[\"a\"],",
    "\"tags\":\"[]\",",
    "\"order\":\"oldest\",",
    "\"names\":{\"a\":\"b\"},",
    "\"inner\":{\"text\":\"a\"},",
    "\"weight\":\"0.5\",",
    "null",
    "\\ud800",
]);
/// Longest message of a refusal, in bytes: it names every argument, and repeats a little of the value.
const LONGEST_MESSAGE: usize = 600;

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Sorting {
    #[default]
    Newest,
    Oldest,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inner {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    order: Sorting,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(default)]
    dry: bool,
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default)]
    names: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner: Option<Inner>,
}

#[test]
fn arguments_arrive_as_they_were_sent_or_are_refused_in_few_words() {
    let arguments = Arguments::new("find", Arc::new(input_schema::<Search>()), is_strict::<Search>());
    let parse = |text: &str| {
        let raw: Box<RawValue> = serde_json::from_str(text).ok()?;
        Some(arguments.parse::<Search>(&raw).map_err(|error| error.message))
    };
    TARGET.run_text(|text| {
        let Some(parsed) = parse(text) else { return };
        if let Ok(plain) = serde_json::from_str::<Search>(text) {
            assert_eq!(parsed.as_ref(), Ok(&plain), "the type accepts it as it is");
        }
        match parsed {
            Ok(search) => {
                let again = parse(&serde_json::to_string(&search).expect("plain data")).expect("JSON");
                assert_eq!(again, Ok(search));
                let Ok(Value::Object(sent)) = serde_json::from_str(text) else { return };
                let unknown =
                    sent.keys().find(|name| !properties(&arguments.schema).is_some_and(|all| all.contains_key(*name)));
                assert_eq!(unknown, None, "it has no effect");
            }
            Err(message) => {
                assert!(message.starts_with("invalid arguments of `find`: "), "{message}");
                assert!(message.len() <= LONGEST_MESSAGE, "a message of {} bytes: {message}", message.len());
                assert!(!message.contains(" at line "), "{message}");
            }
        }
    });
}
