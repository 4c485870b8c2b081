//! Documents agree with the code: the reference is generated from the arguments, docs/CHECKS.md from the checks, and every command of the harness
//! in a document can be parsed.

use crate::arguments::Arguments;
use clap::Parser;
use harness_history::check::{self, Check};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_reference_matches_the_arguments() {
    let path = root().join("docs/harness-reference.md");
    let options = clap_markdown::MarkdownOptions::new()
        .title("Commands of the harness".to_owned())
        .show_footer(false)
        .show_table_of_contents(true);
    let current = clap_markdown::help_markdown_custom::<Arguments>(&options);
    // A page needs no line breaks of the terminal.
    let lines: Vec<&str> = current.lines().map(str::trim_end).collect();
    assert_current(&path, &(lines.join("\n") + "\n"));
}

/// Asserts that a generated document is current. With `UPDATE_REFERENCE=1`, writes it first.
fn assert_current(path: &Path, current: &str) {
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), current, "run this test with UPDATE_REFERENCE=1");
}

const CHECKS_HEAD: &str = "\
# Checks

What a `pass` of each check proves, and what it does not exclude. This page is generated from the checks in `harness/history/src/check/`;
`harness check --list` prints the same.

```sh
harness check --list
```

A check takes the recorded history of a run and returns one finding. `fail`: the history has a violation, and the finding names the operations
that prove it. `unknown`: the evidence is missing or cannot exclude a violation, or the check itself crashed. `pass`: something was judged, and no
violation was found. The verdict of a run is the worst of its findings.

All checks share these limits:

- They judge what the harness sent and received. A record or feature that no call of the run touched is not judged.
- A call without an answer may have taken effect or not; a check judges only what is true in both cases.
- Times are those of the harness. If the process that makes the calls stalls for more than 50 ms, the stall is recorded, and calls whose time
  it explains are not judged. If stalls overlap more than 5 % of the calls, or the driver was the bottleneck, a broken bound is `unknown`. So is one that is
  broken only while other processes used the machine. A violation of safety is still `fail` (decisions 0027 and 0082).
- Contents are compared by a 64-bit digest.

In addition to these checks every run has the finding `run-is-evidence`. For a load it proves that calls succeeded and were recorded to the end, that at
least 99 % of the planned arrivals were sent, and that the driver was neither saturated nor late; for a scenario, that it was played to its end. It
never fails: if it is not proven, the run is unknown. It uses totals, the busiest second of the driver and the 99th percentile of the send lag, so a
short pause of the driver passes.
";

#[test]
fn the_page_of_the_checks_matches_the_list() {
    let sections: String = check::ALL.iter().map(section).collect();
    assert_current(&root().join("docs/CHECKS.md"), &format!("{CHECKS_HEAD}{sections}"));
}

fn section(check: &Check) -> String {
    let Check { name, proves, blind_to, evidence, .. } = check;
    let blind_to: String = blind_to.iter().map(|sentence| format!("- {sentence}\n")).collect();
    format!(
        "\n## {name}\n\n**Proves:** {proves}.\n\n**Kind:** {}\n\n**Applies:** {}\n\n**Needs:** {evidence}\n\n**Cannot see:**\n\n{blind_to}",
        check.property().consequence(),
        check.applies()
    )
}

const CHECKLIST_HEAD: &str = "\
# Security checklist

What to prove before a stack serves customers. The first part is generated from the hardening checks in `harness/harden/src/`. One command runs all of
them; those that read files also need `--repository DIR`. The second part lists what only people can do.

```sh
harness harden
harness harden --list
```

The command starts a stack of its own; `--backend docker` starts the images, and `--url memory=http://127.0.0.1:7420` with `JWT_SECRET` checks a running
one. `pass` means that the attempts were made, that a valid request of the same kind succeeded, and that the stack refused what it must refuse. A failure is
reported only if three attempts of three show it, each by at least two signs (in a file: by one fact). `fix.md` in the run directory has the requests and
replies, the files to change, and the command that verifies the fix
(decision 0048). Each check has been seen to fail (decision 0049). `harness gate --profile preprod --repository .` runs all of them; without `--repository` it
omits those that read files (decision 0062).
";

const CHECKLIST_END: &str = "
## What only a person can do

- [ ] TLS is terminated in front of every service: version 1.2 or later, HSTS, automatic renewal of certificates. The services speak plain HTTP and must be reachable only from there.
- [ ] The keys (`JWT_SECRET`, `METRICS_TOKEN`, keys of models, passwords of Redis) come from a secret store, are different in each environment, and have an owner and a date of the
      next rotation. `docs/mcp/OPERATIONS.md` describes the rotation.
- [ ] The issuer of tokens gives each client the scopes that it needs and no more; tokens with `admin` and `guardrails.acknowledge` are for people.
- [ ] `ALLOWED_HOSTS`, `ALLOWED_ORIGINS` and `PUBLIC_URL` name the production hosts, and nothing else.
- [ ] `/metrics` is closed by `METRICS_TOKEN` or by the network; Redis and the databases are reachable only by the services.
- [ ] The rules of guardrails were read by the team that owns the data, and a person who did not write them has tried to get around them.
- [ ] A backup was restored on another machine in the last quarter, and the time that it took is written down.
- [ ] Logs go to a place where a service cannot change them, and an alert exists for refused tokens, for `mcp_rate_limit_bypass_total` and for a service that is not ready.
- [ ] The images were scanned (`make scan`), run without root and with a read-only file system, and their base images have an owner who updates them.
- [ ] MCP hosts ask their user before they call a tool that writes, and a person has reviewed the descriptions of the tools.
- [ ] Who is called when a key leaks, what is revoked first (`mcp-memory revoke`), and who informs customers, is written down and was tried once.
- [ ] People who did not build the stack made a penetration test in the last year; the checks here find only known kinds of weaknesses.
";

#[test]
fn the_security_checklist_matches_the_catalogue() {
    let mut text = CHECKLIST_HEAD.to_owned();
    let mut family = "";
    for check in harness_harden::ALL {
        let of_check = check.id.split('-').nth(1).unwrap();
        if of_check != family {
            family = of_check;
            text.push_str(&format!("\n## {}\n\n", family_title(family)));
        }
        let severity = harness_core::plan::hardening::Severity::of(check.score).name();
        let needs: Vec<String> = check.needs.iter().map(|need| need.name()).collect();
        let needs = if needs.is_empty() { "a URL".to_owned() } else { needs.join(", ") };
        text.push_str(&format!(
            "- [ ] **{}** ({severity}, {:.1}): {}.\n  - Why: {}\n  - Test: {}\n  - Remedy: {}\n  - Needs: {needs}. Sources: {}.\n",
            check.id, check.score, check.title, check.why, check.how, check.remedy, check.sources.join("; ")
        ));
    }
    assert_current(&root().join("docs/mcp/SECURITY_CHECKLIST.md"), &format!("{text}{CHECKLIST_END}"));
}

fn family_title(family: &str) -> &'static str {
    match family {
        "AUTH" => "Authentication and authorisation (AUTH)",
        "TEN" => "Tenancy (TEN)",
        "TRN" => "Transport (TRN)",
        "LIM" => "Limits (LIM)",
        "QUO" => "Quotas (QUO)",
        "RES" => "Resilience (RES)",
        "SEC" => "Secrets, logs and descriptions (SEC)",
        "GRD" => "Guardrails (GRD)",
        "CON" => "Containers (CON)",
        "SUP" => "Supply chain (SUP)",
        other => panic!("the family `{other}` has no title"),
    }
}

#[test]
fn every_check_says_what_it_proves_and_cannot_see_in_sentences() {
    for check in check::ALL {
        assert!(check.proves.len() > 20 && !check.proves.ends_with('.'), "{}", check.name);
        assert!(check.evidence.ends_with('.') && !check.blind_to.is_empty(), "{}", check.name);
        assert!(check.blind_to.iter().all(|sentence| sentence.ends_with('.')), "{}", check.name);
    }
}

#[test]
fn every_command_of_the_harness_in_a_document_is_understood() {
    let mut seen = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for command in commands(&text).iter().filter(|command| command.starts_with("harness ")) {
            let words = shlex::split(command).unwrap_or_else(|| panic!("{}: `{command}`", document.display()));
            match Arguments::try_parse_from(words) {
                Ok(_) => seen += 1,
                Err(error) if !error.use_stderr() => seen += 1,
                Err(error) => panic!("{}: `{command}`: {error}", document.display()),
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Returns README and every document below `docs`, except the generated reference.
fn documents() -> Vec<PathBuf> {
    let (mut found, mut folders) = (vec![root().join("README.md")], vec![root().join("docs")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md")
                && path.file_name().is_some_and(|name| name != "harness-reference.md")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the commands in the shell blocks of a document, without comments and leading variables. A pipe separates
/// commands.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut shell = false;
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            shell = language.trim() == "sh";
            continue;
        }
        if !shell {
            continue;
        }
        let line = line.split(" #").next().unwrap_or_default();
        for command in line.split([';', '|', '>']).flat_map(|part| part.split("&&")) {
            let words = command.split_whitespace();
            let words: Vec<&str> = words.skip_while(|word| is_setting(word)).collect();
            if !words.is_empty() {
                commands.push(words.join(" "));
            }
        }
    }
    commands
}

/// Returns true if the word sets a variable for the command after it.
fn is_setting(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
}

#[test]
fn commands_are_found_in_blocks_for_a_shell_alone() {
    let text = "```sh\nA_B=c harness up; harness down  # ends it\nharness plan load memory | less\n```\nharness x\n```toml\nharness = 1\n```\n";
    assert_eq!(commands(text), ["harness up", "harness down", "harness plan load memory", "less"]);
}
