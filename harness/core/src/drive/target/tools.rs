//! The tools of a server, as its `tools/list` describes them.

use serde_json::Value;

/// Maximum number of characters of a text of the server that is printed.
const MAX_SHOWN: usize = 200;

/// A tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    /// First line of the description; empty if it has none.
    pub about: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
    /// True if the tool says that it changes nothing (`readOnlyHint`).
    pub is_read_only: bool,
}

impl Tool {
    /// Reads one tool of the list; `None` if it has no name, so that no client can call it.
    pub fn read(listed: &Value) -> Option<Self> {
        let name = listed["name"].as_str()?.to_owned();
        let about = listed["description"].as_str().and_then(|text| text.trim().lines().next()).unwrap_or_default();
        let is_read_only = listed["annotations"]["readOnlyHint"] == true;
        Some(Self { name, about: shown(about), input_schema: listed["inputSchema"].clone(), is_read_only })
    }
}

/// Returns a text of the server as it may be printed: short, and without control characters, which could change what the terminal shows.
pub fn shown(text: &str) -> String {
    let mut plain = text.chars().filter(|letter| !letter.is_control());
    let mut shown: String = plain.by_ref().take(MAX_SHOWN).collect();
    if plain.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Tool, shown};
    use serde_json::json;

    #[test]
    fn a_tool_has_its_name_its_first_line_and_its_schema() {
        let mut listed =
            json!({ "name": "add", "description": "\n Adds.\nSlowly.", "inputSchema": { "type": "object" } });
        let input_schema = json!({ "type": "object" });
        let expected = Tool { name: "add".to_owned(), about: "Adds.".to_owned(), input_schema, is_read_only: false };
        assert_eq!(Tool::read(&listed), Some(expected));
        listed["annotations"] = json!({ "readOnlyHint": true });
        assert!(Tool::read(&listed).is_some_and(|tool| tool.is_read_only));
        assert_eq!(Tool::read(&json!({ "description": "no name" })), None);
        let coloured = Tool::read(&json!({ "name": "a", "description": "\u{1b}[31mred\u{9b}0m" })).unwrap();
        assert_eq!(coloured.about, "[31mred0m");
        assert_eq!(shown(&"x".repeat(201)), format!("{}…", "x".repeat(200)));
        assert_eq!(shown(&"x".repeat(200)), "x".repeat(200));
    }
}
