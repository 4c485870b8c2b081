//! Runs the real program in a folder of its own, and returns its output.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Variables of a CI that would change the output of the program.
const CI_VARIABLES: [&str; 4] = ["JWT_SECRET", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "BROWSER"];

/// The harness, with the services' programs beside it.
pub(crate) fn harness() -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness"));
    let service = program.with_file_name("mcp-memory");
    assert!(service.is_file(), "{} is not there: cargo build --workspace --bins", service.display());
    let mut command = Command::new(program);
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    for name in CI_VARIABLES {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    harness().current_dir(folder).args(arguments).output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
