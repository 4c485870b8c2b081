//! The outcomes of workflows in memory. The orchestrator stores each outcome at once, or later from its outbox; after the load, memory must have the
//! outcome of every acknowledged workflow, once. The counters of the outbox cannot show this: a delivery that memory acknowledged counts as delivered.

use crate::drive::scenario::{Actor, Stage};
use crate::drive::token::Grant;
use harness_history::{Effect, Op, Outcome, WorkflowEnd};
use mcp_contracts::memory::tool;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tag of the memories of the general agent, which runs every workflow of a load.
const TAG: &str = "brief";
/// Name of the step that stores the outcome.
const STEP: &str = "remember";
/// Largest page of a list.
const PAGE: u32 = 100;
/// Maximum number of pages of one user: a cursor that never ends must not keep the run alive.
const MAX_PAGES: u32 = 200;
/// Pause between two looks at memory while outcomes are missing.
const PAUSE: Duration = Duration::from_millis(500);

/// Organisation and name of a user.
type Owner = (Arc<str>, Arc<str>);

/// The executions that were acknowledged and have an outcome to remember, by their users.
#[derive(Default)]
pub(super) struct Outcomes {
    executions: Mutex<BTreeMap<Owner, BTreeSet<Arc<str>>>>,
}

impl Outcomes {
    /// Adds the execution of an acknowledged workflow. A workflow without an answer may or may not have an outcome.
    pub(super) fn add(&self, op: &Op) {
        let (Outcome::Ok, Effect::Workflow(workflow)) = (&op.outcome, &op.effect) else { return };
        let ended = matches!(workflow.status, WorkflowEnd::Completed | WorkflowEnd::Degraded);
        // If the step failed, the reply says so, and the client knows that the outcome is not stored.
        let stores = !workflow.fallbacks.iter().any(|step| **step == *STEP);
        if let Some(execution) = workflow.execution.as_ref().filter(|_| ended && stores) {
            let owner = (Arc::clone(&op.tenant), Arc::clone(&op.user));
            self.executions.lock().entry(owner).or_default().insert(Arc::clone(execution));
        }
    }

    /// Expects that memory has every outcome within this time, and none of them twice.
    pub(super) async fn expect<'s>(&self, stage: &'s Stage<'s>, grants: &[Grant], within: Duration) {
        let mut users: Vec<Remembered<'_>> = Vec::new();
        let by_user = self.executions.lock().clone();
        for ((tenant, user), executions) in by_user {
            let grant = grants.iter().find(|grant| *grant.organisation == *tenant && *grant.user == *user);
            let Some(grant) = grant.cloned() else { continue };
            let (found, unread) = (BTreeMap::new(), None);
            users.push(Remembered { reader: stage.final_reader(grant), executions, found, unread, ops: Vec::new() });
        }
        let (start, mut looks) = (Instant::now(), 0);
        while users.iter().any(|user| user.missing().next().is_some()) && (looks == 0 || start.elapsed() < within) {
            if looks > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            looks += 1;
            for user in users.iter_mut().filter(|user| user.missing().next().is_some()) {
                user.list_remembered().await;
            }
        }
        let waited = start.elapsed();
        // Once more for all: a second copy may have arrived after the first one was seen.
        for user in &mut users {
            user.list_remembered().await;
        }
        report(stage, &users, waited, looks);
    }
}

/// The outcomes of one user in memory.
struct Remembered<'s> {
    reader: Actor<'s>,
    /// The executions whose outcomes must be there.
    executions: BTreeSet<Arc<str>>,
    /// The number of outcomes of each execution in the last list.
    found: BTreeMap<String, u32>,
    /// Why the last list could not be read.
    unread: Option<String>,
    /// Positions of the pages of the last list.
    ops: Vec<u64>,
}

impl Remembered<'_> {
    /// Lists the outcomes of the user, page after page.
    async fn list_remembered(&mut self) {
        (self.found, self.unread, self.ops) = (BTreeMap::new(), None, Vec::new());
        let mut cursor = Value::Null;
        for _ in 0..MAX_PAGES {
            let mut arguments = json!({ "tags": [TAG], "limit": PAGE });
            if cursor.is_string() {
                arguments["cursor"] = cursor;
            }
            let reply = self.reader.call(tool::LIST, arguments).await;
            self.ops.push(reply.op());
            if !reply.is_ok() {
                self.unread = Some(format!("a list of its outcomes ended with {:?}", reply.outcome()));
                return;
            }
            for execution in executions(reply.value()) {
                *self.found.entry(execution.to_owned()).or_default() += 1;
            }
            cursor = reply["nextCursor"].clone();
            if !cursor.is_string() {
                return;
            }
        }
        self.unread = Some(format!("a list of its outcomes has more than {MAX_PAGES} pages"));
    }

    fn missing(&self) -> impl Iterator<Item = &Arc<str>> {
        self.executions.iter().filter(|execution| !self.found.contains_key(&***execution))
    }

    fn twice(&self) -> impl Iterator<Item = &str> {
        self.found.iter().filter(|(_, count)| **count > 1).map(|(execution, _)| execution.as_str())
    }
}

/// Returns the execution of each memory in a page.
fn executions(page: &Value) -> impl Iterator<Item = &str> {
    let memories = page["memories"].as_array().into_iter().flatten();
    memories.filter_map(|memory| memory["metadata"]["executionId"].as_str())
}

fn report(stage: &Stage<'_>, users: &[Remembered<'_>], waited: Duration, looks: u32) {
    let present = "memory has the outcome of every acknowledged workflow";
    let unread = users.iter().find_map(|user| Some((user, user.unread.as_ref()?)));
    if let Some((user, why)) = unread {
        return stage.record_unknown(present, format!("`{}`: {why}", user.reader.grant().user));
    }
    let all: usize = users.iter().map(|user| user.executions.len()).sum();
    if all == 0 {
        return stage.record_unknown(present, "no workflow with an outcome was acknowledged");
    }
    let (count, example, ops) = violations(users, |user| user.missing().map(|execution| &**execution).collect());
    let seen = format!("{} of {all} after {} ms{example}", all - count, waited.as_millis());
    stage.expect_by(present, count == 0, (waited, looks), &seen, &ops);
    let (count, example, ops) = violations(users, |user| user.twice().collect());
    stage.expect("no outcome is in memory twice", count == 0, format!("{count} twice{example}"), &ops);
}

/// Returns the number of executions that `of` chooses, the first of them in words, and the pages that prove it.
fn violations<'u>(
    users: &'u [Remembered<'_>],
    of: impl Fn(&'u Remembered<'_>) -> Vec<&'u str>,
) -> (usize, String, Vec<u64>) {
    let (mut count, mut example, mut ops) = (0, String::new(), Vec::new());
    for user in users {
        let chosen = of(user);
        if let (Some(execution), 0) = (chosen.first(), count) {
            example = format!("; the first: execution `{execution}` of `{}`", user.reader.grant().user);
            ops.clone_from(&user.ops);
        }
        count += chosen.len();
    }
    (count, example, ops)
}

#[cfg(test)]
mod tests {
    use super::{Outcomes, executions};
    use harness_history::{Effect, ErrorKind, Op, Outcome, Phase, Workflow, WorkflowEnd};
    use serde_json::json;

    fn op(execution: &str, status: WorkflowEnd, fallback: &str, outcome: Outcome) -> Op {
        let workflow =
            Workflow { execution: Some(execution.into()), fallbacks: vec![fallback.into()], ..Workflow::ended(status) };
        Op {
            process: 1,
            tenant: "acme".into(),
            user: "ann".into(),
            workspace: None,
            name: "run_workflow".into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us: 0,
            complete_us: 1,
            outcome,
            strays: Vec::new(),
            effect: Effect::Workflow(workflow),
        }
    }

    #[test]
    fn an_outcome_is_expected_of_workflows_that_ended_and_were_acknowledged() {
        let outcomes = Outcomes::default();
        for (execution, status, fallback, outcome) in [
            ("completed", WorkflowEnd::Completed, "", Outcome::Ok),
            ("completed", WorkflowEnd::Completed, "", Outcome::Ok),
            ("degraded", WorkflowEnd::Degraded, "memory", Outcome::Ok),
            ("not stored", WorkflowEnd::Degraded, "remember", Outcome::Ok),
            ("blocked", WorkflowEnd::Blocked, "", Outcome::Ok),
            ("not answered", WorkflowEnd::Completed, "", Outcome::Unknown(ErrorKind::Timeout)),
        ] {
            outcomes.add(&op(execution, status, fallback, outcome));
        }
        let executions = outcomes.executions.lock();
        let of_ann: Vec<&str> = executions.values().flatten().map(|execution| &**execution).collect();
        assert_eq!(of_ann, ["completed", "degraded"]);
    }

    #[test]
    fn the_execution_of_an_outcome_is_in_its_metadata() {
        let page = json!({ "memories": [{ "metadata": { "executionId": "e-1" } }, { "metadata": {} }, {}] });
        assert_eq!(executions(&page).collect::<Vec<_>>(), ["e-1"]);
    }
}
