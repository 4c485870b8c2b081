//! Arguments for a tool, made from its input schema: valid ones, ones that are nearly valid, and hostile ones. A seed decides every choice.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

/// Levels of a schema that are followed. A schema may refer to itself.
const DEPTH: usize = 6;
/// Entries of a list.
const ENTRIES: usize = 3;
const WORDS: [&str; 8] = ["release", "notes", "of", "the", "ledger", "checkout", "was", "slow"];
/// Texts that break careless programs.
pub(crate) const HOSTILE: [&str; 16] = [
    "",
    " ",
    "\u{0}",
    "\r\n\r\nHTTP/1.1 200 OK",
    "\u{1b}[2J\u{9b}0m",
    "' OR 1=1 --",
    "\"}],\"result\":{}}",
    "../../../../etc/passwd",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "%s%n%x",
    "\u{202e}\u{feff}\u{e0041}",
    "\u{fdfa}\u{1f468}\u{200d}\u{1f469}",
    "<script>alert(1)</script>",
    "-1",
    "__proto__",
];

/// How far the arguments are from the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distance {
    /// Only what is required, at every level, and one entry in each list. Random text in an optional time or cursor may be refused although the schema
    /// allows it, and so may an empty list.
    Plain,
    Valid,
    /// One thing is wrong.
    Near,
    /// Every text and number is hostile.
    Hostile,
}

pub(crate) struct Shapes<'s> {
    /// The whole schema, which references are resolved in.
    root: &'s Value,
    random: ChaCha8Rng,
    distance: Distance,
}

impl<'s> Shapes<'s> {
    pub(crate) fn new(schema: &'s Value, seed: u64) -> Self {
        Self { root: schema, random: ChaCha8Rng::seed_from_u64(seed), distance: Distance::Valid }
    }

    /// Returns the next arguments.
    pub(crate) fn next(&mut self, distance: Distance) -> Value {
        self.distance = distance;
        let mut value = self.value(self.root, DEPTH);
        if distance == Distance::Near {
            self.spoil(&mut value);
        }
        value
    }

    fn choose<'v, T>(&mut self, values: &'v [T]) -> Option<&'v T> {
        (!values.is_empty()).then(|| &values[self.random.random_range(0..values.len())])
    }

    fn value(&mut self, schema: &'s Value, depth: usize) -> Value {
        let schema = resolved(self.root, schema);
        if depth == 0 {
            return Value::Null;
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.choose(values).cloned().unwrap_or_default();
        }
        for name in ["anyOf", "oneOf", "allOf"] {
            // A member that may be null is omitted instead.
            let options: Vec<&Value> =
                schema[name].as_array().into_iter().flatten().filter(|option| option["type"] != "null").collect();
            if let Some(option) = self.choose(&options).copied() {
                return self.value(option, depth - 1);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "integer" => self.integer(schema),
            "number" => json!(self.random.random_range(0..1_000) as f64 / 8.0),
            "boolean" => json!(self.random.random_bool(0.5)),
            _ => self.text(schema),
        }
    }

    fn object(&mut self, schema: &'s Value, depth: usize) -> Value {
        let is_required =
            |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name));
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if is_required(name) || (self.distance != Distance::Plain && self.random.random_bool(0.4)) {
                object.insert(name.clone(), self.value(field, depth - 1));
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &'s Value, depth: usize) -> Value {
        let least = schema["minItems"].as_u64().map_or(0, |least| least as usize);
        let most = schema["maxItems"].as_u64().map_or(ENTRIES, |most| ENTRIES.min(most as usize));
        let count = match self.distance {
            Distance::Plain => least.max(most.min(1)),
            Distance::Valid | Distance::Near | Distance::Hostile => self.random.random_range(least..=least.max(most)),
        };
        (0..count).map(|_| self.value(&schema["items"], depth - 1)).collect()
    }

    fn integer(&mut self, schema: &Value) -> Value {
        if self.distance == Distance::Hostile {
            let hostile = [json!(-1), json!(0), json!(i64::MIN), json!(u64::MAX), json!(1e300), json!(0.5)];
            return self.choose(&hostile).cloned().unwrap_or_default();
        }
        let highest = schema["maximum"].as_i64();
        let least = schema["minimum"].as_i64().unwrap_or_else(|| highest.unwrap_or(1).min(1));
        let most = highest.unwrap_or(least.saturating_add(9)).max(least);
        json!(self.random.random_range(least..=most))
    }

    fn text(&mut self, schema: &Value) -> Value {
        if self.distance == Distance::Hostile {
            let text = self.choose(&HOSTILE).copied().unwrap_or_default();
            let times = if self.random.random_bool(0.2) { 200 } else { 1 };
            return json!(text.repeat(times));
        }
        let count = self.random.random_range(1..=4);
        let words: Vec<&str> = (0..count).filter_map(|_| self.choose(&WORDS).copied()).collect();
        let mut text = words.join(" ");
        if let Some(least) = schema["minLength"].as_u64() {
            while (text.len() as u64) < least {
                text.push_str(" release");
            }
        }
        if let Some(most) = schema["maxLength"].as_u64() {
            text = text.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
        }
        json!(text)
    }

    /// Makes one thing wrong: a member is missing, unknown, null, or of another type.
    fn spoil(&mut self, value: &mut Value) {
        let Some(object) = value.as_object_mut() else { return };
        let names: Vec<String> = object.keys().cloned().collect();
        let name = self.choose(&names).cloned().unwrap_or_else(|| "unknown".to_owned());
        // Without a member there is none to remove, and the value would stay valid.
        let first = if names.is_empty() { 1 } else { 0 };
        match self.random.random_range(first..6) {
            0 => drop(object.remove(&name)),
            1 => drop(object.insert("no such argument".to_owned(), json!(1))),
            2 => drop(object.insert(name, Value::Null)),
            3 => drop(object.insert(name, json!([[], {}, "a"]))),
            4 => drop(object.insert(name, json!({ "a": { "$ref": "#/" } }))),
            _ => drop(object.insert(name, json!(-7))),
        }
    }
}

/// Returns the type of a schema; of several the first that is not null.
fn kind(schema: &Value) -> &str {
    let named = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    };
    named.unwrap_or(if schema["properties"].is_object() { "object" } else { "string" })
}

/// Follows a reference inside the schema.
fn resolved<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    let target = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::{Distance, Shapes};
    use serde_json::{Value, json};

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["text", "kind"], "additionalProperties": false,
            "properties": {
                "text": { "type": "string", "minLength": 20 },
                "kind": { "$ref": "#/$defs/kind" },
                "limit": { "type": ["integer", "null"], "minimum": 1, "maximum": 5 },
                "tags": { "type": "array", "maxItems": 1, "items": { "type": "string", "maxLength": 3 } },
                "offset": { "type": "integer", "maximum": 0 },
            },
            "$defs": { "kind": { "enum": ["a", "b"] } },
        })
    }

    #[test]
    fn valid_arguments_fit_the_schema_and_others_do_not_always() {
        let (schema, mut refused) = (schema(), 0);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut shapes = Shapes::new(&schema, 7);
        for _ in 0..100 {
            let valid = shapes.next(Distance::Valid);
            assert!(validator.is_valid(&valid), "{valid}");
            refused += usize::from(!validator.is_valid(&shapes.next(Distance::Near)));
            refused += usize::from(!validator.is_valid(&shapes.next(Distance::Hostile)));
        }
        assert!(refused > 50, "{refused}");
    }

    #[test]
    fn plain_arguments_have_only_what_is_required_at_every_level() {
        let schema = json!({
            "type": "object", "required": ["rows"],
            "properties": {
                "rows": { "type": "array", "items": { "$ref": "#/$defs/row" } },
                "nextCursor": { "type": "string" },
            },
            "$defs": { "row": {
                "type": "object", "required": ["text"],
                "properties": { "text": { "enum": ["a"] }, "createdAt": { "type": "string" } },
            } },
        });
        for seed in 0..50 {
            let plain = Shapes::new(&schema, seed).next(Distance::Plain);
            assert_eq!(plain, json!({ "rows": [{ "text": "a" }] }), "seed {seed}");
        }
    }

    #[test]
    fn a_seed_repeats_the_arguments() {
        let schema = schema();
        let make = |seed| {
            let mut shapes = Shapes::new(&schema, seed);
            (0..20).map(|_| shapes.next(Distance::Hostile)).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }
}
