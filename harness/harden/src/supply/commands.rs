//! Commands of cargo in scripts, and whether they require the lock file.

/// Subcommands that choose packages anew if the lock file is not required.
const RESOLVING: [&str; 23] = [
    "build",
    "b",
    "test",
    "t",
    "clippy",
    "doc",
    "d",
    "bench",
    "check",
    "c",
    "run",
    "r",
    "rustc",
    "rustdoc",
    "nextest",
    "chef",
    "fix",
    "package",
    "publish",
    "miri",
    "llvm-cov",
    "zigbuild",
    "auditable",
];
/// Options of cargo before the subcommand that have a value.
const WITH_VALUE: [&str; 4] = ["-C", "-Z", "--config", "--color"];
/// Programs that print or look for what follows, and do not run it.
const PRINTING: [&str; 5] = ["echo", "printf", "command", "which", "type"];

/// Returns the commands that may change the lock file, from the name of cargo on: what is before it may be a secret.
pub(super) fn unlocked(script: &str) -> Vec<String> {
    let mut all = Vec::new();
    for command in commands(script) {
        let Some((options, words)) = cargo(&command) else { continue };
        let mut before_arguments = options.iter().chain(words.iter().take_while(|word| **word != "--"));
        let is_locked = before_arguments.any(|word| matches!(*word, "--locked" | "--frozen"));
        if resolves(&words) && !is_locked {
            all.push(format!("cargo {}", words.join(" ")));
        }
    }
    all
}

/// Returns true if a command checks with `cargo deny`, by itself or by its action, and its failure counts.
pub(super) fn runs_deny(script: &str) -> bool {
    let is_ignored = |line: &str| ["|| true", "|| :", "||true", "||:"].iter().any(|end| line.trim_end().ends_with(end));
    let joined = script.replace("\\\n", " ");
    let counted: Vec<&str> = joined.lines().filter(|line| !is_ignored(line)).collect();
    let mut commands = commands(&counted.join("\n")).into_iter();
    commands.any(|command| {
        let own = command.split_whitespace().next().is_some_and(|word| word.rsplit('/').next() == Some("cargo-deny"));
        let checks = || command.split_whitespace().any(|word| word == "check");
        let is_deny = cargo(&command).is_some_and(|(_, words)| words.first() == Some(&"deny"));
        (is_deny || own) && checks() || command.contains("/cargo-deny-action@")
    })
}

/// Returns the single commands of a script: continued lines are joined, comments are cut.
fn commands(script: &str) -> Vec<String> {
    let joined = script.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let code = lines.map(|line| line.split(" #").next().unwrap_or_default());
    code.flat_map(|line| line.split(['&', ';', '|'])).map(|command| command.trim().to_owned()).collect()
}

/// Returns the options between the name of cargo and the subcommand, and the words from the subcommand on.
fn cargo(command: &str) -> Option<(Vec<&str>, Vec<&str>)> {
    // A list of words is the other form of `RUN`, and a command may be the argument of a shell.
    let marks = ['"', '\'', '[', ']', '(', ')', '`'];
    let mut words =
        command.split([' ', '\t', ',']).map(|word| word.trim_matches(marks)).filter(|word| !word.is_empty());
    let first = words.clone().next()?.trim_start_matches(['@', '-']);
    if PRINTING.contains(&first) {
        return None;
    }
    words.find(|word| {
        let name = word.trim_start_matches(['@', '-']).rsplit('/').next().unwrap_or_default();
        matches!(name, "cargo" | "$(CARGO" | "${CARGO}" | "$CARGO")
    })?;
    let (mut options, mut rest): (Vec<&str>, Vec<&str>) = (Vec::new(), words.collect());
    while let Some(option) = rest.first().copied().filter(|word| word.starts_with(['+', '-'])) {
        options.push(rest.remove(0));
        if WITH_VALUE.contains(&option) && !rest.is_empty() {
            rest.remove(0);
        }
    }
    Some((options, rest))
}

fn resolves(words: &[&str]) -> bool {
    // A recipe of `cargo chef` is computed from the lock file and takes no package.
    words.first().is_some_and(|word| RESOLVING.contains(word)) && !matches!(words, ["chef", "prepare", ..])
}

#[cfg(test)]
mod tests {
    use super::{runs_deny, unlocked};

    #[test]
    fn only_commands_that_choose_packages_need_the_lock_file() {
        for command in [
            "cargo test --lib",
            "@cargo doc",
            "cargo +stable build",
            "$(CARGO) build",
            "cargo -q build",
            "cargo --config a=b b",
            "cargo nextest run",
            "cargo build # --locked later",
            "cargo test -- --locked",
            "TOKEN=hunter2 cargo run",
            "cargo fmt --all && cargo check",
            "RUN cargo build --release \\\n  --bins",
            "(cargo build)",
            "RUN [\"cargo\", \"build\"]",
            "RUN [\"cargo\",\"build\"]",
            "sh -c \"cargo build\"",
            "cargo llvm-cov",
        ] {
            let found = unlocked(command);
            assert!(found.len() == 1 && !found[0].contains("hunter2"), "{command}: {found:?}");
        }
        for command in [
            "# cargo build",
            "\tcargo build --locked",
            "cargo +stable test --frozen -- a",
            "cargo --locked build",
            "cargo +stable -q --frozen test",
            "RUN cargo chef prepare",
            "RUN cargo build --release \\\n    --locked",
            "@echo \"run cargo build first\"",
            "command -v cargo build",
            "cargo install cargo-deny",
            "cargo fmt --all",
            "mycargo build",
        ] {
            assert_eq!(unlocked(command), Vec::<String>::new(), "{command}");
        }
    }

    #[test]
    fn a_comment_does_not_run_cargo_deny() {
        for command in [
            "cargo deny check",
            "cargo deny --offline check bans",
            "uses: a/cargo-deny-action@v1",
            "a && /bin/cargo-deny check",
        ] {
            assert!(runs_deny(command), "{command}");
        }
        for command in [
            "# cargo deny check",
            "echo cargo deny",
            "make # cargo deny",
            "cargo install cargo-deny@1",
            "cargo deny --version",
            "cargo deny check || true",
        ] {
            assert!(!runs_deny(command), "{command}");
        }
    }
}
