//! `harness chaos`, `harness harden`, `harness snapshot` and `harness compare` on servers that are not ours: one built on rmcp, and one in Python.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/program.rs"]
mod program;

use foreign::{Foreign, python, repository, sample_program};
use program::{code, harness, run, text};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

const ECHO: &str = r#"echo {"text":"{{words}}"}"#;

/// The load and the phases of a short experiment.
const SHORT: &str = r#"
id = "T1"
about = "a test"
stack = "target"
steady = "3s"
recovery = "7s"

[load]
rate = 40
users = 10
call_deadline = "10s"

[expect]
errors = ["connect", "reset", "http_404"]
recovery = "4s"
least_hits = 3
"#;

/// Returns the verdict on a finding: `pass`, `fail` or `unknown`.
fn verdict<'t>(said: &'t str, check: &str) -> Option<&'t str> {
    let line = said.lines().find(|line| line.trim_start().starts_with(&format!("{check} ")))?;
    line.split_whitespace().nth(1)
}

fn chaos(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, &[&["chaos", "--seed", "1"], arguments].concat())
}

/// Writes an experiment: what it starts, its calls and its fault.
fn write(folder: &Path, parts: &[&str]) {
    std::fs::write(folder.join("mine.toml"), [&[SHORT], parts].concat().concat()).unwrap();
}

const KILL: &str = "[[fault]]\nkind = \"kill\"\npart = \"target\"\nlasts = \"300ms\"\n";

#[test]
fn a_kill_of_a_server_that_keeps_its_records_in_memory_loses_them_and_of_one_with_a_database_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let start = format!(
        "[target]\nurl = \"http://127.0.0.1:{{{{port}}}}/mcp\"\n[target.start]\ncommand = [\"{}\", \"sessions\", \"--listen\", \
         \"127.0.0.1:{{{{port}}}}\"]\n",
        sample_program().display()
    );
    let calls = r#"
[[operation]]
tool = "put"
arguments = { key = "{{key}}", value = "{{content}}" }
writes = { key = "/arguments/key", value = "/arguments/value" }
[[operation]]
tool = "get"
arguments = { key = "{{known_key}}" }
reads = { key = "/arguments/key", value = "/reply/value", missing = ["not_found"] }
"#;
    write(folder.path(), &[KILL, &start, calls]);
    let lost = chaos(folder.path(), &["mine.toml"]);
    let said = text(&lost);
    assert_eq!((code(&lost), verdict(&said, "no-lost-writes")), (1, Some("fail")), "{said}");
    for check in ["fault-hit", "all-faults-healed", "well-formed-errors"] {
        assert_eq!(verdict(&said, check), Some("pass"), "{check}: {said}");
    }

    let folder = tempfile::tempdir().unwrap();
    let server = repository("fixtures/servers/python/kg_sqlite.py");
    let start = format!(
        "[target]\nurl = \"http://127.0.0.1:{{{{port}}}}/mcp\"\n[target.start]\ncommand = [\"{}\", \"{}\", \"{{{{port}}}}\", \
         \"{{{{data}}}}\"]\nenvironment = {{ PYTHONDONTWRITEBYTECODE = \"1\" }}\ndeadline = \"60s\"\n",
        python("mcp2").display(),
        server.canonicalize().unwrap().display()
    );
    let calls = r#"
[[operation]]
tool = "create_entities"
arguments = { entities = [{ name = "{{key}}", entityType = "note", observations = ["{{content}}"] }] }
writes = { key = "/arguments/entities/0/name", value = "/arguments/entities/0/observations/0" }
[[operation]]
tool = "open_nodes"
arguments = { names = ["{{known_key}}"] }
reads = { key = "/arguments/names/0", value = "/reply/entities/0/observations/0" }
"#;
    write(folder.path(), &[KILL, &start, calls]);
    let kept = chaos(folder.path(), &["mine.toml"]);
    let said = text(&kept);
    for check in ["fault-hit", "all-faults-healed", "no-lost-writes", "no-phantom-reads"] {
        assert_eq!(verdict(&said, check), Some("pass"), "{check}: {said}");
    }
    // Bounds on time depend on the machine; broken, they are unknown at most.
    assert_ne!(code(&kept), 1, "{said}");
}

#[test]
fn a_server_that_runs_already_gets_faults_on_the_wire_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Foreign::sample("sessions", &[], folder.path());
    let late = "[[fault]]\nkind = \"network\"\nfrom = \"client\"\nto = \"target\"\nlasts = \"3s\"\n\
        rule = { toxic = { kind = \"latency\", delay_ms = 300 }, towards = \"client\" }\n[during]\nall = [\"error_rate<1%\"]\n";
    write(folder.path(), &[late]);
    let run = chaos(folder.path(), &["mine.toml", "--target", &server.url, "--call", ECHO]);
    let said = text(&run);
    for check in ["fault-hit", "all-faults-healed", "holds-during", "every-request-ends", "well-formed-errors"] {
        assert_eq!(verdict(&said, check), Some("pass"), "{check}: {said}");
    }
    assert_ne!(code(&run), 1, "{said}");

    for (arguments, expected) in [
        (&["any-kill", "--target", &server.url, "--call", ECHO][..], "add `[target.start]` with its command"),
        (&["any-latency"], "add `--target URL` or `--profile FILE`, or `[target]` in its file"),
        (&["memory-kill", "--target", &server.url, "--call", ECHO], "it needs the services of this product"),
        (&["any-latency", "--target", &server.url], "--call 'echo {\"text\":\"{{content}}\"}'"),
        (&["any-reset", "--target", &server.url, "--call", "ecko"], "did you mean `echo`?"),
        (
            &["any-reset", "--target", &server.url, "--call", ECHO, "--backend", "docker"],
            "remove `--url` and `--backend`",
        ),
    ] {
        let refused = chaos(folder.path(), arguments);
        let said = text(&refused);
        assert_eq!(code(&refused), 64, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn another_machine_is_attacked_only_with_its_exact_name() {
    let folder = tempfile::tempdir().unwrap();
    let far = ["--target", "http://192.0.2.7:9/mcp", "--allow-host", "192.0.2.7"];
    for command in [&["harden"][..], &["chaos", "any-latency", "--call", "ping"]] {
        for word in [&[][..], &["--i-own-this-host", "192.0.2.8"]] {
            let refused = run(folder.path(), &[command, &far, word].concat());
            assert_eq!(code(&refused), 64, "{}", text(&refused));
            assert!(text(&refused).contains("add `--i-own-this-host 192.0.2.7`"), "{}", text(&refused));
        }
        // The word alone opens nothing: the host must be allowed as well.
        let alone = run(folder.path(), &[command, &far[..2], &["--i-own-this-host", "192.0.2.7"]].concat());
        assert_eq!(code(&alone), 64, "{}", text(&alone));
        assert!(text(&alone).contains("`192.0.2.7` is not this machine"), "{}", text(&alone));
    }
    let key = "a-key-of-a-test-that-signs-no-token-0123";
    let ours = ["harden", "--url", "memory=http://192.0.2.7:9"];
    let ours = harness().env("JWT_SECRET", key).current_dir(folder.path()).args(ours).output().unwrap();
    assert_eq!(code(&ours), 64, "{}", text(&ours));
    assert!(text(&ours).contains("add `--i-own-this-host 192.0.2.7`"), "{}", text(&ours));
}

#[test]
fn a_changed_tool_is_named_and_two_runs_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let server = Foreign::python("mcp1", "kg_sqlite.py", folder.path());
    let snapshot = |option: &str, file: &str| run(folder.path(), &["snapshot", "--target", &server.url, option, file]);
    assert_eq!(code(&snapshot("--out", "tools.json")), 0);
    let same = snapshot("--check", "tools.json");
    assert_eq!(code(&same), 0, "{}", text(&same));
    // A person who edits the file by hand cannot approve a change without its hash.
    let file = folder.path().join("tools.json");
    let mut pinned: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    pinned["tools"]["open_nodes"]["definition"]["description"] = Value::from("Something else.");
    std::fs::write(&file, pinned.to_string()).unwrap();
    let edited = snapshot("--check", "tools.json");
    assert_eq!(code(&edited), 64, "{}", text(&edited));
    assert!(text(&edited).contains("the hash of `open_nodes`"), "{}", text(&edited));
    assert_eq!(code(&snapshot("--check", "none.json")), 64);

    let harden = |seed: &str, only: &str| {
        let output = run(folder.path(), &["harden", "--target", &server.url, "--only", only, "--seed", seed]);
        assert!(code(&output) <= 2, "{}", text(&output));
        let mut runs: Vec<_> =
            std::fs::read_dir(folder.path().join("runs")).unwrap().map(|run| run.unwrap().path()).collect();
        runs.sort_by_key(|run| run.metadata().unwrap().modified().unwrap());
        runs.last().unwrap().display().to_string()
    };
    let (one, other) = (harden("1", "MCP-TRN-13"), harden("2", "MCP-TRN-13"));
    let compared = run(folder.path(), &["compare", &one, &other]);
    assert_eq!(code(&compared), 0, "{}", text(&compared));
    assert!(text(&compared).contains("0 appeared, 0 disappeared"), "{}", text(&compared));
    // The same server without the check, as if it had been removed.
    let report = Path::new(&other).join("report.json");
    let failing = std::fs::read_to_string(&report).unwrap().replace("\"state\": \"pass\"", "\"state\": \"fail\"");
    std::fs::write(&report, failing).unwrap();
    let worse = harness().current_dir(folder.path()).args(["compare", &one, &other, "--json"]).output().unwrap();
    assert_eq!(code(&worse), 1, "{}", text(&worse));
    let json: Value = serde_json::from_slice(&worse.stdout).unwrap();
    assert_eq!((&json["changes"][0]["check"], &json["changes"][0]["kind"]), (&"MCP-TRN-13".into(), &"appeared".into()));
}

/// The calls of a load on the sample server.
const CALLS: &str = r#"
[[operation]]
tool = "put"
arguments = { key = "{{key}}", value = "{{content}}" }
writes = { key = "/arguments/key", value = "/arguments/value" }
[[operation]]
tool = "look_up"
arguments = { key = "{{known_key}}" }
reads = { key = "/arguments/key", value = "/reply/value", no_record = "" }
"#;

const LATE: &str = "[[fault]]\nkind = \"network\"\nfrom = \"client\"\nto = \"target\"\nlasts = \"3s\"\n\
    rule = { toxic = { kind = \"latency\", delay_ms = 300 }, towards = \"client\" }\n";

#[test]
fn the_profile_of_a_load_serves_an_experiment_which_finds_what_is_lost_under_its_fault() {
    let folder = tempfile::tempdir().unwrap();
    let profile = |target: &str| {
        let text = format!("users = 4\nduration = \"2s\"\n[target]\n{target}\n{CALLS}");
        std::fs::write(folder.path().join("load.toml"), text).unwrap();
    };
    write(folder.path(), &[LATE]);
    for (options, expected) in [(&[][..], "pass"), (&["--forgetful"], "fail")] {
        let server = Foreign::sample("stateless", options, folder.path());
        profile(&format!("url = \"{}\"", server.url));
        let run = chaos(folder.path(), &["mine.toml", "--profile", "load.toml"]);
        let said = text(&run);
        assert_eq!(verdict(&said, "no-lost-writes"), Some(expected), "{said}");
        assert_eq!(verdict(&said, "fault-hit"), Some("pass"), "{said}");
        assert!(said.contains(&format!("-- reaching {}", server.url)) && !said.contains("starting"), "{said}");
        assert!(said.contains("--profile load.toml"), "the command that repeats it: {said}");
    }
    // A profile that starts its server allows the faults of a process as well.
    profile(&format!(
        "url = \"http://127.0.0.1:{{{{port}}}}/mcp\"\nstart = {{ command = [\"{}\", \"stateless\", \"--listen\", \"127.0.0.1:{{{{port}}}}\"] }}",
        sample_program().display()
    ));
    write(folder.path(), &[KILL]);
    let killed = chaos(folder.path(), &["mine.toml", "--profile", "load.toml"]);
    let said = text(&killed);
    assert_eq!((code(&killed), verdict(&said, "no-lost-writes")), (1, Some("fail")), "it has them in memory: {said}");
    let hardened = run(folder.path(), &["harden", "--profile", "load.toml", "--only", "MCP-TRN-13"]);
    assert_eq!(code(&hardened), 0, "{}", text(&hardened));

    write(folder.path(), &[LATE, "[target]\nurl = \"http://127.0.0.1:1/mcp\"\n", CALLS]);
    for (arguments, expected) in [
        (&["mine.toml", "--profile", "load.toml"][..], "names its server in `[target]`; remove `--profile`"),
        (&["any-latency", "--profile", "memory"], "it has no `[target]`"),
        (&["any-latency", "--profile", "none.toml"], "none.toml"),
        (&["any-latency", "--profile", "load.toml", "--target", "http://127.0.0.1:1/mcp"], "cannot be used with"),
        (&["memory-kill", "--profile", "load.toml"], "it needs the services of this product"),
    ] {
        let refused = chaos(folder.path(), arguments);
        let said = text(&refused);
        assert!(code(&refused) == 64 && said.contains(expected), "{arguments:?}, `{expected}`: {said}");
    }
}

#[test]
fn the_documented_commands_for_one_file_are_right() {
    let document = std::fs::read_to_string(repository("docs/mcp/ANY_SERVER.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Foreign::python("mcp2", "kg_sqlite.py", folder.path());
    let profile = std::fs::read_to_string(repository("fixtures/servers/python/knowledge-graph.toml")).unwrap();
    std::fs::write(folder.path().join("graph.toml"), profile.replace("http://127.0.0.1:8000/mcp", &server.url))
        .unwrap();
    let commands: Vec<&str> =
        document.lines().filter(|line| line.starts_with("harness ") && line.contains("graph.toml")).collect();
    for name in ["load", "chaos", "harden"] {
        let begins = |line: &&&str| line.starts_with(&format!("harness {name}"));
        let command = commands.iter().find(begins).unwrap_or_else(|| panic!("no `{name}` of graph.toml: {commands:?}"));
        let words: Vec<&str> = command.split(" #").next().unwrap().split_whitespace().skip(1).collect();
        let output = run(folder.path(), &words);
        let said = text(&output);
        let (is_judged, expected) = if name == "harden" { (false, 1) } else { (true, 0) };
        let lost = verdict(&said, "no-lost-writes");
        // On a busy machine bounds on time are unknown, and so is a record that was not read back in time.
        assert!(lost.is_some() == is_judged && lost != Some("fail"), "{command}: {said}");
        assert!(code(&output) == expected || code(&output) == 2, "{command}: {said}");
        // A failed check has one line; this server names the library that it is built on.
        let named = said
            .lines()
            .filter(|line| line.trim_start_matches([' ', 'n', 'o', 't', 'e', ':']).starts_with("MCP-TRN-12"))
            .count();
        assert_eq!(named, usize::from(name == "harden"), "{command}: {said}");
    }
    let fix = std::fs::read_dir(folder.path().join("runs")).unwrap();
    let fix = fix.map(|run| run.unwrap().path().join("fix.md")).find(|file| file.is_file()).unwrap();
    let fix = std::fs::read_to_string(fix).unwrap();
    assert!(fix.contains("| [MCP-TRN-12](#mcp-trn-12) |") && fix.contains("--profile graph.toml"), "{fix}");
    for ours in ["services/", ".rs", "harness/", "ALLOWED_ORIGINS", "the contract"] {
        assert!(!fix.contains(ours), "`{ours}` of this repository fixes nothing on another server: {fix}");
    }
    assert!(fix.lines().count() < 150, "{} lines", fix.lines().count());
}
