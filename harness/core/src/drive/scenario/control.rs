//! Methods by which a scenario stops, pauses and restarts parts of its stack and changes their files. The history records when the last
//! instance of a service stops and when the first is back, so that checks know when the service was unavailable.

use super::{Stage, StepFailed};
use crate::stack::{Ended, ProgramEnd};
use harness_history::{Effect, Op, Outcome, Phase};
use mcp_contracts::Service;
use std::path::PathBuf;
use std::time::Duration;

/// The user and the tenant of the harness's own operations in the history.
const HARNESS: &str = "harness";

impl Stage<'_> {
    /// Ends a part at once, as `kill -9` does.
    ///
    /// # Errors
    /// The part is not running.
    pub async fn kill(&self, part: &str) -> Result<(), StepFailed> {
        self.changed_parts.lock().part(part);
        // Read before the kill, because a call may fail from that moment on.
        let since = self.recorder().now_us();
        self.stack.kill(part).await?;
        self.mark_down(part, "kill", since);
        Ok(())
    }

    /// Sends SIGTERM to a part and waits until it has ended. Records the expectation that it exits with 0.
    ///
    /// # Errors
    /// The part is not running, or it had to be killed.
    pub async fn terminate(&self, part: &str) -> Result<Ended, StepFailed> {
        let ended = self.end(part).await?;
        self.expect(&format!("`{part}` exits by itself with code 0"), ended.cleanly(), format!("{ended:?}"), &[]);
        Ok(ended)
    }

    /// Sends SIGTERM to a part and waits until it has ended, without an expectation on its exit code.
    ///
    /// # Errors
    /// The part is not running, or it had to be killed.
    pub async fn end(&self, part: &str) -> Result<Ended, StepFailed> {
        self.changed_parts.lock().part(part);
        let since = self.recorder().now_us();
        let ended = self.stack.terminate(part).await;
        // A part that had to be killed has ended too.
        if ended.is_ok() || !self.stack.is_running(part).await {
            self.mark_down(part, "stop", since);
        }
        Ok(ended?)
    }

    /// Changes environment variables of a part for its next start; `None` removes one. Needs
    /// [`Scenario::on_its_own_processes`](super::Scenario::on_its_own_processes).
    ///
    /// # Errors
    /// There is no such part.
    pub fn reconfigure(&self, part: &str, changes: &[(&str, Option<&str>)]) -> Result<(), StepFailed> {
        let previous = self.stack.reconfigure(part, changes)?;
        self.changed_parts.lock().settings(part, changes, previous);
        Ok(())
    }

    /// Runs the program of a part with other arguments, such as `backup FILE`, while the part runs. It is killed at its
    /// deadline. Needs [`Scenario::on_its_own_processes`](super::Scenario::on_its_own_processes).
    ///
    /// # Errors
    /// The program cannot be run.
    pub async fn run_program(
        &self,
        part: &str,
        arguments: &[&str],
        deadline: Duration,
    ) -> Result<ProgramEnd, StepFailed> {
        self.stack.run_program(part, arguments, deadline).await.map_err(StepFailed::from)
    }

    /// Returns the path of a file of this name in the data folder of the stack; the file need not exist.
    pub fn data_file(&self, name: &str) -> PathBuf {
        self.stack.request().dir.join("data").join(name)
    }

    /// Restarts a part at its address and with its data.
    ///
    /// # Errors
    /// The part does not become ready.
    pub async fn start_again(&self, part: &str) -> Result<(), StepFailed> {
        let since = self.recorder().now_us();
        self.stack.start_again(part).await?;
        self.mark_up(part, "start", since);
        Ok(())
    }

    /// Pauses a part. Its connections stay open, and it answers no call.
    ///
    /// # Errors
    /// The part is not running.
    pub async fn pause(&self, part: &str) -> Result<(), StepFailed> {
        self.changed_parts.lock().part(part);
        let since = self.recorder().now_us();
        self.stack.pause(part).await?;
        self.mark_down(part, "pause", since);
        Ok(())
    }

    /// Resumes a paused part.
    ///
    /// # Errors
    /// The part is not running.
    pub async fn resume(&self, part: &str) -> Result<(), StepFailed> {
        let since = self.recorder().now_us();
        self.stack.resume(part).await?;
        self.mark_up(part, "resume", since);
        Ok(())
    }

    /// Ends a part with SIGTERM, then starts it again.
    ///
    /// # Errors
    /// See [`Stage::terminate`] and [`Stage::start_again`].
    pub async fn restart(&self, part: &str) -> Result<(), StepFailed> {
        self.terminate(part).await?;
        self.start_again(part).await
    }

    /// Writes a file of rules or patterns into the folder that the service watches.
    ///
    /// # Errors
    /// The service has no such folder in this scenario.
    pub fn write_file(&self, service: Service, name: &str, text: &str) -> Result<(), StepFailed> {
        self.stack.write_file(service, name, text).map_err(StepFailed::from)
    }

    /// Removes a file of rules or patterns from the folder that the service watches.
    ///
    /// # Errors
    /// There is no such file.
    pub fn remove_file(&self, service: Service, name: &str) -> Result<(), StepFailed> {
        self.stack.remove_file(service, name).map_err(StepFailed::from)
    }

    /// Returns the names of the instances of a service.
    pub fn instances(&self, service: Service) -> Vec<String> {
        self.stack.instances(service).into_iter().map(|part| part.name).collect()
    }

    pub(super) fn mark_down(&self, part: &str, what: &str, since: u64) {
        let mut down = self.down.lock();
        down.insert(part.to_owned());
        let unavailable = self.service_of(part).filter(|service| self.all_down(*service, &down));
        drop(down);
        self.note(&format!("{what} {part}"), since, unavailable, true);
    }

    /// Records that the harness stopped parts, or that they are back.
    pub(crate) fn record_outage(&self, what: &str, parts: &[String], since_us: u64, down: bool) {
        for part in parts {
            if down {
                self.mark_down(part, what, since_us);
            } else {
                self.mark_up(part, what, since_us);
            }
        }
    }

    fn mark_up(&self, part: &str, what: &str, since: u64) {
        let mut down = self.down.lock();
        let was_unavailable = self.service_of(part).filter(|service| self.all_down(*service, &down));
        down.remove(part);
        drop(down);
        self.note(&format!("{what} {part}"), since, was_unavailable, false);
    }

    fn service_of(&self, part: &str) -> Option<Service> {
        self.stack.part(part)?.kind.service()
    }

    fn all_down(&self, service: Service, down: &std::collections::BTreeSet<String>) -> bool {
        self.stack.instances(service).iter().all(|part| down.contains(&part.name))
    }

    fn note(&self, name: &str, since: u64, service: Option<Service>, down: bool) {
        // While another instance is up, the service is available, so there is no outage that a check could excuse.
        let effect = service.map_or(Effect::None, |service| Effect::Outage { service: service.name().into(), down });
        self.recorder().record(&Op {
            process: 0,
            tenant: HARNESS.into(),
            user: HARNESS.into(),
            workspace: None,
            name: name.into(),
            phase: Phase::Setup,
            planned_us: None,
            invoke_us: since,
            complete_us: self.recorder().now_us(),
            outcome: Outcome::Ok,
            strays: Vec::new(),
            effect,
        });
    }
}
