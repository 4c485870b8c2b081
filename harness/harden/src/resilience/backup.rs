//! A backup that is made while the service works has everything, and it can be restored elsewhere.

use crate::tenancy::strangers;
use futures::future::join;
use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Memories before the backup.
const BEFORE: usize = 20;
/// Maximum number of memories that are written while it runs.
const MEANWHILE: usize = 300;
/// Backups that are made until one ran while a write was acknowledged.
const BACKUPS: usize = 3;
/// Deadline of the backup and of the restore.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const BACKUP: HardeningCheck = HardeningCheck {
    id: "MCP-RES-04",
    title: "a backup that is made under writes can be restored elsewhere and has every acknowledged memory as it was, for the same readers",
    score: 6.5,
    why: "A backup that was never restored may be useless; one without the newest writes loses what was acknowledged to customers, and one without the owners shows each of them the memories of the others.",
    sources: &["OWASP MCP08:2025", "NIST SP 800-34, section 3.4", "CWE-404", "CWE-639"],
    needs: &[Need::Token, Need::SecondTenant, Need::Processes, Need::Service(Service::Memory)],
    how: "Stores twenty memories of two organisations, one of them for a whole workspace, changes one and deletes one, makes a backup while others are written, restores it into another file and starts memory on it. The owners, a colleague, another organisation and another workspace must each read the same memories with the same contents by their ids and in their lists as before, and the deleted one must be gone. Of the memories that were written meanwhile, each that is there must have its content, and none may be missing that was acknowledged before one that is there. Then memory starts on its own file again.",
    remedy: "Copy the database with a snapshot of its log, and try the restore regularly.",
    fix_in: &["services/kit/src/database/backup.rs"],
    follows: &["MCP-AUTH-06", "MCP-RES-03"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(backup(probe)),
};

/// A memory and what its owner stored in it.
struct Kept {
    id: String,
    content: String,
}

/// What one user reads: each memory by its id, and the list.
struct Sight {
    by_id: Vec<Answer>,
    list: Answer,
}

impl Sight {
    fn memories(&self) -> Value {
        self.list.structured()["memories"].clone()
    }
}

async fn backup(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (kept, deleted) = write(probe, &part).await?;
    let readers = readers(probe);
    let before = sights(probe, &part, &readers, &kept).await;
    require_contents(&before, &kept)?;
    let restored = probe.stage().data_file(&probe.mark("restored"));
    let url = format!("sqlite://{}", restored.display());
    let (copy, meanwhile) = backups(probe, &part).await?;
    let elsewhere = [(env::DATABASE_URL, Some(url.as_str()))];
    // A part that had to be killed is restored as well.
    let _ = probe.stage().end(&part).await;
    probe.stage().reconfigure(&part, &elsewhere)?;
    let compared = async {
        let ended = probe.stage().run_program(&part, &["restore", &copy], DEADLINE).await?;
        let started = probe.stage().start_again(&part).await.is_ok();
        // Neither a restore that reaches its deadline on a busy machine nor a start that does so is a violation alone.
        let failed = ended.code.is_some_and(|code| code != 0);
        let signs = [
            ("the restore did not end with 0", failed),
            ("the service does not start on what was restored", !started),
            ("the restore reports an error", failed && !ended.errors.trim().is_empty()),
        ];
        probe.judge(&part, "the restore", ended.code == Some(0) && started, &signs, &[]);
        if started {
            let after = sights(probe, &part, &readers, &kept).await;
            for ((reader, was), is) in readers.iter().zip(&before).zip(&after) {
                compare(probe, &part, reader.0, was, is);
            }
            expect_gone(probe, &part, &readers[0].1, &deleted).await;
            compare_meanwhile(probe, &part, &meanwhile).await;
            let _ = probe.stage().end(&part).await;
        }
        Ok::<_, Stop>(())
    }
    .await;
    probe.stage().reconfigure(&part, &[(env::DATABASE_URL, None)])?;
    probe.stage().start_again(&part).await?;
    compared
}

/// Returns the owner of most memories and everyone else who may or may not read them.
fn readers(probe: &Probe<'_>) -> Vec<(&'static str, Caller)> {
    std::iter::once(("the owner", probe.user("ann", "acme"))).chain(strangers(probe)).collect()
}

/// Stores memories, changes the first and deletes the last. Returns those that are kept, and the id of the deleted one.
async fn write(probe: &Probe<'_>, part: &str) -> Result<(Vec<Kept>, Value), Stop> {
    let (ann, zoe) = (probe.user("ann", "acme"), probe.user("zoe", "zeta"));
    let mut kept = Vec::new();
    for number in 0..BEFORE {
        let content = format!("{} {number}", probe.mark("kept"));
        let owner = if number % 4 == 1 { &zoe } else { &ann };
        let visibility = if number == 2 { "workspace" } else { "private" };
        let note =
            json!({ "content": content, "tags": ["backup"], "metadata": { "n": number }, "visibility": visibility });
        let store = HttpRequest::tool("store_memory", &note).bearer(&owner.token);
        let stored = probe.control(part, "a memory is stored", &store).await?.structured();
        let id = stored["id"].as_str().map(str::to_owned);
        let id = id.ok_or_else(|| Stop::Unclear("the reply of `store_memory` has no id".to_owned()))?;
        kept.push(Kept { id, content });
    }
    let changed = probe.mark("changed");
    let change = json!({ "id": kept[0].id, "content": changed });
    probe.control(part, "a memory is changed", &HttpRequest::tool("update_memory", &change).bearer(&ann.token)).await?;
    kept[0].content = changed;
    // The last one is hers too.
    let deleted = json!({ "id": kept.pop().map(|kept| kept.id) });
    let delete = HttpRequest::tool("delete_memory", &deleted).bearer(&ann.token);
    probe.control(part, "a memory is deleted", &delete).await?;
    let get = HttpRequest::tool("get_memory", &deleted).bearer(&ann.token);
    probe.control_if(part, "the deleted memory is gone before the backup", &get, Answer::is_refused).await?;
    Ok((kept, deleted["id"].clone()))
}

/// Ends the check unless each memory has a reader who reads what was stored; otherwise its content cannot be compared.
fn require_contents(before: &[Sight], kept: &[Kept]) -> Result<(), Stop> {
    for (number, kept) in kept.iter().enumerate() {
        let has_content = |sight: &Sight| sight.by_id[number].structured()["content"] == json!(kept.content);
        if !before.iter().any(has_content) {
            return Err(Stop::Unclear(format!("memory {} cannot be read before the backup", number + 1)));
        }
    }
    Ok(())
}

/// Makes backups until one ran under writes. Returns its file, and what was acknowledged meanwhile.
async fn backups(probe: &Probe<'_>, part: &str) -> Result<(String, Vec<Kept>), Stop> {
    let mut file = String::new();
    for number in 0..BACKUPS {
        file = probe.stage().data_file(&probe.mark(&format!("copy{number}"))).display().to_string();
        let (ended, written) = under_writes(probe, part, &file).await?;
        if !ended || !written.is_empty() {
            return Ok((file, written));
        }
    }
    // It ended each time before the first reply, as on a machine with one free core.
    probe.doubt(part, "writes during the backup", "no write succeeded while it ran");
    Ok((file, Vec::new()))
}

/// Makes a backup while another user writes. Returns true if it succeeded, and what was acknowledged meanwhile, in its order.
async fn under_writes(probe: &Probe<'_>, part: &str, file: &str) -> Result<(bool, Vec<Kept>), Stop> {
    let (ended, written) = (Cell::new(false), RefCell::new(Vec::new()));
    let writing = async {
        let wes = probe.user("wes", "writers");
        for number in 0..MEANWHILE {
            if ended.get() {
                break;
            }
            let content = format!("{} {number}", probe.mark("meanwhile"));
            let note = json!({ "content": content });
            let stored = probe.send(part, &HttpRequest::tool("store_memory", &note).bearer(&wes.token)).await;
            if let Some(id) = stored.structured()["id"].as_str() {
                written.borrow_mut().push(Kept { id: id.to_owned(), content });
            }
        }
    };
    let backup = async {
        let backup = probe.stage().run_program(part, &["backup", file], DEADLINE).await;
        ended.set(true);
        backup
    };
    let (backup, ()) = join(backup, writing).await;
    let backup = backup?;
    let written = written.into_inner();
    let failed = backup.code.is_some_and(|code| code != 0);
    let signs = [
        ("the backup did not end with 0", failed),
        ("it reports an error", failed && !backup.errors.trim().is_empty()),
        ("there is no copy", failed && std::fs::metadata(file).is_err()),
        // Then the machine was fast enough, and the backup hangs or begins anew with each write.
        ("it did not end within its deadline", backup.code.is_none()),
        ("three hundred writes were acknowledged meanwhile", backup.code.is_none() && written.len() == MEANWHILE),
    ];
    let ended = backup.code == Some(0);
    probe.judge(part, "the backup under writes", ended, &signs, &[]);
    Ok((ended, written))
}

async fn read(probe: &Probe<'_>, part: &str, reader: &Caller, id: &str) -> Answer {
    probe.send(part, &HttpRequest::tool("get_memory", &json!({ "id": id })).bearer(&reader.token)).await
}

/// Returns what each reader reads.
async fn sights(probe: &Probe<'_>, part: &str, readers: &[(&str, Caller)], kept: &[Kept]) -> Vec<Sight> {
    let mut sights = Vec::new();
    for (_, reader) in readers {
        let mut by_id = Vec::new();
        for kept in kept {
            by_id.push(read(probe, part, reader, &kept.id).await);
        }
        let list = HttpRequest::tool("list_memories", &json!({ "limit": 100 })).bearer(&reader.token);
        sights.push(Sight { by_id, list: probe.send(part, &list).await });
    }
    sights
}

/// Compares what a user reads from the copy with what the same user read before the backup.
fn compare(probe: &Probe<'_>, part: &str, who: &str, was: &Sight, is: &Sight) {
    let pairs = || was.by_id.iter().zip(&is.by_id);
    // A reply that is missing, or that blames the service, shows nothing of what is stored.
    let differs = |was: &Answer, is: &Answer| is.is_refused() || is.has_result() && is.structured() != was.structured();
    let lost = |(was, is): &(&Answer, &Answer)| was.has_result() && differs(was, is);
    let shown = |(was, is): &(&Answer, &Answer)| was.is_refused() && is.has_result();
    let same = |(was, is): &(&Answer, &Answer)| {
        was.has_result() && is.structured() == was.structured() || was.is_refused() && is.is_refused()
    };
    let (lost, shown): (Vec<_>, Vec<_>) = (pairs().filter(lost).collect(), pairs().filter(shown).collect());
    let same_list = is.list.has_result() && is.memories() == was.memories();
    let signs = [
        ("a memory cannot be read any more, or differs", !lost.is_empty()),
        ("more than one memory differs, or the list does", lost.len() > 1 || is.list.has_result() && !same_list),
        ("a memory can be read that was refused before", !shown.is_empty()),
        ("its content is in the reply", shown.iter().any(|(_, is)| is.structured()["content"].is_string())),
    ];
    let holds = pairs().all(|pair| same(&pair)) && same_list;
    let evidence: Vec<&Answer> = lost.iter().chain(&shown).take(1).flat_map(|(was, is)| [*was, *is]).collect();
    let evidence = if evidence.is_empty() { vec![&was.list, &is.list] } else { evidence };
    probe.judge(part, &format!("what {who} reads of the backup"), holds, &signs, &evidence);
}

async fn expect_gone(probe: &Probe<'_>, part: &str, ann: &Caller, deleted: &Value) {
    let id = deleted.as_str().unwrap_or_default();
    let gone = read(probe, part, ann, id).await;
    let list = HttpRequest::tool("list_memories", &json!({ "limit": 100 })).bearer(&ann.token);
    let listed = probe.send(part, &list).await;
    let signs =
        [("the deleted memory can be read", gone.has_result()), ("it is in the list", listed.body_text().contains(id))];
    let holds = gone.is_refused() && listed.has_result() && !listed.body_text().contains(id);
    probe.judge(part, "the memory that was deleted before", holds, &signs, &[&gone, &listed]);
}

/// Judges the memories that were written one after the other while the backup ran: a snapshot has the first of them, whole, and none after a gap.
async fn compare_meanwhile(probe: &Probe<'_>, part: &str, written: &[Kept]) {
    let wes = probe.user("wes", "writers");
    let (mut missing, mut gap, mut damaged, mut last, mut unread) = (None, false, 0, None, None);
    for kept in written {
        let answer = read(probe, part, &wes, &kept.id).await;
        if answer.is_refused() {
            missing = missing.or(Some(answer));
            continue;
        }
        if !answer.has_result() {
            unread = Some(answer);
            continue;
        }
        gap |= missing.is_some();
        if answer.structured()["content"] != json!(kept.content) {
            damaged += 1;
            last = Some(answer);
        }
    }
    let signs = [
        ("a memory is missing that was acknowledged before one that is there", gap),
        ("a memory does not have its content", damaged > 0),
        ("more than one does not", damaged > 1),
        ("the missing one is refused", gap && missing.is_some()),
    ];
    let answers: Vec<&Answer> = missing.iter().chain(&last).chain(&unread).collect();
    let holds = !gap && damaged == 0 && unread.is_none();
    probe.judge(part, "memories that were written during the backup", holds, &signs, &answers);
}
