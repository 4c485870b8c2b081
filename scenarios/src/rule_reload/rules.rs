//! Changes of rule files, for all organisations and for a single one.

use super::{FILE, RELOAD_DEADLINE, expect_last_valid, expect_logged};
use harness_core::drive::scenario::{Actor, Reply, ScenarioRequest, Stage, StepFailed};
use harness_core::stack::Fixture;
use mcp_contracts::{Service, guardrails, metric};
use serde_json::{Value, json};

/// Line of the severity in a file made by [`rule`].
const SEVERITY_LINE: u64 = 5;

pub(super) fn fixture() -> Fixture {
    let text = rule("OWN-001", "kumquat", "critical");
    Fixture::File { service: Service::Guardrails, name: "own.yaml".to_owned(), text }
}

/// Returns a file with one rule, which applies to texts with this word.
fn rule(id: &str, word: &str, severity: &str) -> String {
    format!(
        "category: testing\nrules:\n  - id: {id}\n    title: No {word}\n    severity: {severity}\n    when: {{ keywords: [{word}] }}\n    \
         message: There is a {word}.\n    remediation: Take it out.\n    tests: {{ trips: [a {word}], passes: [a plum] }}\n"
    )
}

pub(super) async fn play<'s>(stage: &'s Stage<'s>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let part = &stage.instances(Service::Guardrails)[0];
    let first = check(&mut ann, "kumquat").await;
    let first =
        first.expect_result("the rule of the initial file applies", |reply| blocks(reply, "OWN-001")).or_stop()?;
    let none = check(&mut ann, "mangosteen").await;
    let _ = none.expect_result("a request that no rule applies to is allowed", |reply| {
        reply["verdict"] == "allow" && reply["rules"] == json!([])
    });

    stage.write_file(Service::Guardrails, FILE, &rule("OWN-002", "mangosteen", "critical"))?;
    until(stage, &mut ann, "a new rule takes effect", "mangosteen", |reply| blocks(reply, "OWN-002")).await?;
    let version = check(&mut ann, "mangosteen").await["rulesVersion"].clone();
    let mark = stage.log_mark(part).await?;
    stage.write_file(Service::Guardrails, FILE, &rule("OWN-002", "mangosteen", "catastrophic"))?;
    expect_last_valid(stage, Service::Guardrails, "rules", true).await?;
    let still = check(&mut ann, "mangosteen").await;
    let _ = still.expect_result("the last valid rules stay in force", |reply| {
        blocks(reply, "OWN-002") && reply["rulesVersion"] == version && version != first["rulesVersion"]
    });
    expect_logged(stage, Service::Guardrails, mark, SEVERITY_LINE, "catastrophic").await;
    let refused = stage.metric(part, metric::GUARDRAIL_RELOAD_TOTAL, &[("outcome", "rejected")]).await?;
    stage.expect("the rejected change is counted once", (refused - 1.0).abs() < 0.5, refused, &[]);

    stage.write_file(Service::Guardrails, FILE, &rule("OWN-002", "mangosteen", "low"))?;
    expect_last_valid(stage, Service::Guardrails, "rules", false).await?;
    let mild = |reply: &Value| reply["verdict"] == "allow" && reply["rules"][0]["severity"] == "low";
    until(stage, &mut ann, "the corrected rule takes effect", "mangosteen", mild).await?;
    stage.remove_file(Service::Guardrails, FILE)?;
    let gone = |reply: &Value| reply["verdict"] == "allow" && reply["rules"] == json!([]);
    until(stage, &mut ann, "removing the file removes its rule", "mangosteen", gone).await?;
    let again = check(&mut ann, "kumquat").await;
    let _ = again.expect_result("the rule of the initial file remains", |reply| {
        blocks(reply, "OWN-001") && reply["rulesVersion"] == first["rulesVersion"]
    });
    of_one_organisation(stage, &mut ann).await
}

/// Expects that a file of one organisation adds a rule and changes the severity of another rule, only for that
/// organisation.
async fn of_one_organisation<'s>(stage: &'s Stage<'s>, ann: &mut Actor<'s>) -> Result<(), StepFailed> {
    let mut zoe = stage.user("zoe", "zeta");
    let file = format!("organisations/{}.yaml", zoe.organisation());
    let text = format!("severities: {{ OWN-001: high }}\n{}", rule("ZETA-001", "durian", "critical"));
    stage.write_file(Service::Guardrails, &file, &text)?;
    until(stage, &mut zoe, "an organisation's own rule takes effect", "durian", |reply| blocks(reply, "ZETA-001"))
        .await?;
    let severity = check(&mut zoe, "kumquat").await;
    let _ = severity.expect_result("its own severity takes effect", |reply| reply["verdict"] == "acknowledge");
    let others = check(ann, "durian").await;
    let _ =
        others.expect_result("the rule does not apply to another organisation", |reply| reply["rules"] == json!([]));
    let others = check(ann, "kumquat").await;
    let _ =
        others.expect_result("the severity for another organisation is unchanged", |reply| blocks(reply, "OWN-001"));
    for (who, actor, expected) in
        [("shows it to the organisation", &mut zoe, true), ("hides it from others", ann, false)]
    {
        let rules = actor.send(ScenarioRequest::resource(Service::Guardrails, guardrails::RULES_URI)).await;
        let _ = rules.expect_result(&format!("the list of rules {who}"), |result| {
            let text = result["contents"][0]["text"].as_str().unwrap_or_default();
            text.contains("OWN-001") && text.contains("ZETA-001") == expected
        });
    }
    stage.remove_file(Service::Guardrails, &file)?;
    until(stage, &mut zoe, "without its file the common rules apply to the organisation", "kumquat", |reply| {
        blocks(reply, "OWN-001")
    })
    .await
}

async fn check<'s>(actor: &mut Actor<'s>, word: &str) -> Reply<'s> {
    let request = json!({ "action": "edit", "intent": "write a note", "text": format!("a {word}") });
    actor.call("check_guardrails", request).await
}

fn blocks(reply: &Value, rule: &str) -> bool {
    reply["verdict"] == "block" && reply["rules"][0]["id"] == rule
}

async fn until<'s>(
    stage: &Stage<'s>,
    actor: &mut Actor<'s>,
    expected: &str,
    word: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<(), StepFailed> {
    let reloaded = stage
        .wait_until(expected, RELOAD_DEADLINE, async || holds(check(actor, word).await.value()).then_some(()))
        .await;
    reloaded.ok_or_else(|| StepFailed(format!("the answer to a check of `{word}` has not changed")))
}
