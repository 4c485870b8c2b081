//! Packages: a build takes those of the lock file, from the registry alone, under allowed licences.

use super::{NEEDS, WORKFLOWS};
use harness_core::drive::hardening::{FileCase, HardeningCheck, Probe, Stop};
use serde_json::Value;
use std::future::ready;

const LOCK: &str = "Cargo.lock";
const RULES: &str = "deny.toml";
/// Files with commands of a build.
const BUILDS: [&str; 3] = ["Makefile", "Dockerfile", "infra/images/build"];
/// Subcommands that choose packages anew if the lock file is not required.
const RESOLVING: [&str; 9] = ["build", "test", "clippy", "doc", "bench", "check", "run", "install", "chef"];

pub(crate) const LOCKED: HardeningCheck = HardeningCheck {
    id: "MCP-SUP-02",
    title: "a build takes exactly the packages of the lock file, and licences, sources and bans are checked",
    score: 6.5,
    why: "Without the lock file a build takes what was published a minute ago, by the present holder of each name.",
    sources: &["OWASP MCP04:2025", "SLSA 1.0, dependencies", "CWE-1104", "CWE-829"],
    needs: NEEDS,
    how: "Reads the lock file, in which each package of a registry must have a checksum; the commands of Makefile, Dockerfile and workflows, which must use `--locked`; and `deny.toml`, which must list licences, deny wildcards and unknown sources, and be used.",
    remedy: "Commit the lock file, add `--locked` to every command of cargo, and run `cargo deny`.",
    fix_in: &["deny.toml", "Makefile"],
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(ready(locked(probe))),
};

fn locked(probe: &Probe<'_>) -> Result<(), Stop> {
    // Without a manifest it is no workspace of Rust, and the check is about its packages.
    probe.read_file("Cargo.toml")?;
    let case = |file: &str, case: &str, wrong: &[String], fact: &str, effect: &str| {
        let (holds, excerpt) = (wrong.is_empty(), wrong.join("\n"));
        probe.judge_file(FileCase { file, case, holds, fact, effect, excerpt: &excerpt });
    };
    let lock = probe.read_file(LOCK).ok().and_then(|text| toml::from_str::<Value>(&text).ok()).unwrap_or_default();
    let packages: Vec<&Value> = lock["package"].as_array().into_iter().flatten().collect();
    let none: Vec<String> = packages.is_empty().then(|| "no packages".to_owned()).into_iter().collect();
    case(
        LOCK,
        "it lists the packages",
        &none,
        "there is no lock file with packages",
        "each build chooses its own versions",
    );
    case(
        LOCK,
        "each package has a checksum",
        &unsigned(&packages),
        "a package has no checksum or comes from a repository",
        "its content can change without a trace",
    );
    probe.controlled();
    let workflows = probe.files_in(WORKFLOWS, &[".yml", ".yaml"])?;
    for file in BUILDS.into_iter().map(str::to_owned).chain(workflows) {
        let Ok(text) = probe.read_file(&file) else { continue };
        case(
            &file,
            "commands of cargo require the lock file",
            &unlocked(&text),
            "a command has no `--locked`",
            "it may change the lock file and take other packages",
        );
    }
    let rules = probe.read_file(RULES).ok().and_then(|text| toml::from_str::<Value>(&text).ok()).unwrap_or_default();
    case(
        RULES,
        "licences, wildcards and sources have rules",
        &lax(&rules),
        "a rule is missing",
        "a package of any licence and any source is taken",
    );
    let commands = [".github/workflows", ".ci"]
        .into_iter()
        .map(|folder| probe.files_in(folder, &[""]))
        .collect::<Result<Vec<_>, _>>()?;
    let used = commands.concat().into_iter().chain(BUILDS.map(str::to_owned)).any(|file| {
        probe.read_file(&file).is_ok_and(|text| text.contains("cargo deny") || text.contains("cargo-deny"))
    });
    let unused: Vec<String> = (!used).then(|| "no file runs `cargo deny`".to_owned()).into_iter().collect();
    case(RULES, "something applies the rules", &unused, "no command runs `cargo deny`", "the rules are a text");
    Ok(())
}

/// Returns the packages of others without a checksum. Those of the workspace have no source.
fn unsigned(packages: &[&Value]) -> Vec<String> {
    let of_others = packages.iter().filter(|package| package["source"].is_string());
    let unsigned = of_others.filter(|package| !package["checksum"].is_string());
    unsigned.map(|package| format!("{} {}", package["name"], package["source"])).collect()
}

/// Returns the commands that may change the lock file. Comments are no commands.
fn unlocked(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let commands = lines.flat_map(|line| line.split(['&', ';', '|']));
    let resolves = |command: &&str| {
        let mut words = command.split_whitespace().skip_while(|word| !word.ends_with("cargo")).skip(1);
        words.next().is_some_and(|word| RESOLVING.contains(&word))
    };
    // A recipe of `cargo chef` is computed from the lock file and takes no package.
    let is_recipe = |command: &&str| command.contains("chef prepare");
    let is_locked = |command: &&str| command.contains("--locked") || command.contains("--frozen");
    commands
        .filter(resolves)
        .filter(|command| !is_locked(command) && !is_recipe(command))
        .map(|command| command.trim().to_owned())
        .collect()
}

/// Returns the rules that `deny.toml` lacks.
fn lax(rules: &Value) -> Vec<String> {
    let licences = rules["licenses"]["allow"].as_array().is_some_and(|list| !list.is_empty());
    [
        ("[licenses] allow", licences),
        ("[bans] wildcards = \"deny\"", rules["bans"]["wildcards"] == "deny"),
        ("[sources] unknown-registry = \"deny\"", rules["sources"]["unknown-registry"] == "deny"),
        ("[sources] unknown-git = \"deny\"", rules["sources"]["unknown-git"] == "deny"),
    ]
    .into_iter()
    .filter(|(_, is_there)| !is_there)
    .map(|(rule, _)| rule.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{lax, unlocked, unsigned};
    use serde_json::json;

    #[test]
    fn only_commands_that_choose_packages_need_the_lock_file() {
        let text = "# cargo build\n\tcargo build --locked\n\tcargo fmt --all && cargo test --lib\nRUN cargo chef prepare\n@cargo doc\n";
        assert_eq!(unlocked(text), ["cargo test --lib", "@cargo doc"]);
    }

    #[test]
    fn packages_of_others_need_a_checksum() {
        let (own, other) = (json!({ "name": "a" }), json!({ "name": "b", "source": "registry", "checksum": "1" }));
        let git = json!({ "name": "c", "source": "git+https://example.org/c" });
        assert_eq!(unsigned(&[&own, &other, &git]), ["\"c\" \"git+https://example.org/c\""]);
    }

    #[test]
    fn missing_rules_are_named() {
        assert_eq!(lax(&json!({ "licenses": { "allow": ["MIT"] }, "bans": { "wildcards": "deny" } })).len(), 2);
    }
}
