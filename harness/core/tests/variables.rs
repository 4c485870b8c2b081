//! The names of the settings: the code's table, the example file, the compose file and the manual name the same set, and a name that one of
//! them lacks or has too much is told.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use mcp_contracts::env;
use std::collections::BTreeSet;
use std::path::Path;

const EXAMPLE: &str = ".env.mcp.local.example";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn known() -> BTreeSet<String> {
    env::ALL.iter().map(|variable| variable.name.to_owned()).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Names of the example file, set or behind a `#`, each with the comment above it.
fn of_example(text: &str) -> Vec<(String, String)> {
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

/// Names of the compose file: what services are given, and what is taken from the file of settings.
fn of_compose(text: &str) -> BTreeSet<String> {
    let compose: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let environments =
        compose["services"].as_object().unwrap().values().filter_map(|service| service["environment"].as_object());
    let given = environments.flat_map(|environment| environment.keys().cloned());
    let taken = text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()).map(str::to_owned);
    given.chain(taken).collect()
}

/// Names in the first column of the manual's table of settings.
fn of_manual(text: &str) -> BTreeSet<String> {
    let section = text.split("\n## Settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.filter(|name| is_name(name)).map(str::to_owned).collect()
}

/// What a place lacks and what it has too much.
fn differences(place: &str, names: &BTreeSet<String>) -> Vec<String> {
    let known = known();
    let missing = known.difference(names).map(|name| format!("{place} lacks {name}"));
    let surplus = names.difference(&known).map(|name| format!("{place} names {name}, which nothing reads"));
    missing.chain(surplus).collect()
}

#[test]
fn example_compose_file_and_manual_name_what_the_code_reads() {
    let example: BTreeSet<String> = of_example(&read(EXAMPLE)).into_iter().map(|(name, _)| name).collect();
    let mut lines = differences(EXAMPLE, &example);
    lines.extend(differences("docker-compose.yml", &of_compose(&read("docker-compose.yml"))));
    lines.extend(differences("docs/mcp/OPERATIONS.md", &of_manual(&read("docs/mcp/OPERATIONS.md"))));
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn the_example_says_of_every_variable_what_the_code_says_and_sets_its_default() {
    let text = read(EXAMPLE);
    for (name, comment) in of_example(&text) {
        let variable = env::ALL.iter().find(|variable| variable.name == name).unwrap();
        assert_eq!(comment, variable.about, "{name}");
        if let Some(default) = variable.default {
            assert!(text.lines().any(|line| line == format!("{name}={default}")), "{name} should be {default}");
        }
    }
}

#[test]
fn a_name_too_few_and_a_name_too_many_are_told() {
    let example = read(EXAMPLE).replace("\nLOG_LEVEL=", "\nLOG_LEVLE=");
    let names = of_example(&example).into_iter().map(|(name, _)| name).collect();
    assert_eq!(differences("it", &names), ["it lacks LOG_LEVEL", "it names LOG_LEVLE, which nothing reads"]);
    let compose =
        read("docker-compose.yml").replace("      LLM_MODEL:\n", "").replace("${ALLOWED_HOSTS:-}", "${HOSTS:-}");
    assert_eq!(differences("it", &of_compose(&compose)), ["it lacks LLM_MODEL", "it names HOSTS, which nothing reads"]);
    let manual = read("docs/mcp/OPERATIONS.md").replace("| `RULES_DIR` |", "| `RULES` |");
    assert_eq!(differences("it", &of_manual(&manual)), ["it lacks RULES_DIR", "it names RULES, which nothing reads"]);
}
