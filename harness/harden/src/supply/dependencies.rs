//! Packages: a build takes those of the lock file, from the registry alone, under allowed licences.

use super::commands::{runs_deny, unlocked};
use super::workflows::scripts;
use super::{NEEDS, WORKFLOWS, is_commit};
use harness_core::drive::hardening::{FileCase, HardeningCheck, Lane, Probe, Stop};
use serde_json::Value;
use std::future::ready;

const LOCK: &str = "Cargo.lock";
/// Places in which `cargo deny` looks for its rules.
const RULES: [&str; 3] = ["deny.toml", ".deny.toml", ".cargo/deny.toml"];
/// Files with commands of a build, besides the workflows and the scripts in `.ci`.
const BUILDS: [&str; 4] = ["Makefile", "Dockerfile", "justfile", "build.sh"];

pub(crate) const LOCKED: HardeningCheck = HardeningCheck {
    id: "MCP-SUP-02",
    title: "a build takes exactly the packages of the lock file, and licences, sources and bans are checked",
    score: 6.5,
    why: "Without the lock file a build takes the newest version of each package, even one that an attacker has just published.",
    sources: &["OWASP MCP04:2025", "SLSA 1.0, dependencies", "CWE-1104", "CWE-829"],
    needs: NEEDS,
    how: "Reads the lock file, which git must not ignore, and in which each package of a registry must have a checksum and each one of a repository a commit; the commands of Makefile, Dockerfile, justfile, build.sh, the workflows and the scripts in `.ci`, which must use `--locked`; and `deny.toml`, which must list licences, deny wildcards and unknown sources, and be used.",
    remedy: "Commit the lock file, add `--locked` to every command of cargo that chooses packages, and run `cargo deny`.",
    fix_in: &["deny.toml", "Makefile"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(ready(locked(probe))),
};

fn locked(probe: &Probe<'_>) -> Result<(), Stop> {
    // Without a manifest it is no workspace of Rust, and the check is about its packages.
    probe.read_file("Cargo.toml")?;
    let case = |file: &str, case: &str, wrong: &[String], fact: &str, effect: &str| {
        let (holds, excerpt) = (wrong.is_empty(), wrong.join("\n"));
        probe.judge_file(FileCase { file, case, holds, fact, effect, excerpt: &excerpt });
    };
    let lock = parsed(probe.find_file(LOCK)?, LOCK)?;
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
        "it is committed",
        &hidden(&probe.find_file(".gitignore")?.unwrap_or_default()),
        "`.gitignore` excludes it",
        "each clone chooses its own versions",
    );
    case(
        LOCK,
        "each package has a checksum",
        &unsigned(&packages),
        "a package has neither a checksum nor a commit",
        "its content can change without a trace",
    );
    probe.count_control();
    let mut used = false;
    let workflows = probe.files_in(WORKFLOWS, &[".yml", ".yaml"])?;
    let others = probe.files_in(".ci", &[""])?;
    for file in BUILDS.into_iter().map(str::to_owned).chain(others).chain(workflows) {
        let Some(text) = probe.find_file(&file)? else { continue };
        let is_workflow = file.starts_with(WORKFLOWS);
        let commands = if is_workflow { scripts(&file, &text)? } else { text };
        used |= runs_deny(&commands);
        case(
            &file,
            "commands of cargo require the lock file",
            &unlocked(&commands),
            "a command has no `--locked`",
            "it may change the lock file and take other packages",
        );
    }
    let (rules_file, rules) = rules_of(probe)?;
    case(
        rules_file,
        "licences, wildcards and sources have rules",
        &lax(&rules),
        "a rule is missing",
        "a package of any licence and any source is taken",
    );
    let unused: Vec<String> = (!used).then(|| "no file runs `cargo deny`".to_owned()).into_iter().collect();
    case(rules_file, "something applies the rules", &unused, "no command runs `cargo deny`", "the rules are a text");
    Ok(())
}

/// Returns the first file with rules of `cargo deny`, and the rules.
fn rules_of(probe: &Probe<'_>) -> Result<(&'static str, Value), Stop> {
    for file in RULES {
        if let Some(text) = probe.find_file(file)? {
            return Ok((file, parsed(Some(text), file)?));
        }
    }
    Ok((RULES[0], Value::Null))
}

/// Returns the tree of a file; null if there is no such file.
fn parsed(text: Option<String>, file: &str) -> Result<Value, Stop> {
    let Some(text) = text else { return Ok(Value::Null) };
    toml::from_str(&text).map_err(|error| Stop::Unclear(format!("`{file}` is not TOML: {error}")))
}

/// Returns the patterns of `.gitignore` that exclude the lock file. The last one that matches decides.
fn hidden(ignored: &str) -> Vec<String> {
    let mut patterns = ignored.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let last = patterns.rfind(|line| {
        let name = line.trim_start_matches('!').trim_start_matches("**/").trim_start_matches('/');
        matches!(name, "Cargo.lock" | "*.lock")
    });
    last.filter(|line| !line.starts_with('!')).map(str::to_owned).into_iter().collect()
}

/// Returns the packages of others that nothing identifies. Those of the workspace have no source.
fn unsigned(packages: &[&Value]) -> Vec<String> {
    let has_commit = |package: &Value| {
        let commit = package["source"].as_str().and_then(|source| source.strip_prefix("git+")?.rsplit_once('#'));
        commit.is_some_and(|(_, commit)| is_commit(commit))
    };
    let of_others = packages.iter().filter(|package| package["source"].is_string());
    let unsigned = of_others.filter(|package| !package["checksum"].is_string() && !has_commit(package));
    // The source is omitted, because a URL may have a password.
    unsigned.map(|package| package["name"].to_string()).collect()
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
    use super::{hidden, lax, unsigned};
    use serde_json::json;

    #[test]
    fn packages_of_others_need_a_checksum_or_a_commit() {
        let (own, other) = (json!({ "name": "a" }), json!({ "name": "b", "source": "registry", "checksum": "1" }));
        let git = json!({ "name": "c", "source": "git+https://example.org/c" });
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let pinned = json!({ "name": "d", "source": format!("git+https://example.org/d?rev=0123#{commit}") });
        assert_eq!(unsigned(&[&own, &other, &git, &pinned]), ["\"c\""]);
    }

    #[test]
    fn a_lock_file_that_git_ignores_is_not_committed() {
        assert_eq!(hidden("/target\n/Cargo.lock\n"), ["/Cargo.lock"]);
        assert_eq!(hidden("*.lock"), ["*.lock"]);
        for ignored in ["", "# Cargo.lock", "*.lock\n!Cargo.lock", "/target"] {
            assert_eq!(hidden(ignored), Vec::<String>::new(), "{ignored}");
        }
    }

    #[test]
    fn missing_rules_are_named() {
        assert_eq!(lax(&json!({ "licenses": { "allow": ["MIT"] }, "bans": { "wildcards": "deny" } })).len(), 2);
    }
}
