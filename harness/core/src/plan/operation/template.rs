//! Templates of arguments: JSON values whose texts have placeholders such as `{{word}}`. A template knows what it needs, and not where the values
//! come from.

use super::pointer::Pointer;
use crate::plan::data_file::nearest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a call fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placeholder {
    Word,
    Words,
    Uuid,
    Number,
    User,
    Organisation,
    Key,
    KnownKey,
    SharedKey,
    ForeignKey,
    Content,
}

/// Every placeholder: its name, and what it stands for.
pub const PLACEHOLDERS: &[(&str, Placeholder, &str)] = &[
    ("word", Placeholder::Word, "a word of the built-in texts"),
    ("words", Placeholder::Words, "one or two words of the same sentence, as in a search"),
    ("uuid", Placeholder::Uuid, "a new UUID, which may be the key of a record"),
    ("number", Placeholder::Number, "a whole number from 0 to 999,999"),
    ("user", Placeholder::User, "the name of the user that calls"),
    ("organisation", Placeholder::Organisation, "the name of its organisation; each token stands for one"),
    ("key", Placeholder::Key, "a new key of a record"),
    ("known_key", Placeholder::KnownKey, "the key of a record that this user wrote and that was acknowledged"),
    ("shared_key", Placeholder::SharedKey, "the key of a record that another user of the same token wrote"),
    ("foreign_key", Placeholder::ForeignKey, "the key of a record that was written with another token"),
    ("content", Placeholder::Content, "a sentence with a mark that names its writer"),
];

impl Placeholder {
    fn named(name: &str) -> Option<Self> {
        PLACEHOLDERS.iter().find(|(known, ..)| *known == name).map(|(_, placeholder, _)| *placeholder)
    }

    /// Returns true if no record has this key before the call.
    pub const fn is_new_key(self) -> bool {
        matches!(self, Self::Key | Self::Uuid)
    }

    /// Returns true if it stands for the key of a record that exists.
    pub const fn is_known_key(self) -> bool {
        matches!(self, Self::KnownKey | Self::SharedKey | Self::ForeignKey)
    }
}

/// Part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

/// A JSON value with placeholders in its texts. A text that is one placeholder and nothing else becomes its value, which may be a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Template {
    source: Value,
    node: Node,
}

/// A value of a template, with its texts in pieces.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// A value without placeholders.
    Fixed(Value),
    Text(Vec<Piece>),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl TryFrom<Value> for Template {
    type Error = String;

    fn try_from(source: Value) -> Result<Self, String> {
        if !source.is_object() {
            return Err(format!("arguments are a JSON object such as `{{\"q\":\"{{{{word}}}}\"}}`, not `{source}`"));
        }
        let node = Node::parse(&source)?;
        Ok(Self { source, node })
    }
}

impl From<Template> for Value {
    fn from(template: Template) -> Self {
        template.source
    }
}

impl Template {
    /// Returns the arguments, with a value from `fill` for each placeholder, in the order of the names of the fields.
    pub fn render(&self, fill: &mut impl FnMut(Placeholder) -> Value) -> Value {
        self.node.render(fill)
    }

    /// Returns the template as it was written.
    pub const fn source(&self) -> &Value {
        &self.source
    }

    /// Returns true if the arguments have a value at this place.
    pub fn has(&self, place: &Pointer) -> bool {
        place.find(&self.source, &Value::Null).is_some()
    }

    /// Returns the placeholders of all texts, in order.
    pub fn placeholders(&self) -> Vec<Placeholder> {
        let mut placeholders = Vec::new();
        self.node.collect(&mut placeholders);
        placeholders
    }

    /// Returns the placeholders of the text at a place in the arguments; none for another value.
    pub fn placeholders_at(&self, place: &Pointer) -> Vec<Placeholder> {
        self.pieces_at(place).iter().filter_map(Piece::placeholder).collect()
    }

    /// Returns the placeholder that is the whole text at a place in the arguments.
    pub fn only_placeholder_at(&self, place: &Pointer) -> Option<Placeholder> {
        match self.pieces_at(place).as_slice() {
            [piece] => piece.placeholder(),
            _ => None,
        }
    }

    fn pieces_at(&self, place: &Pointer) -> Vec<Piece> {
        let found = place.find(&self.source, &Value::Null).and_then(Value::as_str);
        // It was parsed without an error as part of the template.
        found.and_then(|text| pieces(text).ok()).unwrap_or_default()
    }
}

impl Piece {
    const fn placeholder(&self) -> Option<Placeholder> {
        match self {
            Self::Placeholder(placeholder) => Some(*placeholder),
            Self::Text(_) => None,
        }
    }
}

impl Node {
    fn parse(value: &Value) -> Result<Self, String> {
        let node = match value {
            Value::String(text) => Self::Text(pieces(text)?),
            Value::Array(items) => Self::List(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| Ok((name.clone(), Self::parse(value)?));
                Self::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
            }
            fixed => Self::Fixed(fixed.clone()),
        };
        Ok(node)
    }

    fn render(&self, fill: &mut impl FnMut(Placeholder) -> Value) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(pieces) => text(pieces, fill),
            Self::List(items) => items.iter().map(|item| item.render(fill)).collect(),
            Self::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value.render(fill))).collect(),
        }
    }

    fn collect(&self, placeholders: &mut Vec<Placeholder>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(pieces) => placeholders.extend(pieces.iter().filter_map(Piece::placeholder)),
            Self::List(items) => items.iter().for_each(|item| item.collect(placeholders)),
            Self::Object(fields) => fields.iter().for_each(|(_, value)| value.collect(placeholders)),
        }
    }
}

fn text(pieces: &[Piece], fill: &mut impl FnMut(Placeholder) -> Value) -> Value {
    if let [Piece::Placeholder(only)] = pieces {
        return fill(*only);
    }
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(fixed) => text.push_str(fixed),
            Piece::Placeholder(placeholder) => match fill(*placeholder) {
                Value::String(value) => text.push_str(&value),
                other => text.push_str(&other.to_string()),
            },
        }
    }
    Value::String(text)
}

/// Splits a text at its placeholders.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").ok_or_else(|| format!("`{text}` has `{{{{` without `}}}}`"))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Placeholder(Placeholder::named(name.trim()).ok_or_else(|| unknown(name.trim()))?));
        rest = behind;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn unknown(name: &str) -> String {
    let known = || PLACEHOLDERS.iter().map(|(name, ..)| *name);
    let near = nearest(name, known()).map(|near| format!("; did you mean `{{{{{near}}}}}`?")).unwrap_or_default();
    let all: Vec<String> = known().map(|name| format!("`{{{{{name}}}}}`")).collect();
    format!("there is no placeholder `{{{{{name}}}}}`{near} (known: {})", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Placeholder, Template};
    use serde_json::{Value, json};

    fn template(source: Value) -> Result<Template, String> {
        source.try_into()
    }

    #[test]
    fn placeholders_in_texts_of_any_depth_are_filled() {
        let source = json!({
            "q": "a {{word}} or {{ user }}", "n": "{{number}}", "m": "no. {{number}}", "x": [1, { "k": "{{key}}" }],
        });
        let template = template(source.clone()).unwrap();
        let rendered = template.render(&mut |placeholder| match placeholder {
            Placeholder::Number => json!(17),
            other => json!(format!("<{other:?}>")),
        });
        let expected = json!({ "q": "a <Word> or <User>", "n": 17, "m": "no. 17", "x": [1, { "k": "<Key>" }] });
        assert_eq!(rendered, expected);
        assert_eq!(serde_json::to_value(&template).unwrap(), source, "a plan has it as it was written");
    }

    #[test]
    fn a_placeholder_that_does_not_exist_is_reported_with_the_nearest_one() {
        let why = template(json!({ "q": "{{wrod}}" })).unwrap_err();
        assert!(why.contains("`{{wrod}}`; did you mean `{{word}}`?"), "{why}");
        assert!(template(json!({ "q": "{{word" })).unwrap_err().contains("without `}}`"));
        assert!(template(json!(["{{word}}"])).unwrap_err().contains("JSON object"));
        assert!(template(json!({ "q": "}} { {" })).is_ok());
    }

    #[test]
    fn the_placeholders_of_one_place_are_known() {
        let template = template(json!({ "a": "{{known_key}}", "b": "x{{key}}", "c": 3 })).unwrap();
        let at = |text: &str| text.to_owned().try_into().unwrap();
        assert_eq!(template.only_placeholder_at(&at("/arguments/a")), Some(Placeholder::KnownKey));
        assert_eq!(template.only_placeholder_at(&at("/arguments/b")), None);
        assert_eq!(template.placeholders_at(&at("/arguments/b")), [Placeholder::Key]);
        assert!(template.placeholders_at(&at("/arguments/c")).is_empty());
        assert!(template.placeholders_at(&at("/reply/a")).is_empty());
    }
}
