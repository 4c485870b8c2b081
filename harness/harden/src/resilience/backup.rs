//! A backup that is made while the service works has everything, and it can be restored elsewhere.

use futures::future::join;
use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Need, Probe, Stop};
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Duration;

/// Memories before the backup.
const BEFORE: usize = 20;
/// Maximum number of memories that are written while it runs.
const MEANWHILE: usize = 2_000;
/// Deadline of the backup and of the restore.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const BACKUP: HardeningCheck = HardeningCheck {
    id: "MCP-RES-04",
    title: "a backup that is made under writes can be restored elsewhere and has every acknowledged memory as it was",
    score: 6.5,
    why: "A backup that was never restored is a hope; one without the newest writes loses what was acknowledged to customers.",
    sources: &["OWASP MCP08:2025", "NIST SP 800-34, section 3.4", "CWE-404"],
    needs: &[Need::Token, Need::Processes, Need::Service(Service::Memory)],
    how: "Stores twenty memories, changes one and deletes one, makes a backup while others are written, restores it into another file and starts memory on it. Every memory must be as it was, the deleted one must be gone, and the list must have the same ids. Then memory starts on its own file again.",
    remedy: "Copy the database with a snapshot of its log, and try the restore regularly.",
    fix_in: &["services/kit/src/database/backup.rs"],
    follows: &["MCP-AUTH-06", "MCP-RES-03"],
    alone: true,
    probing: |probe| Box::pin(backup(probe)),
};

async fn backup(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let ann = probe.user("ann", "acme");
    let (kept, deleted) = write(probe, &part, &ann).await?;
    let before = read_all(probe, &part, &ann, &kept).await;
    let (copy, restored) =
        (probe.stage().data_file(&probe.mark("copy")), probe.stage().data_file(&probe.mark("restored")));
    let (copy, url) = (copy.display().to_string(), format!("sqlite://{}", restored.display()));
    under_writes(probe, &part, &copy).await?;
    let elsewhere = [(env::DATABASE_URL, Some(url.as_str()))];
    // A part that had to be killed is restored as well.
    let _ = probe.stage().end(&part).await;
    probe.stage().reconfigure(&part, &elsewhere)?;
    let compared = async {
        let ended = probe.stage().program(&part, &["restore", &copy], DEADLINE).await?;
        let started = probe.stage().start_again(&part).await.is_ok();
        let signs = [
            ("the restore did not end with 0", ended.code != Some(0)),
            ("the service does not start on what was restored", !started),
            ("the restore reports an error", !ended.errors.trim().is_empty() && ended.code != Some(0)),
        ];
        probe.judge(&part, "the restore", ended.code == Some(0) && started, &signs, &[]);
        if started {
            compare(probe, &part, &ann, (&kept, &before), &deleted).await;
            let _ = probe.stage().end(&part).await;
        }
        Ok::<_, Stop>(())
    }
    .await;
    probe.stage().reconfigure(&part, &[(env::DATABASE_URL, None)])?;
    probe.stage().start_again(&part).await?;
    compared
}

/// Stores memories, changes the first and deletes the last. Returns the ids of those that are kept, and the deleted one.
async fn write(probe: &Probe<'_>, part: &str, ann: &Caller) -> Result<(Vec<Value>, Value), Stop> {
    let mut ids = Vec::new();
    for number in 0..BEFORE {
        let note = json!({ "content": format!("{} {number}", probe.mark("kept")), "tags": ["backup"], "metadata": { "n": number } });
        let store = HttpRequest::tool("store_memory", &note).bearer(&ann.token);
        ids.push(probe.control(part, "a memory is stored", &store).await?.structured()["id"].clone());
    }
    let change = json!({ "id": ids[0], "content": probe.mark("changed") });
    probe.control(part, "a memory is changed", &HttpRequest::tool("update_memory", &change).bearer(&ann.token)).await?;
    let deleted = ids.pop().unwrap_or_default();
    let delete = HttpRequest::tool("delete_memory", &json!({ "id": deleted })).bearer(&ann.token);
    probe.control(part, "a memory is deleted", &delete).await?;
    let get = HttpRequest::tool("get_memory", &json!({ "id": deleted })).bearer(&ann.token);
    probe.control_if(part, "the deleted memory is gone before the backup", &get, Answer::is_refused).await?;
    Ok((ids, deleted))
}

/// Makes a backup while another user writes.
async fn under_writes(probe: &Probe<'_>, part: &str, file: &str) -> Result<(), Stop> {
    let (ended, written) = (Cell::new(false), Cell::new(0));
    let writing = async {
        let wes = probe.user("wes", "writers");
        while !ended.get() && written.get() < MEANWHILE {
            let note = json!({ "content": format!("{} {}", probe.mark("meanwhile"), written.get()) });
            let stored = probe.send(part, &HttpRequest::tool("store_memory", &note).bearer(&wes.token)).await;
            written.set(written.get() + usize::from(stored.has_result()));
        }
    };
    let backup = async {
        let backup = probe.stage().program(part, &["backup", file], DEADLINE).await;
        ended.set(true);
        backup
    };
    let (backup, ()) = join(backup, writing).await;
    let backup = backup?;
    let signs = [
        ("the backup did not end with 0", backup.code != Some(0)),
        ("it did not end within its deadline", backup.code.is_none()),
        ("there is no copy", std::fs::metadata(file).is_err()),
    ];
    probe.judge(part, "the backup under writes", backup.code == Some(0), &signs, &[]);
    if written.get() == 0 {
        probe.doubt(part, "writes during the backup", "no write succeeded while it ran");
    }
    Ok(())
}

async fn read_all(probe: &Probe<'_>, part: &str, ann: &Caller, ids: &[Value]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for id in ids {
        answers.push(probe.send(part, &HttpRequest::tool("get_memory", &json!({ "id": id })).bearer(&ann.token)).await);
    }
    answers
}

/// Compares the memories of the copy with those before the backup.
async fn compare(probe: &Probe<'_>, part: &str, ann: &Caller, (kept, before): (&[Value], &[Answer]), deleted: &Value) {
    let after = read_all(probe, part, ann, kept).await;
    let differs = |(was, is): &(&Answer, &Answer)| !is.has_result() || was.structured() != is.structured();
    let differing: Vec<(&Answer, &Answer)> = before.iter().zip(&after).filter(differs).collect();
    let list = HttpRequest::tool("list_memories", &json!({ "limit": 100 })).bearer(&ann.token);
    let listed = probe.send(part, &list).await;
    let text = listed.body_text();
    let unlisted = kept.iter().filter_map(Value::as_str).filter(|id| !text.contains(id)).count();
    let signs = [
        ("a memory cannot be read, or differs", !differing.is_empty()),
        ("a memory is not in the list", unlisted > 0),
        ("every memory differs", differing.len() == kept.len()),
    ];
    let shown: Vec<&Answer> = differing.first().into_iter().flat_map(|(was, is)| [*was, *is]).collect();
    let holds = differing.is_empty() && unlisted == 0 && listed.has_result();
    probe.judge(part, &format!("{} memories of the backup", kept.len()), holds, &signs, &shown);
    let gone = probe.send(part, &HttpRequest::tool("get_memory", &json!({ "id": deleted })).bearer(&ann.token)).await;
    let signs = [
        ("the deleted memory can be read", gone.has_result()),
        ("it is in the list", deleted.as_str().is_some_and(|id| text.contains(id))),
    ];
    probe.judge(part, "the memory that was deleted before", gone.is_refused(), &signs, &[&gone]);
}
