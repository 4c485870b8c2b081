//! Builds programs the way those beside the harness were built, and says which are others now.

use mcp_contracts::Service;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Pause between two looks whether it is done.
const PAUSE: Duration = Duration::from_millis(20);

/// Builds the programs of services; what the compiler says goes to stderr.
pub(super) fn build(
    executable: &Path,
    services: &[Service],
    cancel: &CancellationToken,
) -> Result<Vec<Service>, String> {
    let built_at = |service: &Service| -> Option<SystemTime> {
        std::fs::metadata(executable.with_file_name(service.binary())).and_then(|data| data.modified()).ok()
    };
    let before: Vec<_> = services.iter().map(built_at).collect();
    let mut command = command(executable, services);
    // What a make above this one shares with its children ends with it.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("{:?} cannot be run: {error}", command.get_program()))?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(Some(_)) => return Err("see above".to_owned()),
            Ok(None) if cancel.is_cancelled() => {
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return Err("interrupted".to_owned());
            }
            Ok(None) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.to_string()),
        }
    }
    let after = services.iter().map(built_at);
    Ok(services
        .iter()
        .zip(before.into_iter().zip(after))
        .filter(|(_, (a, b))| a != b)
        .map(|(service, _)| *service)
        .collect())
}

/// A debug build is cargo's own; how a release is built, the Makefile knows.
fn command(executable: &Path, services: &[Service]) -> Command {
    let binaries: Vec<&str> = services.iter().map(|service| service.binary()).collect();
    let debug = executable.parent().is_some_and(|folder| folder.ends_with("debug"));
    let mut command = Command::new(if debug { "cargo" } else { "make" });
    if debug {
        command.args(["build", "--quiet"]).args(binaries.iter().flat_map(|binary| ["--bin", binary]));
    } else {
        command.args(["--silent", "release"]).arg(format!("BINARIES={}", binaries.join(" ")));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::{Path, Service, command};

    #[test]
    fn a_build_is_made_as_the_one_before() {
        let line = |executable: &str| {
            let command = command(Path::new(executable), &[Service::Memory, Service::Patterns]);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("/t/debug/harness"), "cargo build --quiet --bin mcp-memory --bin mcp-patterns");
        assert_eq!(line("/t/triple/release/harness"), "make --silent release BINARIES=mcp-memory mcp-patterns");
    }
}
