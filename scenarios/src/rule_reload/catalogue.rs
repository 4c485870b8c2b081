//! Changes of pattern files.

use super::{FILE, RELOAD_DEADLINE, expect_last_valid, expect_logged};
use harness_core::drive::scenario::{Actor, ScenarioRequest, Stage, StepFailed};
use harness_core::stack::Fixture;
use mcp_contracts::{ErrorCode, Service, metric, patterns};
use serde_json::Value;

/// Line of the level in a file made by [`pattern`].
const LEVEL_LINE: u64 = 8;

pub(super) fn fixture() -> Fixture {
    Fixture::File {
        service: Service::Patterns,
        name: "own.yaml".to_owned(),
        text: pattern("own-one", "One", "beginner"),
    }
}

/// Returns a file with one pattern.
fn pattern(id: &str, title: &str, level: &str) -> String {
    format!(
        "category: testing\npatterns:\n  - id: {id}\n    title: {title}\n    summary: Says what is tested first.\n    tags: [first]\n    \
         roles: [developer]\n    level: {level}\n    plan: free\n    body: |\n      Test the riskiest part first.\n"
    )
}

pub(super) async fn play<'s>(stage: &'s Stage<'s>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let part = &stage.instances(Service::Patterns)[0];
    let first = ann.send(detail("own-one")).await;
    let _ = first
        .expect_result("the pattern of the initial file can be read", |result| title(result) == "One")
        .or_stop()?;
    let none = ann.send(detail("own-two")).await;
    let _ = none.expect_error("a pattern without a file cannot be read", ErrorCode::NotFound);

    stage.write_file(Service::Patterns, FILE, &pattern("own-two", "Two", "beginner"))?;
    until(stage, &mut ann, "a new pattern takes effect", Some("Two")).await?;
    let mark = stage.log_mark(part).await?;
    stage.write_file(Service::Patterns, FILE, &pattern("own-two", "Three", "wizard"))?;
    expect_last_valid(stage, Service::Patterns, "catalog", true).await?;
    let still = ann.send(detail("own-two")).await;
    let _ = still.expect_result("the last valid catalogue stays in use", |result| title(result) == "Two");
    expect_logged(stage, Service::Patterns, mark, LEVEL_LINE, "wizard").await;
    let refused = stage.metric(part, metric::PATTERN_CATALOG_RELOADS_TOTAL, &[("outcome", "refused")]).await?;
    stage.expect("the rejected change is counted once", (refused - 1.0).abs() < 0.5, refused, &[]);

    stage.write_file(Service::Patterns, FILE, &pattern("own-two", "Three", "advanced"))?;
    expect_last_valid(stage, Service::Patterns, "catalog", false).await?;
    until(stage, &mut ann, "the corrected pattern takes effect", Some("Three")).await?;
    stage.remove_file(Service::Patterns, FILE)?;
    until(stage, &mut ann, "removing the file removes its pattern", None).await?;
    let again = ann.send(detail("own-one")).await;
    let _ = again.expect_result("the pattern of the initial file remains", |result| title(result) == "One");
    Ok(())
}

fn detail(id: &str) -> ScenarioRequest {
    ScenarioRequest::resource(Service::Patterns, &format!("{}{id}", patterns::DETAIL_URI_PREFIX))
}

fn title(result: &Value) -> String {
    let text = result["contents"][0]["text"].as_str().unwrap_or_default();
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    document["title"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the pattern of the file has this title, or does not exist.
async fn until<'s>(
    stage: &Stage<'s>,
    ann: &mut Actor<'s>,
    expected: &str,
    wanted: Option<&str>,
) -> Result<(), StepFailed> {
    let reloaded = async || {
        let reply = ann.send(detail("own-two")).await;
        let holds = match wanted {
            Some(wanted) => reply.is_ok() && title(reply.value()) == wanted,
            None => reply.error()["data"]["code"] == ErrorCode::NotFound.name(),
        };
        holds.then_some(())
    };
    let reloaded = stage.wait_until(expected, RELOAD_DEADLINE, reloaded).await;
    reloaded.ok_or_else(|| StepFailed("the catalogue has not changed".to_owned()))
}
