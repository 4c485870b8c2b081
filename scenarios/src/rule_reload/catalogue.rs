//! Patterns: the same of the catalogue.

use super::{FILE, SEEN, lives_on_last_good, told_in_log};
use harness_core::drive::scenario::{Actor, Ask, Broken, Stage};
use harness_core::stack::Given;
use mcp_contracts::{ErrorCode, Service, metric, patterns};
use serde_json::Value;

/// Line of the level in a file of [`pattern`].
const LEVEL_LINE: u64 = 8;

pub(super) fn given() -> Given {
    Given::File { service: Service::Patterns, name: "own.yaml".to_owned(), text: pattern("own-one", "One", "beginner") }
}

/// A file with one pattern.
fn pattern(id: &str, title: &str, level: &str) -> String {
    format!(
        "category: testing\npatterns:\n  - id: {id}\n    title: {title}\n    summary: Says what is tested first.\n    tags: [first]\n    \
         roles: [developer]\n    level: {level}\n    plan: free\n    body: |\n      Test the riskiest part first.\n"
    )
}

pub(super) async fn play<'s>(stage: &'s Stage<'s>) -> Result<(), Broken> {
    let mut ann = stage.user("ann", "acme");
    let part = &stage.instances(Service::Patterns)[0];
    let first = ann.send(detail("own-one")).await;
    let _ =
        first.gives("the pattern that was there at the start is read", |result| title(result) == "One").or_stop()?;
    let none = ann.send(detail("own-two")).await;
    let _ = none.refuses("what is in no file is not there", ErrorCode::NotFound);

    stage.write_file(Service::Patterns, FILE, &pattern("own-two", "Two", "beginner"))?;
    until(stage, &mut ann, "a new pattern takes effect", Some("Two")).await?;
    let mark = stage.log_mark(part).await?;
    stage.write_file(Service::Patterns, FILE, &pattern("own-two", "Three", "wizard"))?;
    lives_on_last_good(stage, Service::Patterns, "catalog", true).await?;
    let still = ann.send(detail("own-two")).await;
    let _ = still.gives("and the last good catalogue stays in use", |result| title(result) == "Two");
    told_in_log(stage, Service::Patterns, mark, LEVEL_LINE, "wizard").await;
    let refused = stage.metric(part, metric::PATTERN_CATALOG_RELOADS_TOTAL, &[("outcome", "refused")]).await?;
    stage.expect("one change was refused, and counted once", (refused - 1.0).abs() < 0.5, refused, &[]);

    stage.write_file(Service::Patterns, FILE, &pattern("own-two", "Three", "advanced"))?;
    lives_on_last_good(stage, Service::Patterns, "catalog", false).await?;
    until(stage, &mut ann, "the mended pattern takes effect", Some("Three")).await?;
    stage.remove_file(Service::Patterns, FILE)?;
    until(stage, &mut ann, "a removed file takes its pattern with it", None).await?;
    let again = ann.send(detail("own-one")).await;
    let _ = again.gives("and leaves what was there at the start", |result| title(result) == "One");
    Ok(())
}

fn detail(id: &str) -> Ask {
    Ask::resource(Service::Patterns, &format!("{}{id}", patterns::DETAIL_URI_PREFIX))
}

fn title(result: &Value) -> String {
    let text = result["contents"][0]["text"].as_str().unwrap_or_default();
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    document["title"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the pattern of the file has this title, or is not there.
async fn until<'s>(stage: &Stage<'s>, ann: &mut Actor<'s>, expected: &str, wanted: Option<&str>) -> Result<(), Broken> {
    let seen = async || {
        let reply = ann.send(detail("own-two")).await;
        let held = match wanted {
            Some(wanted) => reply.is_ok() && title(reply.value()) == wanted,
            None => reply.error()["data"]["code"] == ErrorCode::NotFound.name(),
        };
        held.then_some(())
    };
    let seen = stage.until(expected, SEEN, seen).await;
    seen.ok_or_else(|| Broken("the catalogue is still what it was".to_owned()))
}
