//! The habits of real clients: arguments as models write them, pages that are read while others write, an export that is imported again,
//! definitions of tools that every host can show to its model, and calls of web pages.

mod browser;
mod definitions;

use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use harness_history::counted;
use mcp_contracts::{ErrorCode, env};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Memories of the walks. At five on a page this is four pages.
const MEMORIES: usize = 20;
const ON_A_PAGE: usize = 5;
/// A walk that does not end stops here: four times the pages that it needs.
const MAX_PAGES: usize = 16;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "clients",
    "the services accept the arguments, pages and exports that real clients send",
    stack,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.requires(&["no-lost-writes", "no-phantom-reads"]);

/// The burst limit of a plan is below what the walks send in a second.
fn stack() -> Topology {
    let stack = Topology::full().with_setting_everywhere(env::QUOTA_BURST_PER_SECOND, 100_000);
    stack.with_setting_everywhere(env::ALLOWED_ORIGINS, browser::ALLOWED)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut bob) = (stage.user("ann", "acme"), stage.user("bob", "acme"));
    definitions::check(stage, &mut ann).await?;
    browser::check(stage, &mut ann).await?;
    arguments(stage, &mut ann).await?;
    for tool in ["list_memories", "export_memories", "search_memory"] {
        walk(stage, &mut ann, &mut bob, tool).await?;
    }
    export_and_import(stage, &mut bob).await
}

/// Sends optional arguments as models write them, and arguments that no tool has.
async fn arguments(stage: &Stage<'_>, ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    let text = ann.private_content("The invoices of May are checked by hand");
    let stored = json!({ "content": text, "tags": ["invoices"], "type": null, "metadata": null, "intent": null });
    let stored = ann.call("store_memory", stored).await;
    let id = stored.expect_ok("`null` counts as omitted").or_stop()?["id"].clone();
    // In a read: the harness records what a call wrote from its arguments, and reads only their plain form.
    let listed = ann.call("list_memories", json!({ "tags": "[\"invoices\"]" })).await;
    let _ = listed.expect_result("a list in a text counts as the list", |reply| reply["memories"][0]["id"] == id);
    let found = ann.call("search_memory", json!({ "query": "invoices", "limit": "5", "cursor": null })).await;
    let _ = found.expect_result("a number in a text counts as the number", |reply| reply["hits"][0]["id"] == id);
    let dry = ann.call("delete_by_tag", json!({ "tags": ["invoices"], "dryRun": "true" })).await;
    let _ = dry.expect_result("a boolean in a text counts as the boolean", |reply| reply["dryRun"] == true);

    for (tool, mut arguments, slip) in [
        ("list_memories", json!({}), "tag"),
        ("search_memory", json!({ "query": "invoices" }), "tags_match"),
        ("delete_by_tag", json!({ "tags": ["invoices"] }), "dryrun"),
        ("check_guardrails", json!({ "action": "edit", "text": "rename a field" }), "file"),
        ("select_pattern", json!({ "intent": "review a change" }), "max_results"),
        (
            "run_workflow",
            json!({ "agent": "rca", "action": "answer", "intent": "ship", "text": "It was slow." }),
            "dry_run",
        ),
    ] {
        arguments[slip] = json!(true);
        let reply = ann.call(tool, arguments).await;
        let refused =
            reply.expect_error(&format!("{tool} refuses the unknown argument `{slip}`"), ErrorCode::InvalidArgument);
        let names_it = refused.result().to_string().contains(slip);
        let expected = format!("the refusal of {tool} names `{slip}`");
        stage.expect(&expected, names_it, refused.result(), &[refused.op()]);
    }
    Ok(())
}

/// Reads all pages of a tool while a colleague stores and the owner updates memories. Each memory that existed at the first page must appear
/// exactly once.
async fn walk(stage: &Stage<'_>, ann: &mut Actor<'_>, bob: &mut Actor<'_>, tool: &str) -> Result<(), StepFailed> {
    let tag = tool.replace('_', "-");
    let memory = |number: usize| {
        let content = ann.shared_content(&format!("Pages of {tag}, line {number}"));
        json!({ "content": content, "tags": [tag], "visibility": "workspace" })
    };
    let memories: Vec<Value> = (0..MEMORIES).map(memory).collect();
    let imported = ann.call("import_memories", json!({ "memories": memories })).await;
    let imported = imported
        .expect_result(&format!("import memories for {tool}"), |reply| reply["created"] == MEMORIES)
        .or_stop()?;
    let ids: Vec<String> =
        imported["ids"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let (mut seen, mut calls, mut cursor) = (Vec::new(), Vec::new(), Value::Null);
    for page in 0..MAX_PAGES {
        let mut arguments = json!({ "tags": [tag], "limit": ON_A_PAGE, "cursor": cursor });
        if tool == "search_memory" {
            arguments["query"] = json!(format!("pages of {tag}"));
        }
        let reply = ann.call(tool, arguments).await.expect_ok(&format!("page {} of {tool}", page + 1)).or_stop()?;
        calls.push(reply.op());
        seen.extend(rows(&reply));
        cursor = reply["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
        // Both a memory that was shown and one that is still to come: either may change its place in an order by time or by score.
        for at in [page, MEMORIES - 1 - page] {
            let content = ann.shared_content(&format!("Pages of {tag}, changed on page {page}: pages, pages"));
            let _ = ann.call("update_memory", json!({ "id": ids[at % ids.len()], "content": content })).await;
        }
        let newcomer = bob.shared_content(&format!("Pages of {tag}, written during page {page}"));
        let newcomer = json!({ "content": newcomer, "tags": [tag], "visibility": "workspace" });
        let _ = bob.call("store_memory", newcomer).await.expect_ok("a colleague stores a memory during the walk");
    }
    stage.expect(
        &format!("the walk over {tool} ends"),
        cursor.is_null(),
        counted(calls.len(), "page", "pages"),
        &calls,
    );
    let shown: BTreeSet<&String> = seen.iter().collect();
    let missing: Vec<&String> = ids.iter().filter(|id| !shown.contains(id)).collect();
    let expected = format!("every memory that existed at the first page of {tool} is on one of its pages");
    stage.expect(&expected, missing.is_empty(), format!("missing: {missing:?}"), &calls);
    let twice = seen.len() - shown.len();
    stage.expect(&format!("no page of {tool} repeats a memory"), twice == 0, format!("{twice} repeated"), &calls);
    Ok(())
}

fn rows(reply: &Reply<'_>) -> Vec<String> {
    let rows = reply["memories"].as_array().or_else(|| reply["hits"].as_array());
    rows.into_iter().flatten().filter_map(|row| row["id"].as_str()).map(str::to_owned).collect()
}

/// Exports a page, deletes its memories and imports the page as it is. The copies must equal the originals except for ids and versions.
async fn export_and_import(stage: &Stage<'_>, bob: &mut Actor<'_>) -> Result<(), StepFailed> {
    for (text, kind) in [("The pager rings twice before it pages the lead", "decision"), ("Größe, 数据, ข้อมูล", "note")]
    {
        let memory = json!({ "content": bob.private_content(text), "type": kind, "tags": ["moving"], "metadata": { "n": [1, "2", null] } });
        let _ = bob.call("store_memory", memory).await.expect_ok("store a memory to export").or_stop()?;
    }
    let filter = json!({ "tags": ["moving"] });
    let exported = bob.call("export_memories", filter.clone()).await.expect_ok("export them").or_stop()?;
    let dry = bob
        .call("delete_by_tag", json!({ "tags": ["moving"], "dryRun": true }))
        .await
        .expect_ok("count them")
        .or_stop()?;
    let confirmed = json!({ "tags": ["moving"], "confirmationToken": dry["confirmationToken"] });
    let _ = bob
        .call("delete_by_tag", confirmed)
        .await
        .expect_result("delete them", |reply| reply["count"] == 2)
        .or_stop()?;
    let imported = bob.call("import_memories", exported.value().clone()).await;
    let _ = imported
        .expect_result("the page of the export is imported as it is", |reply| reply["created"] == 2)
        .or_stop()?;
    let again = bob.call("export_memories", filter).await.expect_ok("export the copies").or_stop()?;
    let (before, after) = (kept(exported.value()), kept(again.value()));
    let seen = format!("{before:?} became {after:?}");
    stage.expect(
        "the copies have everything that the originals had",
        before == after && before.len() == 2,
        seen,
        &[again.op()],
    );
    keep_ids(bob, exported["memories"][0]["id"].as_str().unwrap_or_default()).await
}

/// Imports a memory with `keepIds` twice, then another memory with the same id, which must be refused. `like` is an id that the service has made.
async fn keep_ids(bob: &mut Actor<'_>, like: &str) -> Result<(), StepFailed> {
    // Another id than any of the service's, because the history would take a deleted one that comes back for a deletion that failed.
    let last = if like.ends_with('0') { '1' } else { '0' };
    let id: String = like.chars().take(like.len().saturating_sub(1)).chain([last]).collect();
    let text = bob.private_content("The tickets of the ledger name this memory by its id");
    let page = json!({ "keepIds": true, "memories": [{ "id": id, "content": text }] });
    let kept = bob.call("import_memories", page.clone()).await;
    let _ = kept.expect_result("`keepIds` keeps the id of a memory", |reply| reply["ids"] == json!([id])).or_stop()?;
    let again = bob.call("import_memories", page.clone()).await;
    let _ = again.expect_result("its second import is a duplicate", |reply| reply["duplicates"] == 1);
    let mut other = page;
    other["memories"][0]["content"] = json!(bob.private_content("A text that must not replace the other one"));
    let refused = bob.call("import_memories", other).await;
    let _ = refused.expect_error("another text with its id is refused", ErrorCode::IdConflict);
    let read = bob.call("get_memory", json!({ "id": id })).await;
    let _ =
        read.expect_result("the memory is read by its id and was not overwritten", |reply| reply["content"] == text);
    Ok(())
}

/// Returns what a copy must keep of each memory of a page.
fn kept(page: &Value) -> Vec<Value> {
    let fields = ["content", "type", "tags", "metadata", "visibility", "createdAt"];
    let kept = |memory: &Value| fields.iter().map(|field| memory[*field].clone()).collect();
    page["memories"].as_array().into_iter().flatten().map(kept).collect()
}
