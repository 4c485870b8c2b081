//! An agent reads private memories of its user. Neither the outcome that it stores for the workspace nor the execution that an administrator can see
//! contains anything from them.

use crate::lifecycle::{patient, step};
use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use harness_history::counted;
use mcp_contracts::Scope;
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario =
    Scenario::new("visibility-flow", "a report for the workspace quotes no private memory", patient, |stage| {
        Box::pin(play(stage))
    })
    .within(90)
    .requires(&["no-lost-writes"]);

/// An agent whose outcome the workspace can read, and a private memory that it reads first. `WORD` is replaced by a word
/// that exists only in this run.
struct Case {
    agent: &'static str,
    tag: &'static str,
    private: &'static str,
    intent: &'static str,
    text: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        agent: "rca",
        tag: "rca",
        private: "WORD layoffs in March: checkout database timeouts while the export of salaries ran, payment errors",
        intent: "Find out why checkout failed with database timeouts",
        text: "10:02 deploy of checkout\n10:05 database timeouts, payment errors at 40 %\n10:20 rolled back\n10:25 resolved",
    },
    Case {
        agent: "retro",
        tag: "retro-action",
        private: "Retro action: WORD is to leave quietly before the summer holidays\nStatus: open\n",
        intent: "Retrospective of sprint 12",
        text: "Last actions:\n- leave quietly before summer: done\nWent well:\n- pairing\nWent badly:\n- builds are slow",
    },
];

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut bob) = (stage.user("ann", "acme"), stage.user("bob", "acme"));
    let mut boss = stage.user("boss", "acme").with_scopes(&[Scope::AgentsRun, Scope::Admin]);
    for (number, case) in CASES.iter().enumerate() {
        let word = format!("zorblatt{}x{number}", stage.seed());
        let content = ann.private_content(&case.private.replace("WORD", &word));
        let note = json!({ "content": content, "tags": [case.tag], "visibility": "private" });
        let private =
            ann.call("store_memory", note).await.expect_ok("a private memory is stored").or_stop()?.text("id");
        let done = run(&mut ann, case).await;
        let done = done
            .expect_result(&format!("the agent `{}` reads the private memory of its user", case.agent), |reply| {
                reads(reply, &private) && step(reply, "remember")["outcome"] == "ok"
            });
        let done = done.or_stop()?;
        expect_nothing(stage, &mut bob, case, &word).await;
        let seen = boss.call("get_execution", json!({ "executionId": done["executionId"] })).await;
        let _ = seen.expect_result("an administrator sees the run and nothing of the private memory", |reply| {
            reply["executionId"] == done["executionId"] && !reply.to_string().contains(&word)
        });
    }
    Ok(())
}

async fn run<'s>(ann: &mut Actor<'s>, case: &Case) -> Reply<'s> {
    let work = json!({ "agent": case.agent, "action": "answer", "intent": case.intent, "text": case.text });
    ann.call("run_workflow", work).await
}

fn reads(execution: &Value, memory: &str) -> bool {
    execution["memories"].as_array().into_iter().flatten().any(|used| used["id"] == memory)
}

/// Expects that a colleague can read the outcome of the agent but finds the word of the private memory nowhere.
async fn expect_nothing(stage: &Stage<'_>, bob: &mut Actor<'_>, case: &Case, word: &str) {
    let agent = case.agent;
    let found = bob.call("search_memory", json!({ "query": word })).await;
    let _ = found.expect_result(&format!("a search of a colleague finds nothing private after `{agent}`"), |reply| {
        reply["hits"].as_array().is_some_and(|hits| !hits.iter().any(|hit| hit.to_string().contains(word)))
    });
    let listed = bob.call("list_memories", json!({ "limit": 100 })).await;
    let memories = listed["memories"].as_array().cloned().unwrap_or_default();
    let details = counted(memories.len(), "memory", "memories");
    let remembered = memories.iter().any(|memory| memory["visibility"] == "workspace");
    let expected = format!("a colleague can read what `{agent}` remembered");
    stage.expect(&expected, remembered, &details, &[listed.op()]);
    let silent = !memories.iter().any(|memory| memory.to_string().contains(word));
    let expected = format!("what `{agent}` remembered for the workspace quotes nothing private");
    stage.expect(&expected, silent, &details, &[listed.op()]);
}
