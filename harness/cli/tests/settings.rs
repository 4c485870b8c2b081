//! `harness.toml`: written once, never over an existing file, and rejected as a whole if it has a problem.

#[path = "support/program.rs"]
mod program;

use program::{code, run, text};

#[test]
fn the_default_never_overwrites_an_existing_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("harness.toml");
    let first = run(folder.path(), &["init"]);
    assert_eq!(code(&first), 0, "{}", text(&first));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), harness_core::plan::settings::DEFAULT);
    std::fs::write(&file, "[runs]\nkeep = 3\n").unwrap();
    let again = run(folder.path(), &["init"]);
    assert_eq!(code(&again), 64, "{}", text(&again));
    assert!(text(&again).contains("exists already") && text(&again).contains("hint: `--force`"), "{}", text(&again));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[runs]\nkeep = 3\n");
    assert_eq!(code(&run(folder.path(), &["init", "--force"])), 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), harness_core::plan::settings::DEFAULT);
    let nowhere = run(folder.path(), &["init", "no/such/folder.toml"]);
    assert!(code(&nowhere) == 64 && text(&nowhere).contains("cannot be written"), "{}", text(&nowhere));
}

#[test]
fn every_problem_of_the_settings_is_reported_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "[gate.ci.load]\nuser = 3\nrun = \"memroy\"\n[gate.ci.scenarios]\nrun = [\"quotas\"]\n";
    std::fs::write(folder.path().join("harness.toml"), wrong).unwrap();
    let output = run(folder.path(), &["gate"]);
    assert_eq!(code(&output), 64, "{}", text(&output));
    for expected in [
        "harness.toml:2: `gate.ci.load.user`: unknown key; did you mean `users`?",
        "harness.toml:3: `gate.ci.load.run`: there is no workload `memroy`; did you mean `memory`?",
        "harness.toml:5: `gate.ci.scenarios.run`: there is no scenario `quotas`; did you mean `quota`?",
    ] {
        assert!(text(&output).contains(expected), "`{expected}` is missing in {}", text(&output));
    }
    let missing = run(folder.path(), &["gate", "--settings", "other.toml"]);
    assert!(code(&missing) == 64 && text(&missing).contains("hint: `harness init`"), "{}", text(&missing));
    let empty = "[gate.ci.load]\nrun = \"\"\n[gate.ci.scenarios]\nrun = []\n[gate.ci.experiments]\nrun = []\n[gate.ci.hardening]\nrun = \"none\"\n";
    std::fs::write(folder.path().join("harness.toml"), empty).unwrap();
    let nothing = run(folder.path(), &["gate"]);
    assert!(code(&nothing) == 64 && text(&nothing).contains("has no phase"), "{}", text(&nothing));
    std::fs::write(folder.path().join("harness.toml"), "").unwrap();
    assert_eq!(code(&run(folder.path(), &["gate", "--profile", "night"])), 64);
    assert!(!folder.path().join("runs").exists(), "something was started");
}
