//! Places in a call: JSON pointers (RFC 6901) into a document with two fields, `arguments` and `reply`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A place in the arguments or in the reply of a call, such as `/arguments/name` or `/reply/entities/0/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    in_reply: bool,
    /// The pointer below `arguments` or `reply`.
    rest: String,
}

const ARGUMENTS: &str = "/arguments";
const REPLY: &str = "/reply";

/// How a pointer is written, for messages.
pub(super) const POINTER_TEXT: &str =
    "a JSON pointer that begins with `/arguments` or `/reply`, such as `/arguments/key` or `/reply/items/0/text`";

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let below = |root: &str| {
            let rest = text.strip_prefix(root)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        match (below(ARGUMENTS), below(REPLY)) {
            (Some(rest), _) => Ok(Self { in_reply: false, rest }),
            (None, Some(rest)) => Ok(Self { in_reply: true, rest }),
            (None, None) => Err(format!("`{text}` is not {POINTER_TEXT}")),
        }
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.to_string()
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.in_reply { REPLY } else { ARGUMENTS }, self.rest)
    }
}

impl Pointer {
    /// Returns true if the place is in the reply.
    pub const fn is_in_reply(&self) -> bool {
        self.in_reply
    }

    /// Returns the value at this place; `None` if there is none, or if it is null.
    pub fn find<'v>(&self, arguments: &'v Value, reply: &'v Value) -> Option<&'v Value> {
        let document = if self.in_reply { reply } else { arguments };
        document.pointer(&self.rest).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::Pointer;
    use serde_json::json;

    fn pointer(text: &str) -> Result<Pointer, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_pointer_finds_a_value_in_the_arguments_or_in_the_reply() {
        let (arguments, reply) = (json!({ "a": [1, { "b/c": "x" }], "n": null }), json!("text"));
        for (text, expected) in [
            ("/arguments/a/0", Some(json!(1))),
            ("/arguments/a/1/b~1c", Some(json!("x"))),
            ("/arguments/n", None),
            ("/arguments/a/7", None),
            ("/reply", Some(json!("text"))),
            ("/reply/a", None),
        ] {
            assert_eq!(pointer(text).unwrap().find(&arguments, &reply), expected.as_ref(), "{text}");
            assert_eq!(pointer(text).unwrap().to_string(), text);
        }
        for text in ["", "/", "a", "/argumentsx", "/structuredContent/ok", "arguments/a"] {
            assert!(pointer(text).unwrap_err().contains("`/arguments` or `/reply`"), "{text}");
        }
    }
}
