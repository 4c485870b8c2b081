//! The code, the example file, the compose file and the manual name the same environment variables. Reports each name
//! that one of them lacks, and each name that the code does not read.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::env;
use std::collections::BTreeSet;
use std::path::Path;

const EXAMPLE: &str = ".env.mcp.local.example";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn names_in_code() -> BTreeSet<String> {
    env::ALL.iter().map(|variable| variable.name.to_owned()).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Names in the example file, set or commented out, each with the comment above it.
fn names_in_example(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let assignment = |line: &str| {
        let (name, _) = line.strip_prefix('#').unwrap_or(line).split_once('=')?;
        is_name(name).then(|| name.to_owned())
    };
    let with_comment = lines.iter().enumerate().filter_map(|(at, line)| {
        let above = at.checked_sub(1).and_then(|at| lines[at].strip_prefix("# ")).unwrap_or_default();
        assignment(line).map(|name| (name, above.to_owned()))
    });
    with_comment.collect()
}

/// Names in the compose file: the environment of the services, and the variables that are substituted.
fn names_in_compose(text: &str) -> BTreeSet<String> {
    let compose: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let environments =
        compose["services"].as_object().unwrap().values().filter_map(|service| service["environment"].as_object());
    let set = environments.flat_map(|environment| environment.keys().cloned());
    let substituted = text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()).map(str::to_owned);
    set.chain(substituted).collect()
}

/// Names in the first column of the manual's table of settings.
fn names_in_manual(text: &str) -> BTreeSet<String> {
    let section = text.split("\n## Settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.filter(|name| is_name(name)).map(str::to_owned).collect()
}

/// Returns the names that a file lacks, and the names in it that the code does not read.
fn differences(place: &str, names: &BTreeSet<String>) -> Vec<String> {
    let known = names_in_code();
    let missing = known.difference(names).map(|name| format!("{place} lacks {name}"));
    let surplus = names.difference(&known).map(|name| format!("{place} names {name}, which nothing reads"));
    missing.chain(surplus).collect()
}

#[test]
fn example_compose_file_and_manual_name_what_the_code_reads() {
    let example: BTreeSet<String> = names_in_example(&read(EXAMPLE)).into_iter().map(|(name, _)| name).collect();
    let mut lines = differences(EXAMPLE, &example);
    lines.extend(differences("docker-compose.yml", &names_in_compose(&read("docker-compose.yml"))));
    lines.extend(differences("docs/mcp/OPERATIONS.md", &names_in_manual(&read("docs/mcp/OPERATIONS.md"))));
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn the_example_has_the_description_and_the_default_of_every_variable() {
    let text = read(EXAMPLE);
    for (name, comment) in names_in_example(&text) {
        let variable = env::ALL.iter().find(|variable| variable.name == name).unwrap();
        assert_eq!(comment, variable.about, "{name}");
        if let Some(default) = variable.default {
            assert!(text.lines().any(|line| line == format!("{name}={default}")), "{name} should be {default}");
        }
    }
}

#[test]
fn a_missing_name_and_an_unknown_name_are_reported() {
    let example = read(EXAMPLE).replace("\nLOG_LEVEL=", "\nLOG_LEVLE=");
    let names = names_in_example(&example).into_iter().map(|(name, _)| name).collect();
    assert_eq!(differences("it", &names), ["it lacks LOG_LEVEL", "it names LOG_LEVLE, which nothing reads"]);
    let compose =
        read("docker-compose.yml").replace("      LLM_MODEL:\n", "").replace("${ALLOWED_HOSTS:-}", "${HOSTS:-}");
    assert_eq!(
        differences("it", &names_in_compose(&compose)),
        ["it lacks LLM_MODEL", "it names HOSTS, which nothing reads"]
    );
    let manual = read("docs/mcp/OPERATIONS.md").replace("| `RULES_DIR` |", "| `RULES` |");
    assert_eq!(
        differences("it", &names_in_manual(&manual)),
        ["it lacks RULES_DIR", "it names RULES, which nothing reads"]
    );
}
