//! `harness load` on servers that are not ours: two in Python, of which one loses writes, and one built on rmcp. The Python servers run with both versions
//! of the SDK; `make python-clients` installs them.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "commands here have tokens in their environment")]
mod program;
#[path = "support/small_server.rs"]
mod small_server;

use foreign::{Foreign, repository};
use program::{code, harness, text};
use serde_json::{Value, json};
use small_server::SmallServer;
use std::path::Path;
use std::process::Output;

fn load(folder: &Path, arguments: &[&str]) -> Output {
    harness()
        .env("TOKEN_A", "token-a")
        .env("TOKEN_B", "token-b")
        .current_dir(folder)
        .arg("load")
        .args(arguments)
        .output()
        .unwrap()
}

/// Writes the profile of the fixtures with the URL of a server.
fn knowledge_graph(folder: &Path, url: &str) {
    let profile = std::fs::read_to_string(repository("fixtures/servers/python/knowledge-graph.toml")).unwrap();
    let profile = profile.replace("http://127.0.0.1:8000/mcp", url).replace("duration = \"5s\"", "duration = \"3s\"");
    std::fs::write(folder.join("graph.toml"), profile).unwrap();
}

/// Returns the verdict on a finding: `pass`, `fail` or `unknown`.
fn verdict<'t>(said: &'t str, check: &str) -> Option<&'t str> {
    let line = said.lines().find(|line| line.trim_start().starts_with(&format!("{check} ")))?;
    line.split_whitespace().nth(1)
}

fn a_python_server_is_judged(library: &str) {
    let folder = tempfile::tempdir().unwrap();
    let lossy = Foreign::python(library, "kg_file.py", folder.path());
    knowledge_graph(folder.path(), &lossy.url);
    let lost = load(folder.path(), &["graph.toml", "--seed", "1"]);
    let said = text(&lost);
    assert_eq!((code(&lost), verdict(&said, "no-lost-writes")), (1, Some("fail")), "{said}");
    drop(lossy);

    let folder = tempfile::tempdir().unwrap();
    let correct = Foreign::python(library, "kg_sqlite.py", folder.path());
    knowledge_graph(folder.path(), &correct.url);
    let kept = load(folder.path(), &["graph.toml", "--seed", "1"]);
    let said = text(&kept);
    for check in ["no-lost-writes", "register", "sessions", "read-your-writes", "no-phantom-reads", "error-rate"] {
        assert_eq!(verdict(&said, check), Some("pass"), "{check}: {said}");
    }
    assert!(said.contains("not looked at: duplicates"), "{said}");
    // Bounds on time depend on the machine; broken, they are unknown at most.
    assert_ne!(code(&kept), 1, "{said}");
}

#[test]
fn lost_writes_of_a_server_of_version_one_of_the_python_sdk_are_found() {
    a_python_server_is_judged("mcp1");
}

#[test]
fn lost_writes_of_a_server_of_version_two_of_the_python_sdk_are_found() {
    a_python_server_is_judged("mcp2");
}

#[test]
fn tools_are_listed_with_an_example_of_a_call_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let server = Foreign::sample("sessions", &[], folder.path());
    let listed = load(folder.path(), &["--target", &server.url]);
    let said = text(&listed);
    assert_eq!(code(&listed), 64, "{said}");
    assert!(said.contains(r#"--call 'put {"key":"{{key}}","value":"{{content}}"}'"#), "{said}");
    let called = load(
        folder.path(),
        &[
            "--target",
            &server.url,
            "--call",
            r#"put {"key":"{{key}}","value":"{{content}}"}:2"#,
            "--call",
            r#"echo {"text":"{{words}}"}"#,
            "--users",
            "4",
            "--duration",
            "1s",
        ],
    );
    let said = text(&called);
    assert_eq!(verdict(&said, "error-rate"), Some("pass"), "{said}");
    assert!(said.contains("not looked at: records"), "{said}");
}

#[test]
fn operations_that_do_not_fit_the_tools_are_found_before_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let server = Foreign::sample("stateless", &[], folder.path());
    let refused = load(
        folder.path(),
        &["--target", &server.url, "--call", r#"putt {"key":"k"}"#, "--call", r#"put {"key":"k"}"#],
    );
    let said = text(&refused);
    assert_eq!(code(&refused), 64, "{said}");
    for expected in [
        "--call 1: `operation.tool`: the target has no tool `putt`; did you mean `put`?",
        "--call 2: `operation.arguments`",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("verdict"), "{said}");
    let away = load(folder.path(), &["--target", "http://192.0.2.7:9/mcp", "--call", "ping"]);
    assert_eq!(code(&away), 64, "{}", text(&away));
    assert!(text(&away).contains("`192.0.2.7` is not this machine"), "{}", text(&away));
}

/// A profile of the sample server with two tokens, whose users try to read the records of the other token.
const TWO_TOKENS: &str = r#"
users = 6
duration = "2s"
[target]
url = "URL"
[[target.token]]
env = "TOKEN_A"
[[target.token]]
env = "TOKEN_B"
[[operation]]
tool = "put"
arguments = { key = "{{key}}", value = "{{content}}" }
writes = { key = "/arguments/key", value = "/arguments/value" }
[[operation]]
tool = "get"
arguments = { key = "{{known_key}}" }
reads = { key = "/arguments/key", value = "/reply/value", missing = ["not_found"] }
[[operation]]
name = "probe"
tool = "get"
arguments = { key = "{{foreign_key}}" }
reads = { key = "/arguments/key", value = "/reply/value", missing = ["not_found"] }
[thresholds]
all = ["error_rate<1%"]
"#;

#[test]
fn isolation_between_two_tokens_is_judged_in_every_mode_of_the_sdk() {
    for mode in ["sessions", "stateless", "modern"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Foreign::sample(mode, &[], folder.path());
        std::fs::write(folder.path().join("mine.toml"), TWO_TOKENS.replace("URL", &server.url)).unwrap();
        let said = text(&load(folder.path(), &["mine.toml"]));
        for check in ["tenant-isolation", "no-lost-writes", "register", "no-phantom-reads", "error-rate"] {
            assert_eq!(verdict(&said, check), Some("pass"), "{mode} {check}: {said}");
        }
        let one = TWO_TOKENS.replace("URL", &server.url).replace("TOKEN_B", "TOKEN_A");
        std::fs::write(folder.path().join("mine.toml"), one).unwrap();
        let refused = load(folder.path(), &["mine.toml"]);
        assert!(code(&refused) == 64 && text(&refused).contains("has the same token"), "{}", text(&refused));
        let server = Foreign::sample(mode, &["--leaky"], folder.path());
        std::fs::write(folder.path().join("mine.toml"), TWO_TOKENS.replace("URL", &server.url)).unwrap();
        let leaky = load(folder.path(), &["mine.toml"]);
        let said = text(&leaky);
        assert_eq!((code(&leaky), verdict(&said, "tenant-isolation")), (1, Some("fail")), "{mode}: {said}");
    }
}

/// A page, as a web server that knows nothing of MCP returns it.
fn page(_: &str) -> (String, String) {
    ("200 OK\r\ncontent-type: text/html".to_owned(), "<html>hello</html>".to_owned())
}

fn unauthorized(_: &str) -> (String, String) {
    ("401 Unauthorized\r\nwww-authenticate: Bearer".to_owned(), String::new())
}

/// An MCP server of an older revision that lists no tool.
fn without_tools(body: &str) -> (String, String) {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let result = match request["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": "none", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": [] }),
        Some("notifications/initialized") => return ("202 Accepted".to_owned(), String::new()),
        _ => return ("400 Bad Request".to_owned(), String::new()),
    };
    let reply = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
    ("200 OK\r\ncontent-type: application/json".to_owned(), reply.to_string())
}

#[test]
fn what_a_first_contact_finds_is_one_error_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let command = |arguments: &[&str]| {
        let output = harness().env("TOKEN", "t").current_dir(folder.path()).args(arguments).output().unwrap();
        (code(&output), text(&output))
    };
    let (page, locked, empty) =
        (SmallServer::start(page), SmallServer::start(unauthorized), SmallServer::start(without_tools));
    let gone = "http://127.0.0.1:9/mcp";
    for (url, options, exit, expected) in [
        (
            page.url.as_str(),
            &[][..],
            69,
            &["no MCP server answers at `127.0.0.1:", "/mcp`", "hint: check the path"][..],
        ),
        (
            &locked.url,
            &[],
            64,
            &[
                "access is refused",
                "status 401 to a request without a token",
                "hint: pass a token with `--bearer-env NAME`",
            ],
        ),
        (
            &locked.url,
            &["--bearer-env", "TOKEN"],
            64,
            &["status 401 to this token", "hint: check that the token has not expired"],
        ),
        (gone, &[], 69, &["does not accept a connection", "hint: check that the server is running"]),
    ] {
        for subcommand in [
            &["load"][..],
            &["load", "--call", "ping"],
            &["chaos", "any-latency"],
            &["chaos", "any-latency", "--call", "ping"],
            &["harden"],
            &["snapshot"],
        ] {
            let (code, said) = command(&[subcommand, &["--target", url], options].concat());
            assert_eq!(code, exit, "{subcommand:?} at {url}: {said}");
            for expected in expected {
                assert!(said.contains(expected), "{subcommand:?}, `{expected}`: {said}");
            }
            assert_eq!(said.matches("hint:").count(), 1, "{subcommand:?}: {said}");
        }
    }
    for (arguments, expected) in [
        (&["load"][..], "lists no tool, so there is nothing to call"),
        (&["load", "--call", "ping", "--call", "pong"], "the target lists no tool, so nothing can be called"),
        (&["chaos", "any-latency", "--call", "ping"], "the target lists no tool, so nothing can be called"),
    ] {
        let (code, said) = command(&[arguments, &["--target", &empty.url]].concat());
        assert_eq!(code, 64, "{arguments:?}: {said}");
        assert_eq!(said.matches(expected).count(), 1, "{arguments:?}, `{expected}`: {said}");
    }
    // Every tool of this server needs arguments.
    let server = Foreign::sample("stateless", &[], folder.path());
    let (code, said) = command(&["load", "--target", &server.url, "--call", "put"]);
    assert_eq!(code, 64, "{said}");
    let example = r#"such as `--call 'put {"key":"{{key}}","value":"{{content}}"}'`"#;
    assert!(said.contains("is a required property") && said.contains(example), "{said}");
}

/// A server that answers a read of an unknown record with an empty text, and forgets every third record.
const EMPTY_IS_NO_RECORD: &str = r#"
users = 4
duration = "2s"
[target]
url = "URL"
[[operation]]
tool = "put"
arguments = { key = "{{key}}", value = "{{content}}" }
writes = { key = "/arguments/key", value = "/arguments/value" }
[[operation]]
tool = "look_up"
arguments = { key = "{{known_key}}" }
reads = { key = "/arguments/key", value = "/reply/value"SIGN }
"#;

#[test]
fn an_empty_value_is_a_lost_write_only_if_the_profile_says_that_it_means_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let run = |options: &[&str], no_record: &str| {
        let server = Foreign::sample("stateless", options, folder.path());
        let profile = EMPTY_IS_NO_RECORD.replace("URL", &server.url).replace("SIGN", no_record);
        std::fs::write(folder.path().join("mine.toml"), profile).unwrap();
        let output = load(folder.path(), &["mine.toml"]);
        (code(&output), text(&output))
    };
    let (_, said) = run(&[], ", no_record = \"\"");
    for check in ["no-lost-writes", "no-phantom-reads", "register"] {
        assert_eq!(verdict(&said, check), Some("pass"), "{check}: {said}");
    }
    let (code, said) = run(&["--forgetful"], ", no_record = \"\"");
    assert_eq!((code, verdict(&said, "no-lost-writes")), (1, Some("fail")), "{said}");
    assert_eq!(verdict(&said, "no-phantom-reads"), Some("pass"), "no value was made up: {said}");
    // Without it the empty text is a value that no call has written.
    let (code, said) = run(&["--forgetful"], "");
    assert_eq!((code, verdict(&said, "no-phantom-reads")), (1, Some("fail")), "{said}");
}

#[test]
fn the_profile_of_the_readme_is_right() {
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    let profile = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), profile).unwrap();
    for arguments in [
        &["plan", "load", "mine.toml"][..],
        &["plan", "chaos", "any-latency", "--profile", "mine.toml"],
        &["plan", "harden", "--profile", "mine.toml"],
    ] {
        let planned = harness().current_dir(folder.path()).args(arguments).output().unwrap();
        assert_eq!(code(&planned), 0, "{arguments:?}: {}", text(&planned));
        let target = text(&planned).contains("http://127.0.0.1:8000/mcp");
        assert!(target, "{arguments:?}: {}", text(&planned));
    }
}
