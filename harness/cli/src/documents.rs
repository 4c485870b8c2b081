//! Holds the documents equal to the arguments: the reference is generated from them, and every `harness` command in a document parses.

use crate::arguments::Arguments;
use clap::Parser;
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
    let current = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), current, "run this test with UPDATE_REFERENCE=1");
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

/// README and every page below `docs` that is not generated.
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

/// The commands in the shell blocks of a document, without comments, leading variables and what follows a pipe.
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
