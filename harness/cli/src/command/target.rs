//! What commands do with a server that is not part of this product: the options that describe it, and the list of its tools.

use super::play;
use crate::arguments::{ServerArguments, TargetArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::drive::client::ClientOptions;
use harness_core::drive::target::{AccessError, TargetAccess, Tool, example_call, shown};
use harness_core::plan::Backend;
use harness_core::plan::bearer::BearerSource;
use harness_core::plan::operation::PLACEHOLDERS;
use harness_core::plan::reach::{Reach, another_machine};
use harness_core::plan::target::Target;
use harness_core::plan::workload::Workload;
use harness_history::counted;
use loadtests::{Load, Overrides};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Maximum number of tools that are listed with an example.
const MOST_TOOLS: usize = 50;
/// Maximum number of calls of the command that is suggested.
const MOST_FIRST: usize = 3;

/// Returns the running server at a URL.
pub(crate) fn running_server(url: &str) -> Target {
    Target { url: url.to_owned(), tokens: Vec::new(), ca_file: None, reach: Reach::default(), start: None }
}

/// Returns the server of a profile, and the load with its calls.
///
/// # Errors
/// The profile cannot be read, has problems, or names no server.
pub(crate) fn of_profile(path: &Path) -> Result<(Target, Workload), Failure> {
    let name = path.display().to_string();
    let Load { workload, target } = loadtests::load(&name, &Overrides::default()).map_err(Failure::usage)?;
    target.map(|target| (target, workload)).ok_or_else(|| {
        Failure::usage(format!(
            "`{name}` is the profile of a load on the services of this product: it has no `[target]`\n\
             hint: add `[target]` and `[[operation]]` as in docs/mcp/ANY_SERVER.md, or remove `--profile`"
        ))
    })
}

/// Returns the server that `--target` or `--profile` names, with the other options applied; `None` if neither is set.
///
/// # Errors
/// The profile cannot be used, or the options contradict each other.
pub(crate) fn server(arguments: &ServerArguments) -> Result<Option<Target>, Failure> {
    let target = match (&arguments.profile, &arguments.target) {
        (Some(path), _) => of_profile(path)?.0,
        (None, Some(url)) => running_server(url),
        (None, None) => return Ok(None),
    };
    with_options(target, &arguments.options()).map(Some)
}

/// Applies the options of the command line to a target, and what the settings allow to reach.
pub(crate) fn with_options(target: Target, arguments: &TargetArguments) -> Result<Target, Failure> {
    let first = arguments.bearer_env.clone().map(BearerSource::Variable);
    let first = first.or_else(|| arguments.bearer_file.clone().map(BearerSource::File));
    let other = arguments.other_bearer_env.clone().map(BearerSource::Variable);
    let tokens = match (first, other) {
        (None, None) => target.tokens,
        (None, Some(_)) => {
            return Err(Failure::usage(
                "`--other-bearer-env` is the second token; add `--bearer-env` or `--bearer-file`",
            ));
        }
        (Some(first), other) => std::iter::once(first).chain(other).collect(),
    };
    let Reach { mut hosts, caps } = settings::load(None)?.reach();
    hosts.extend(target.reach.hosts.into_iter().chain(arguments.allow_host.iter().cloned()));
    let ca_file = arguments.ca_file.clone().or(target.ca_file);
    Ok(Target { tokens, ca_file, reach: Reach { hosts, caps }, ..target })
}

/// Fails if the command would attack a server on another machine without `--i-own-this-host`.
pub(crate) fn require_ownership(backend: &Backend, owned: &[String]) -> Result<(), Failure> {
    let urls: Vec<&String> = match backend {
        Backend::External { urls, .. } => urls.values().collect(),
        Backend::Target(target) if target.start.is_none() => vec![&target.url],
        Backend::Target(_) | Backend::Process | Backend::Docker => Vec::new(),
    };
    for url in urls {
        // A URL that cannot be parsed is a problem of the plan, which is reported with all others.
        let Ok(Some(host)) = another_machine(url) else { continue };
        if !owned.contains(&host) {
            return Err(Failure::usage(format!(
                "`{host}` is another machine, and this command injects faults or sends requests of an attacker; \
                 the owner must permit that\nhint: if it is yours, add `--i-own-this-host {host}`"
            )));
        }
    }
    Ok(())
}

/// Fails if options of a target are set, and the load is on a stack of this product.
pub(crate) fn refuse_options(arguments: &TargetArguments) -> Result<(), Failure> {
    let set = [
        ("--bearer-env", arguments.bearer_env.is_some()),
        ("--bearer-file", arguments.bearer_file.is_some()),
        ("--other-bearer-env", arguments.other_bearer_env.is_some()),
        ("--ca-file", arguments.ca_file.is_some()),
        ("--allow-host", !arguments.allow_host.is_empty()),
    ];
    match set.into_iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::usage(format!(
            "`{option}` is for a server that is not part of this product; add `--target URL`, or remove it"
        ))),
    }
}

/// Returns the options as words of a command. A token is named by its place.
pub(crate) fn command_words(arguments: &TargetArguments) -> Vec<String> {
    let option = |name: &str, value: &str| format!("{name} {}", play::quoted(value));
    let path =
        |name: &str, value: &Option<PathBuf>| value.as_ref().map(|path| option(name, &path.display().to_string()));
    let text = |name: &str, value: &Option<String>| value.as_ref().map(|value| option(name, value));
    let mut words: Vec<String> = text("--target", &arguments.target).into_iter().collect();
    words.extend(arguments.call.iter().map(|call| option("--call", call)));
    words.extend(text("--bearer-env", &arguments.bearer_env));
    words.extend(path("--bearer-file", &arguments.bearer_file));
    words.extend(text("--other-bearer-env", &arguments.other_bearer_env));
    words.extend(path("--ca-file", &arguments.ca_file));
    words.extend(arguments.allow_host.iter().map(|host| option("--allow-host", host)));
    words
}

/// Lists the tools of a server with an example of a call of each: the error of a command without `--call`. `command` is the command so far.
///
/// # Errors
/// The server cannot be called.
pub(crate) fn suggest_calls(command: &str, arguments: &TargetArguments, context: &Context) -> Result<Failure, Failure> {
    let url = arguments.target.clone().unwrap_or_default();
    let target = with_options(running_server(&url), arguments)?;
    let tools = context.runtime.block_on(Box::pin(tools(&target)))?;
    let command = format!("{command} {}", command_words(arguments).join(" "));
    Ok(Failure::usage(suggestion(&command, &url, tools)))
}

async fn tools(target: &Target) -> Result<Vec<Tool>, Failure> {
    let resolved_host = target.reach.resolve(&target.url).await.map_err(Failure::usage)?;
    let access = TargetAccess::new(target, &target.url, &resolved_host);
    access.tools(ClientOptions::default()).await.map_err(failed)
}

pub(crate) fn failed(error: AccessError) -> Failure {
    Failure::new(if error.is_plan_error() { Exit::Usage } else { Exit::Stack }, error)
}

fn suggestion(command: &str, url: &str, mut tools: Vec<Tool>) -> String {
    if tools.is_empty() {
        return format!(
            "the MCP server at `{url}` lists no tool, so there is nothing to call\n\
             hint: check the URL, and that the token, if the server needs one, may see its tools"
        );
    }
    // A newcomer copies the first one, which should change nothing.
    tools.sort_by_key(|tool| !tool.is_read_only);
    let count = counted(tools.len(), "tool", "tools");
    let mut text = format!("name the calls to make with `--call`; the server at `{url}` has {count}:");
    for tool in tools.iter().take(MOST_TOOLS) {
        let _ = write!(text, "\n\n  {}\n    --call {}", headline(tool), example(tool));
    }
    if tools.len() > MOST_TOOLS {
        let _ = write!(text, "\n\n  and {} more", tools.len() - MOST_TOOLS);
    }
    // A call of the command line writes no record that another call could know.
    let fillable = PLACEHOLDERS.iter().filter(|(_, placeholder, _)| !placeholder.is_known_key());
    let names: Vec<String> = fillable.map(|(name, ..)| format!("{{{{{name}}}}}")).collect();
    let first: Vec<&Tool> = tools.iter().filter(|tool| tool.is_read_only).take(MOST_FIRST).collect();
    let warning = if first.is_empty() { "; no tool says that it only reads, so this call may change data" } else { "" };
    let first = if first.is_empty() { tools.iter().take(1).collect() } else { first };
    let calls: String = first.into_iter().map(|tool| format!(" --call {}", example(tool))).collect();
    let _ = write!(
        text,
        "\n\nplaceholders, each filled in anew for a call: {}\nA text of yours can stand in place of any of them, and a weight such as `:4` after a \
         call. docs/mcp/ANY_SERVER.md shows how lost writes are found.\nhint: begin with this command{warning}\n  {command}{calls}",
        names.join(" ")
    );
    text
}

fn headline(tool: &Tool) -> String {
    let name = shown(&tool.name);
    let only_reads = if tool.is_read_only { " (only reads)" } else { "" };
    if tool.about.is_empty() { format!("{name}{only_reads}") } else { format!("{name}{only_reads}: {}", tool.about) }
}

/// Returns the value of `--call` as a word of a shell.
fn example(tool: &Tool) -> String {
    quoted(&printable(&example_call(tool)))
}

/// Returns an example without control characters. It is not cut, because it is there to be copied.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Backend, Tool, require_ownership, suggestion};
    use serde_json::{Value, json};

    #[test]
    fn a_server_beyond_this_machine_is_attacked_only_with_the_exact_word_of_its_owner() {
        let far = Backend::Target(Box::new(super::running_server("https://Staging.example/mcp")));
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for names in [&[][..], &["staging"], &["other.example"]] {
            let why = require_ownership(&far, &owned(names)).unwrap_err().to_string();
            assert!(why.contains("hint: if it is yours, add `--i-own-this-host staging.example`"), "{why}");
        }
        assert!(require_ownership(&far, &owned(&["staging.example"])).is_ok());
        for near in ["http://127.0.0.1:8000/mcp", "http://localhost:8000/mcp", "http://[::1]:8000/mcp"] {
            assert!(require_ownership(&Backend::Target(Box::new(super::running_server(near))), &[]).is_ok(), "{near}");
        }
        let urls = [("memory".to_owned(), "http://192.0.2.7:7420".to_owned())].into();
        assert!(require_ownership(&Backend::External { urls, hosts: Vec::new() }, &[]).is_err());
    }

    fn tool(name: &str, about: &str, input_schema: Value, is_read_only: bool) -> Tool {
        Tool { name: name.to_owned(), about: about.to_owned(), input_schema, is_read_only }
    }

    fn suggested(tools: Vec<Tool>) -> String {
        suggestion("harness load --target http://127.0.0.1:1/mcp", "http://127.0.0.1:1/mcp", tools)
    }

    #[test]
    fn each_tool_has_an_example_that_a_shell_accepts() {
        let schema = json!({ "type": "object", "required": ["q"], "properties": { "q": { "enum": ["it's"] } } });
        let text = suggested(vec![tool("search", "Searches.", schema, false)]);
        let call = "--call 'search {\"q\":\"it'\\''s\"}'";
        assert!(text.contains(&format!("search: Searches.\n    {call}")), "{text}");
        assert!(text.contains("{{key}}") && !text.contains("{{known_key}}"), "{text}");
        assert!(text.contains("may change data") && text.contains("has 1 tool:"), "{text}");
        assert!(text.ends_with(&format!("harness load --target http://127.0.0.1:1/mcp {call}")), "{text}");
        assert!(suggested(Vec::new()).contains("lists no tool"));
        let name = format!("\u{1b}]0;{}", "x".repeat(300));
        let text = suggested(vec![tool(&name, "", json!({}), false)]);
        assert!(!text.contains('\u{1b}') && text.contains("  ]0;xxx") && text.contains("x…\n"), "{text}");
    }

    #[test]
    fn tools_that_only_read_come_first_and_are_the_first_command() {
        let tools =
            ["delete", "list", "add", "get"].map(|name| tool(name, "", json!({}), ["list", "get"].contains(&name)));
        let text = suggested(tools.to_vec());
        let places = ["  list (only reads)", "  get (only reads)", "  delete\n", "  add\n"].map(|name| text.find(name));
        assert!(places.is_sorted() && places[0].is_some(), "{places:?} in {text}");
        assert!(text.ends_with("/mcp --call 'list' --call 'get'") && !text.contains("may change data"), "{text}");
    }
}
