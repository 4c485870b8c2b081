//! The state of a container, as the Docker daemon reports it: its process, its exit code and its output.

use super::{Ended, STOP_DEADLINE, StackError};
use bollard::Docker;
use bollard::query_parameters::{KillContainerOptionsBuilder, LogsOptions};
use futures::TryStreamExt;
use std::time::{Duration, Instant};

/// Pause between two requests for the state of a container.
const PAUSE: Duration = Duration::from_millis(50);
/// Maximum size of a log that is read, in bytes.
const MAX_LOG_BYTES: usize = 64 << 20;
/// An exit code above this means a signal, as in a shell: Docker reports the signal in no other form.
const SIGNALLED: i64 = 128;

/// Waits until a container has ended, and returns its exit code as text.
pub(super) async fn ended(docker: &Docker, id: &str) -> String {
    loop {
        if let Some(code) = exit_code(docker, id).await {
            // The log consumer may not have written the last output yet, and the error shows the end of the log.
            tokio::time::sleep(PAUSE).await;
            return format!("exit code {code}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns the id of a running container's main process; `None` if the container is not running.
pub(super) async fn process(docker: &Docker, id: &str) -> Option<u32> {
    let state = docker.inspect_container(id, None).await.ok()?.state?;
    // Docker reports 0 for a container that is not running.
    state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0)
}

/// Returns true if a process of this machine is in the container. The daemon may run on another machine, where its
/// process ids are those of other processes than here.
pub(super) fn is_of_container(pid: u32, id: &str) -> bool {
    let groups = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.cgroups());
    // Every runtime names the control group of a container after its id.
    groups.is_ok_and(|groups| groups.0.iter().any(|group| group.pathname.contains(id)))
}

/// Sends a signal and waits until the container has ended.
pub(super) async fn end(docker: &Docker, name: &str, id: &str, signal: &str) -> Result<Ended, StackError> {
    let what = if signal == "SIGKILL" { "killed" } else { "stopped" };
    let send = async |signal: &str| {
        docker.kill_container(id, Some(KillContainerOptionsBuilder::new().signal(signal).build())).await
    };
    send(signal).await.map_err(|error| StackError::control(name, what, error))?;
    // A paused container receives the signal only when it is resumed. The call fails if the container is not paused.
    let _ = docker.unpause_container(id).await;
    let start = Instant::now();
    while start.elapsed() < STOP_DEADLINE {
        if let Some(code) = exit_code(docker, id).await {
            let signal = (code > SIGNALLED).then(|| i32::try_from(code - SIGNALLED).unwrap_or_default());
            let code = i32::try_from(code).ok().filter(|_| signal.is_none());
            return Ok(Ended { code, signal });
        }
        tokio::time::sleep(PAUSE).await;
    }
    let _ = send("SIGKILL").await;
    Err(StackError::control(name, what, format!("it did not end within {} s", STOP_DEADLINE.as_secs())))
}

/// Returns everything that a container wrote, over all its starts.
pub(super) async fn log(docker: &Docker, id: &str) -> Result<String, bollard::errors::Error> {
    let options = LogsOptions { stdout: true, stderr: true, ..LogsOptions::default() };
    let mut frames = Box::pin(docker.logs(id, Some(options)));
    let mut bytes = Vec::new();
    while let Some(frame) = frames.try_next().await? {
        bytes.extend_from_slice(&frame.into_bytes());
        if bytes.len() > MAX_LOG_BYTES {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn exit_code(docker: &Docker, id: &str) -> Option<i64> {
    let state = docker.inspect_container(id, None).await.ok()?.state?;
    (state.running == Some(false)).then(|| state.exit_code.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::is_of_container;

    #[test]
    fn a_process_with_the_number_of_a_remote_one_is_not_of_the_container() {
        assert!(!is_of_container(std::process::id(), "0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
        assert!(!is_of_container(1 << 22, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"), "no process has this number");
    }
}
