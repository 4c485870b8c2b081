//! The tables `[target]` and `[[operation]]` of a file: their schema, their values and their problems. Profiles of loads have them.

use super::bearer::BearerSource;
use super::data_file::Problem;
use super::data_file::form::{Length, Note};
use super::operation::{Expected, ListPlace, OperationData, Pointer, ReadPlace, Template, WritePlace};
use super::reach::{Reach, without_secrets};
use super::target::{PORT_MARK, Start, Target};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

/// A server of any maker, which the load calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Target")]
pub struct TargetForm {
    /// The MCP endpoint, such as `https://staging.example/mcp`. If the harness starts the server, `{{port}}` stands for its port.
    url: String,
    /// Where the bearer tokens come from. Users are spread over the tokens; each token stands for one organisation.
    #[schemars(extend("default" = []))]
    token: Vec<TokenForm>,
    /// File with the PEM certificates of the authorities that the server's certificate is checked against; by default those of the system.
    ca_file: Option<PathBuf>,
    /// Errors after which a call certainly had no effect, such as `http_503`, `quota` or the code of a tool; after any other it may have had one.
    #[schemars(extend("default" = []))]
    certain_failures: Vec<String>,
    /// How the harness starts the server; omitted if it runs already.
    start: Option<StartForm>,
}

/// Where a token comes from: exactly one of `env` and `file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Token")]
struct TokenForm {
    /// Name of an environment variable.
    env: Option<String>,
    /// A file, which is read again when it changes.
    file: Option<PathBuf>,
}

/// How the harness starts the server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Start")]
struct StartForm {
    /// Program and arguments; `{{port}}` stands for the port, `{{data}}` for a folder of the run.
    #[schemars(length(min = 1))]
    command: Vec<String>,
    /// Working directory.
    directory: Option<PathBuf>,
    /// Environment variables and their values.
    #[schemars(extend("default" = {}))]
    environment: BTreeMap<String, String>,
    /// Names of environment variables of the harness that are passed on.
    #[schemars(extend("default" = []))]
    pass: Vec<String>,
    /// Path that must answer with a status below 500, such as `/health`; by default the server is ready when it lists its tools.
    ready: Option<String>,
    /// Maximum time until the server is ready.
    #[schemars(extend("default" = "30s", "x-at-least" = "1s", "x-at-most" = "10m"))]
    deadline: Length,
}

/// A call that the load makes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Operation")]
pub struct OperationForm {
    /// Name in reports; by default that of the tool.
    name: Option<String>,
    /// The tool.
    tool: String,
    /// Arguments of the tool. Their texts may have placeholders such as `{{word}}`.
    #[schemars(schema_with = "open_table")]
    arguments: Map<String, Value>,
    /// How often the call is made, compared with the others; 0 if it only reads records back at the end.
    #[schemars(range(max = 1_000), extend("default" = 1))]
    weight: u32,
    /// What a reply must have: a list of JSON pointers, or a table of pointers and values.
    #[schemars(schema_with = "pointers")]
    expect: Option<Value>,
    /// The record that the call writes.
    writes: Option<WriteForm>,
    /// The record that the call reads.
    reads: Option<ReadForm>,
    /// The records that the call lists: all that the caller may see, without pages.
    lists: Option<ListForm>,
}

/// Where the call has the record that it writes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Writes")]
struct WriteForm {
    /// JSON pointer to its key, such as `/arguments/key` or `/reply/id`.
    key: String,
    /// JSON pointer to its value, such as `/arguments/text`.
    value: String,
}

/// Where the call has the record that it reads.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reads")]
struct ReadForm {
    /// JSON pointer to its key, such as `/arguments/key`.
    key: String,
    /// JSON pointer to its value, such as `/reply/text`.
    value: String,
    /// What says that there is no such record: parts of the texts of errors, statuses such as `http_404`, and codes such as `json_rpc_-32603`.
    #[schemars(extend("default" = []))]
    missing: Vec<String>,
    /// What a good reply has if there is no such record: the value in place of a record's, such as `""`; a JSON pointer that exists only then, such
    /// as `/reply/error`; a list of these; or a table of pointers and values.
    #[serde(default)]
    #[schemars(schema_with = "no_record")]
    no_record: Option<Value>,
}

/// Where the call has the records that it lists.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Lists")]
struct ListForm {
    /// JSON pointer to the list, such as `/reply/items`.
    items: String,
    /// JSON pointer from an item to its key, such as `/id`.
    key: String,
    /// JSON pointer from an item to its value, such as `/text`; omitted if the list has only keys.
    value: Option<String>,
}

fn open_table(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "default": {}, "additionalProperties": true })
}

// Without a type, because it is a list or a table.
fn pointers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "default": [], "examples": [["/reply/ok"], { "/reply/ok": true }] })
}

// Without a type, because it is any value.
fn no_record(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "examples": ["", "/reply/error", ["", "no note named {{known_key}}"], { "/reply/found": false }] })
}

/// Returns true if a file has a target. A text that is not TOML has none.
pub fn has_target(text: &str) -> bool {
    toml_edit::Document::parse(text).is_ok_and(|document| document.contains_key("target"))
}

impl TargetForm {
    /// A form for operations whose server is named elsewhere, such as on the command line.
    pub fn unknown() -> Self {
        Self { url: String::new(), token: Vec::new(), ca_file: None, certain_failures: Vec::new(), start: None }
    }

    /// Returns the target, as far as it can be read, and its problems.
    pub fn target(&self) -> (Target, Vec<Note>) {
        let (mut tokens, mut notes) = (Vec::new(), Vec::new());
        for (number, token) in self.token.iter().enumerate() {
            match (&token.env, &token.file) {
                (Some(name), None) => tokens.push(BearerSource::Variable(name.clone())),
                (None, Some(path)) => tokens.push(BearerSource::File(path.clone())),
                _ => {
                    notes.push(note(format!("target.token.{number}"), "it needs exactly one source", "`env` or `file`"))
                }
            }
        }
        if self.start.is_some() && !self.url.contains(PORT_MARK) {
            let url = without_secrets(&self.url);
            let what = format!("`{url}` has no place for the port of the server that the harness starts");
            notes.push(note("target.url", what, &format!("a URL such as `http://127.0.0.1:{PORT_MARK}/mcp`")));
        }
        let target = Target {
            url: self.url.clone(),
            tokens,
            ca_file: self.ca_file.clone(),
            // A file that names its own server must not allow it, because files are shared: the user does, by an option or in `harness.toml`.
            reach: Reach::default(),
            start: self.start.as_ref().map(StartForm::start),
        };
        (target, notes)
    }
}

impl StartForm {
    fn start(&self) -> Start {
        let set = self.environment.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
        let passed = self.pass.iter().map(|name| (name.clone(), None));
        Start {
            command: self.command.clone(),
            directory: self.directory.clone(),
            environment: set.chain(passed).collect(),
            ready: self.ready.clone(),
            deadline: self.deadline.0,
        }
    }
}

/// The operations of a file, their weights, and their problems.
pub type Operations = (Vec<OperationData>, BTreeMap<String, u32>, Vec<Note>);

/// Reads the operations, as far as they can be read. `place` returns the file and the line of a key.
pub fn operations(forms: &[OperationForm], target: &TargetForm, place: impl Fn(&str) -> String) -> Operations {
    let (mut operations, mut mix, mut notes) = (Vec::new(), BTreeMap::new(), Vec::new());
    let mut names = HashSet::new();
    for (number, form) in forms.iter().enumerate() {
        let at = |key: &str| format!("operation.{number}.{key}");
        let name = form.name.clone().unwrap_or_else(|| form.tool.clone());
        if !names.insert(name.clone()) {
            notes.push(note(at("name"), format!("two operations are called `{name}`"), "a `name` of its own for each"));
            continue;
        }
        match form.operation(&name, place(&at("tool"))) {
            Ok(operation) => {
                let operation = OperationData { certain_failures: target.certain_failures.clone(), ..operation };
                notes.extend(operation.problems().into_iter().map(|(key, what)| note(at(key), what, POINTERS)));
                mix.insert(name, form.weight);
                operations.push(operation);
            }
            Err((key, what)) => notes.push(note(at(key), what, POINTERS)),
        }
    }
    if !forms.is_empty() && !operations.is_empty() && mix.values().all(|weight| *weight == 0) {
        notes.push(note("operation", "no operation has a weight above 0", "a `weight` from 1 to 1000"));
    }
    (operations, mix, notes)
}

fn note(path: impl Into<String>, what: impl Into<String>, allowed: &str) -> Note {
    Note { path: path.into(), what: what.into(), allowed: allowed.to_owned() }
}

const POINTERS: &str = "docs/mcp/ANY_SERVER.md lists the placeholders and shows the pointers";

impl OperationForm {
    fn operation(&self, name: &str, place: String) -> Result<OperationData, (&'static str, String)> {
        let pointer = |key: &'static str, text: &str| Pointer::try_from(text.to_owned()).map_err(|why| (key, why));
        let writes = |form: &WriteForm| {
            Ok(WritePlace { key: pointer("writes", &form.key)?, value: pointer("writes", &form.value)? })
        };
        let reads = |form: &ReadForm| {
            let (key, value) = (pointer("reads", &form.key)?, pointer("reads", &form.value)?);
            let no_record = no_record_signs(form.no_record.as_ref(), &value).map_err(|why| ("reads", why))?;
            Ok(ReadPlace { key, value, missing: form.missing.clone(), no_record })
        };
        let lists = |form: &ListForm| {
            let items = pointer("lists", &form.items)?;
            Ok(ListPlace { items, key: form.key.clone(), value: form.value.clone() })
        };
        let arguments = Template::try_from(Value::Object(self.arguments.clone())).map_err(|why| ("arguments", why))?;
        Ok(OperationData {
            name: name.to_owned(),
            place,
            tool: self.tool.clone(),
            arguments,
            expect: expected(self.expect.as_ref()).map_err(|why| ("expect", why))?,
            writes: self.writes.as_ref().map(writes).transpose()?,
            reads: self.reads.as_ref().map(reads).transpose()?,
            lists: self.lists.as_ref().map(lists).transpose()?,
            certain_failures: Vec::new(),
        })
    }
}

fn expected(form: Option<&Value>) -> Result<Vec<Expected>, String> {
    let place = |text: &str, value| Ok(Expected { at: Pointer::try_from(text.to_owned())?, value });
    match form {
        None => Ok(Vec::new()),
        Some(Value::Array(places)) => {
            let place = |item: &Value| {
                item.as_str().map_or_else(|| Err(format!("`{item}` is not a text")), |text| place(text, None))
            };
            places.iter().map(place).collect()
        }
        Some(Value::Object(values)) => values.iter().map(|(text, value)| place(text, Some(value.clone()))).collect(),
        Some(other) => Err(format!("`{other}` is neither a list of pointers nor a table of pointers and values")),
    }
}

/// Reads what says that there is no record. A text that begins with `/reply` is a place that must exist; any other value is compared with the value of
/// the record at `value`.
fn no_record_signs(form: Option<&Value>, value: &Pointer) -> Result<Vec<Expected>, String> {
    let one = |sign: &Value| match sign.as_str().map(|text| Pointer::try_from(text.to_owned())) {
        Some(Ok(at)) => Expected { at, value: None },
        Some(Err(_)) | None => Expected { at: value.clone(), value: Some(sign.clone()) },
    };
    match form {
        None => Ok(Vec::new()),
        Some(Value::Array(signs)) if signs.is_empty() => {
            Err("`no_record` is an empty list, so nothing says that there is no record; write `[[]]` if the value is an empty list then".to_owned())
        }
        Some(Value::Array(signs)) => Ok(signs.iter().map(one).collect()),
        Some(Value::Object(values)) => {
            let place = |(text, value): (&String, &Value)| {
                Ok(Expected { at: Pointer::try_from(text.clone())?, value: Some(value.clone()) })
            };
            values.iter().map(place).collect()
        }
        Some(sign) => Ok(vec![one(sign)]),
    }
}

/// The operations of a command line, and their weights.
pub type Calls = (Vec<OperationData>, BTreeMap<String, u32>);

/// Reads the calls of a command line, such as `search {"q":"{{word}}"}:4`: the tool, its arguments, and its weight. Equal tools get numbers.
///
/// # Errors
/// Every call that cannot be read.
pub fn calls(texts: &[String]) -> Result<Calls, Vec<Problem>> {
    let (mut operations, mut mix, mut problems) = (IndexMap::new(), BTreeMap::new(), Vec::new());
    for (number, text) in texts.iter().enumerate() {
        match call(text) {
            Ok((tool, arguments, weight)) => {
                let numbered = |count: usize| if count == 1 { tool.clone() } else { format!("{tool}-{count}") };
                let name = (1..).map(numbered).find(|name| !operations.contains_key(name)).unwrap_or_default();
                let operation = OperationData {
                    name: name.clone(),
                    place: format!("--call {}", number + 1),
                    tool,
                    arguments,
                    expect: Vec::new(),
                    writes: None,
                    reads: None,
                    lists: None,
                    certain_failures: Vec::new(),
                };
                operations.insert(name.clone(), operation);
                mix.insert(name, weight);
            }
            Err(what) => problems.push(Problem {
                place: "command line".to_owned(),
                key: format!("--call {}", number + 1),
                what,
                allowed: CALL_TEXT.to_owned(),
            }),
        }
    }
    if problems.is_empty() { Ok((operations.into_values().collect(), mix)) } else { Err(problems) }
}

const CALL_TEXT: &str = "a tool, its arguments as JSON if it has any, and its weight if it is not 1: `search {\"q\":\"{{word}}\"}:4`, `ping`, `ping:2`";

fn call(text: &str) -> Result<(String, Template, u32), String> {
    let text = text.trim();
    let split =
        text.find(|letter: char| letter.is_whitespace() || letter == '{' || letter == ':').unwrap_or(text.len());
    let (tool, rest) = (&text[..split], text[split..].trim());
    if tool.is_empty() {
        return Err(format!("`{text}` does not begin with the name of a tool"));
    }
    let end = rest.rfind('}').map_or(0, |at| at + 1);
    let (arguments, weight) = (&rest[..end], rest[end..].trim());
    let weight = match weight.strip_prefix(':') {
        None if weight.is_empty() => 1,
        Some(number) => number
            .trim()
            .parse()
            .ok()
            .filter(|weight| (1..=1_000).contains(weight))
            .ok_or_else(|| format!("the weight `{}` is not a whole number from 1 to 1000", number.trim()))?,
        None => return Err(format!("`{weight}` after the arguments is not a weight such as `:4`")),
    };
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let value: Value = serde_json::from_str(arguments)
        .map_err(|error| format!("the arguments `{arguments}` are not JSON: {error}"))?;
    Ok((tool.to_owned(), Template::try_from(value)?, weight))
}

#[cfg(test)]
mod tests {
    use super::{OperationForm, TargetForm, calls, operations};
    use crate::plan::bearer::BearerSource;
    use crate::plan::data_file::form::read;
    use crate::plan::operation::OperationData;
    use crate::plan::target::Target;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct File {
        target: TargetForm,
        #[schemars(extend("default" = []))]
        operation: Vec<OperationForm>,
    }

    const GOOD: &str = "[target]\nurl = \"http://127.0.0.1:1/mcp\"\n[[target.token]]\nenv = \"A\"\n[[operation]]\ntool = \"put\"\n\
        arguments = { key = \"{{key}}\", deep = { list = [1, \"{{word}}\"] } }\n\
        expect = { \"/reply/ok\" = true }\nwrites = { key = \"/arguments/key\", value = \"/arguments/deep/list/1\" }\n";

    fn parsed(text: &str) -> (Target, Vec<OperationData>, Vec<String>) {
        let mut file = read::<File>("a.toml", text, &[]).unwrap_or_else(|error| panic!("{error:?}"));
        let (target, notes) = file.value.target.target();
        let (operations, _, more) = operations(&file.value.operation, &file.value.target, |path| file.place(path));
        file.note_all(notes.into_iter().chain(more));
        let (_, problems) = file.into_parts();
        (target, operations, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_target_and_its_operations_are_read() {
        let (target, operations, problems) = parsed(GOOD);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((target.organisations(), target.tokens), (1, vec![BearerSource::Variable("A".to_owned())]));
        let [put] = &operations[..] else { panic!("{operations:?}") };
        assert_eq!((put.name.as_str(), put.place.as_str(), put.creates()), ("put", "a.toml:6", true));
        assert_eq!(put.arguments.source()["deep"], json!({ "list": [1, "{{word}}"] }));
        assert_eq!(put.expect[0].value, Some(json!(true)));
    }

    #[test]
    fn every_problem_has_its_line() {
        for (old, new, expected) in [
            (
                "{{word}}",
                "{{wrod}}",
                "a.toml:7: `operation.arguments`: there is no placeholder `{{wrod}}`; did you mean `{{word}}`?",
            ),
            ("/arguments/key\"", "key\"", "a.toml:9: `operation.writes`: `key` is not a JSON pointer"),
            ("/arguments/key\"", "/arguments/deep/list/1\"", "a.toml:9: `operation.writes`: the value at"),
            ("env = \"A\"", "env = \"A\"\nfile = \"b\"", "`target.token`: it needs exactly one source"),
            ("tool = \"put\"", "tol = \"put\"", "a.toml:6: `operation.tol`: unknown key; did you mean `tool`?"),
            ("[[target.token]]", "hosts = [\"a.example\"]\n[[target.token]]", "a.toml:3: `target.hosts`: unknown key"),
            ("tool = \"put\"", "tool = \"put\"\nweight = 0", "no operation has a weight above 0"),
            ("[[target.token]]", "[target.start]\ncommand = [\"x\"]\n[[target.token]]", "a.toml:2: `target.url`"),
            ("true }", "true }\n[[operation]]\ntool = \"put\"", "two operations are called `put`"),
        ] {
            let (_, _, problems) = parsed(&GOOD.replacen(old, new, 1));
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
        }
    }

    #[test]
    fn what_says_that_there_is_no_record_has_several_forms() {
        let reads = |no_record: &str| {
            format!(
                "[target]\nurl = \"http://127.0.0.1:1/mcp\"\n[[operation]]\ntool = \"get\"\narguments = {{ key = \"{{{{known_key}}}}\" }}\n\
                 reads = {{ key = \"/arguments/key\", value = \"/reply/text\"{no_record} }}\n"
            )
        };
        for (no_record, expected) in [
            ("", json!(null)),
            (", no_record = \"\"", json!([{ "at": "/reply/text", "value": "" }])),
            (", no_record = \"/reply/error\"", json!([{ "at": "/reply/error" }])),
            (
                ", no_record = [\"\", \"none\", [], \"/reply/error\"]",
                json!([
                    { "at": "/reply/text", "value": "" }, { "at": "/reply/text", "value": "none" },
                    { "at": "/reply/text", "value": [] }, { "at": "/reply/error" },
                ]),
            ),
            (", no_record = { \"/reply/found\" = false }", json!([{ "at": "/reply/found", "value": false }])),
        ] {
            let (_, operations, problems) = parsed(&reads(no_record));
            assert_eq!(problems, Vec::<String>::new(), "{no_record}");
            let [get] = &operations[..] else { panic!("{operations:?}") };
            assert_eq!(
                serde_json::to_value(get.reads.as_ref().unwrap()).unwrap()["no_record"],
                expected,
                "{no_record}"
            );
        }
        for (no_record, expected) in [
            (", no_record = []", "write `[[]]`"),
            (", no_record = { found = false }", "`found` is not a JSON pointer"),
            (", no_record = \"none of {{word}}\"", "only `{{known_key}}` is allowed"),
            (", no_record = \"/arguments/key\"", "is what was sent"),
        ] {
            let (_, _, problems) = parsed(&reads(no_record));
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{no_record}: {problems:?}");
        }
    }

    #[test]
    fn calls_of_a_command_line_have_a_tool_arguments_and_a_weight() {
        let texts =
            [r#"search {"q":"{{word}}: {{number}}"}:4"#, "ping", "ping : 2", r#"add{"a":{"b":1}}"#].map(str::to_owned);
        let (operations, mix) = calls(&texts).unwrap();
        let names: Vec<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
        assert_eq!(names, ["search", "ping", "ping-2", "add"]);
        assert_eq!(
            mix,
            [("search", 4), ("ping", 1), ("ping-2", 2), ("add", 1)]
                .map(|(name, weight)| (name.to_owned(), weight))
                .into()
        );
        assert_eq!(operations[3].arguments.source(), &json!({ "a": { "b": 1 } }));
        for (text, expected) in [
            ("", "does not begin with the name"),
            ("{}", "does not begin with the name"),
            ("add {", "is not a weight"),
            ("add {\"a\"}", "are not JSON"),
            ("add {}:0", "the weight `0`"),
            ("add {\"a\":\"{{wrod}}\"}", "did you mean `{{word}}`?"),
        ] {
            let problems = calls(&[text.to_owned()]).unwrap_err();
            assert!(problems[0].what.contains(expected) && problems[0].key == "--call 1", "{text}: {problems:?}");
        }
    }
}
