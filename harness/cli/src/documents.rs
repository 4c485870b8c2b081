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
fn the_reference_is_that_of_the_arguments() {
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
that prove it. `unknown`: the evidence is missing or leaves a violation open, or the check itself failed. `pass`: something was judged, and nothing
contradicts it. The verdict of a run is the worst of its findings.

All checks share these limits:

- They judge what the harness sent and received. What no call of the run touched is not judged.
- A call without an answer may have taken effect or not; a check judges only what holds in either case.
- Times are those of the harness. A stall of more than 50 ms of the process that makes the calls is recorded, and calls that overlap it are not judged for
  time. While stalls or other processes overlap more than 5 % of the calls, or the driver was the limit, a broken bound is `unknown`; a violation of
  safety is `fail` all the same (decision 0027).
- A content is compared by a 64-bit digest.

Beside these checks every run has the finding `run-is-evidence`. Of a load it proves that calls succeeded and were recorded to the end, that at least
99 % of the planned arrivals were sent, and that the driver was neither saturated nor late; of a scenario, that it was played to its end. It never
fails: without it a run is unknown. It sees totals, the busiest second of the driver and the 99th percentile of the send lag, so that a short pause of
the driver passes.
";

#[test]
fn the_page_of_the_checks_is_that_of_the_list() {
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
