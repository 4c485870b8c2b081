//! Builds programs in the same way as those beside the harness, and returns which of them changed.

use mcp_contracts::Service;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Interval between two checks whether the build has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Builds the programs of services; the output of the compiler goes to stderr.
pub(super) fn build(
    executable: &Path,
    services: &[Service],
    make: Option<&str>,
    cancel: &CancellationToken,
) -> Result<Vec<Service>, String> {
    let built_at = |service: &Service| -> Option<SystemTime> {
        std::fs::metadata(executable.with_file_name(service.binary())).and_then(|data| data.modified()).ok()
    };
    // cargo does not write a program again if it is up to date, so a new time means a new program.
    let before: Vec<_> = services.iter().map(built_at).collect();
    let mut command = command(services, make);
    // A parent `make` passes its job server to its children, but this process outlives that `make`.
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

/// Returns the command that builds the programs: `make` with a target, or a debug build of cargo if there is no target.
fn command(services: &[Service], make: Option<&str>) -> Command {
    let binaries: Vec<&str> = services.iter().map(|service| service.binary()).collect();
    let mut command = Command::new(if make.is_some() { "make" } else { "cargo" });
    match make {
        Some(target) => command.args(["--silent", target]).arg(format!("BINARIES={}", binaries.join(" "))),
        None => command.args(["build", "--quiet"]).args(binaries.iter().flat_map(|binary| ["--bin", binary])),
    };
    command
}

#[cfg(test)]
mod tests {
    use super::{Service, command};

    #[test]
    fn a_rebuild_uses_cargo_or_the_given_make_target() {
        let line = |make| {
            let command = command(&[Service::Memory, Service::Patterns], make);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line(None), "cargo build --quiet --bin mcp-memory --bin mcp-patterns");
        assert_eq!(line(Some("static")), "make --silent static BINARIES=mcp-memory mcp-patterns");
    }
}
