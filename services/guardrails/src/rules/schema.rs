//! The JSON Schema of rule files, for editors and other programs.

use super::model::RuleFile;

/// Returns the schema as text.
pub fn text() -> String {
    let mut schema = schemars::schema_for!(RuleFile);
    schema.insert("title".to_owned(), "Rules of the guardrails service".into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema can be serialized");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{baseline, read, read_condition};
    use mcp_kit::data::yaml::{self, Node};
    use serde_json::{Value, json};

    /// Converts a file to JSON, as other programs read it.
    fn json(node: &Node) -> Value {
        match &node.value {
            yaml::Value::Empty => Value::Null,
            yaml::Value::Text { text, plain: true } => serde_json::from_str(text)
                .ok()
                .filter(|value: &Value| !value.is_string())
                .unwrap_or_else(|| json!(text)),
            yaml::Value::Text { text, plain: false } => json!(text),
            yaml::Value::List(items) => items.iter().map(json).collect(),
            yaml::Value::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect())
            }
        }
    }

    fn validator() -> jsonschema::Validator {
        jsonschema::validator_for(&serde_json::from_str(&text()).unwrap()).unwrap()
    }

    #[test]
    fn the_built_in_files_match_the_schema() {
        let validator = validator();
        for source in baseline::sources() {
            let document = json(&yaml::parse(&source.text).unwrap());
            let problems: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert_eq!(problems, Vec::<String>::new(), "{}", source.name);
        }
    }

    #[test]
    fn the_schema_refuses_what_the_service_refuses() {
        let validator = validator();
        let with = |key: &str, value: Value| {
            let mut rule = json!({ "id": "AB-001", "title": "t", "severity": "low", "when": { "regex": "x" }, "message": "m",
                "remediation": "r", "tests": { "trips": ["a"], "passes": [{ "text": "b", "files": ["c"] }] } });
            rule[key] = value;
            json!({ "category": "testing", "rules": [rule] })
        };
        assert!(validator.is_valid(&with("plan", json!("team"))));
        let wrong = [
            ("severty", json!("low")),
            ("id", json!("a")),
            ("severity", json!("severe")),
            ("when", json!({ "actions": ["cook"] })),
            ("when", json!({ "any": [{ "regexp": "x" }] })),
            ("tests", json!({ "trips": ["a"], "passes": [] })),
            ("tests", json!({ "trips": ["a"] })),
        ];
        for (key, value) in wrong {
            assert!(!validator.is_valid(&with(key, value.clone())), "{key}: {value}");
        }
    }

    #[test]
    fn the_schema_and_the_reader_have_the_same_fields() {
        let schema: Value = serde_json::from_str(&text()).unwrap();
        let fields = |at: &str| {
            let properties = if at.is_empty() { &schema["properties"] } else { &schema["$defs"][at]["properties"] };
            properties.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<String>>()
        };
        let expected = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(fields(""), expected(&read::FILE_FIELDS));
        assert_eq!(fields("Rule"), expected(&read::RULE_FIELDS));
        assert_eq!(fields("Case"), expected(&read::CASE_FIELDS));
        assert_eq!(fields("Condition"), expected(&read_condition::FIELDS));
        assert_eq!(fields("Size"), expected(&read_condition::SIZE_FIELDS));
    }
}
