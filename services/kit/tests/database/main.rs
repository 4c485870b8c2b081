//! The database of a service: acknowledged writes are durable, a failing write affects no other, an unusable file is refused.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

mod readiness;
mod turns;

use futures::future::join_all;
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::database::{BackupError, Database, DatabaseError, OpenError, Schema, Trouble};
use rusqlite::{Connection, Transaction, params};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const V1: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;";
const V2: &str =
    "ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 0; UPDATE note SET stars = 1 WHERE text = 'old';";
const V3: &str = "CREATE TABLE reply (note INTEGER NOT NULL REFERENCES note (id), text TEXT NOT NULL) STRICT; CREATE INDEX by_note ON reply (note);";
const ALL: [&str; 3] = [V1, V2, V3];

fn url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("deep/er/notes.db").display())
}

fn add(transaction: &Transaction<'_>, text: &str) -> rusqlite::Result<i64> {
    transaction.prepare_cached("INSERT INTO note (text) VALUES (?1)")?.execute([text])?;
    Ok(transaction.last_insert_rowid())
}

async fn texts(database: &Database) -> Vec<String> {
    let read = |connection: &Connection| {
        connection.prepare("SELECT text FROM note ORDER BY text")?.query_map([], |row| row.get(0))?.collect()
    };
    database.read(read).await.unwrap()
}

#[tokio::test]
async fn acknowledged_writes_survive_close_and_later_calls_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    assert_eq!(database.write(|transaction| add(transaction, "first")).await, Ok(1));
    assert_eq!(texts(&database).await, ["first"]);
    // Another open connection, because SQLite moves the WAL into the file by itself when the last one closes.
    let file = folder.path().join("deep/er/notes.db");
    let other = Connection::open(&file).unwrap();
    other.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0)).unwrap();
    database.close().await;
    database.close().await;
    assert_eq!(database.write(|transaction| add(transaction, "late")).await, Err(DatabaseError::Closed));
    assert_eq!(database.read(|_| Ok(())).await, Err(DatabaseError::Closed));
    let wal = folder.path().join("deep/er/notes.db-wal");
    assert!(std::fs::metadata(&wal).map_or(0, |file| file.len()) == 0, "the WAL was not moved into the file");
    assert_eq!(texts(&Database::open(&url(folder.path()), &ALL).unwrap()).await, ["first"]);
}

/// Counts the commits in the WAL: the frames whose header has the size of the database after the commit.
fn commits(folder: &Path) -> usize {
    let wal = std::fs::read(folder.join("deep/er/notes.db-wal")).unwrap();
    let page = u32::from_be_bytes(wal[8..12].try_into().unwrap()) as usize;
    wal[32..].chunks_exact(24 + page).filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Every third write violates a constraint after a first change, which must be rolled back; number 30 panics.
fn write_or_fail(transaction: &Transaction<'_>, number: usize) -> rusqlite::Result<i64> {
    if number % 3 == 2 {
        add(transaction, &format!("half {number}"))?;
        add(transaction, "same")?;
        return add(transaction, "same");
    }
    let id = add(transaction, &format!("whole {number:02}"))?;
    assert!(number != 30, "number 30 panics");
    Ok(id)
}

#[tokio::test]
async fn waiting_writes_share_a_commit_and_a_failing_one_affects_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let before = commits(folder.path());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = database.write(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let writes = (0..60).map(|number| database.write(move |transaction| write_or_fail(transaction, number)));
    // `join_all` polls each write once and thereby queues it, so all sixty wait when the first write may finish.
    let (first, results, ()) = tokio::join!(hold, join_all(writes), async move { drop(go) });
    first.unwrap();
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), number % 3 == 2 || number == 30, "{number}: {result:?}");
    }
    let whole: Vec<String> =
        (0..60).filter(|number| number % 3 != 2 && *number != 30).map(|number| format!("whole {number:02}")).collect();
    assert_eq!(texts(&database).await, whole);
    let commits = commits(folder.path()) - before;
    assert!((1..=2).contains(&commits), "61 writes took {commits} commits");
}

#[tokio::test]
async fn a_full_disk_fails_only_the_writes_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let limit = |transaction: &Transaction<'_>| {
        transaction.pragma_update(None, "max_page_count", 40)?;
        add(transaction, "kept")
    };
    database.write(limit).await.unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = database.write(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let small = |text: &'static str| database.write(move |transaction| add(transaction, text));
    let large = database.write(|transaction| add(transaction, &"x".repeat(1 << 20)));
    let (first, before, large, after, ()) =
        tokio::join!(hold, small("before"), large, small("later"), async move { drop(go) });
    assert_eq!((first, large), (Ok(()), Err(DatabaseError::Full)));
    assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
    assert_eq!(texts(&database).await, ["before", "kept", "later"]);
    let error = ToolError::from(DatabaseError::Full);
    assert_eq!((error.code, error.retryable), (ErrorCode::StorageFull, true));
}

#[tokio::test]
async fn writes_beyond_the_length_of_the_queue_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = database.write(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let writes = (0..5_000).map(|_| database.write(|_| Ok(())));
    let (first, results, ()) = tokio::join!(hold, join_all(writes), async move { drop(go) });
    first.unwrap();
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let refused = results.iter().filter(|result| **result == Err(DatabaseError::Overloaded)).count();
    assert_eq!(accepted + refused, 5_000);
    // The queue has 4,096 places. The first write takes one of them until the writer's thread has started.
    assert!((4_095..5_000).contains(&accepted), "{accepted} of 5,000 were accepted");
}

#[tokio::test]
async fn writes_that_wait_behind_the_lock_of_another_process_are_refused_together() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let other = Connection::open(folder.path().join("deep/er/notes.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes = (0..20).map(|number| database.write(move |transaction| add(transaction, &format!("late {number}"))));
    // The busy timeout is 5 s. The first write may be alone in its batch; all others share the second one. One after the other they would take 100 s.
    let refused = tokio::time::timeout(Duration::from_secs(30), join_all(writes)).await;
    let results = refused.expect("the writes are refused together");
    assert!(results.iter().all(|result| *result == Err(DatabaseError::Locked)), "{results:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(database.write(|transaction| add(transaction, "next")).await, Ok(1));
}

#[tokio::test]
async fn a_file_with_a_damaged_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    let database = Schema::new(&ALL).open(&file).unwrap();
    database.write(|transaction| add(transaction, "kept")).await.unwrap();
    database.close().await;
    let page = |connection: &Connection| -> rusqlite::Result<(u32, u32)> {
        let root =
            connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'note'", [], |row| row.get(0))?;
        Ok((root, connection.pragma_query_value(None, "page_size", |row| row.get(0))?))
    };
    let (root, size) = page(&Connection::open(&file).unwrap()).unwrap();
    let (root, size) = (root as usize, size as usize);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[(root - 1) * size..root * size].fill(0xff);
    std::fs::write(&file, &bytes).unwrap();
    assert!(matches!(Schema::new(&ALL).open(&file).err().unwrap(), OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_backup_is_checked_and_a_restore_migrates_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let older = Schema { migrations: &ALL[..1], ..Schema::new(&ALL) };
    let database = older.open(&at("old.db")).unwrap();
    database.write(|transaction| add(transaction, "old")).await.unwrap();
    older.backup(&at("old.db"), &at("backup.db"), false).unwrap();
    let newest = Schema::new(&ALL);
    let current = newest.open(&at("new.db")).unwrap();
    current.write(|transaction| add(transaction, "replaced")).await.unwrap();
    newest.restore(&at("new.db"), &at("backup.db")).unwrap();
    assert_eq!(texts(&current).await, ["old"]);
    current.write(|transaction| transaction.execute("INSERT INTO reply VALUES (1, 'x')", [])).await.unwrap();

    newest.backup(&at("new.db"), &at("newer.db"), false).unwrap();
    let refused = older.restore(&at("old.db"), &at("newer.db")).unwrap_err();
    assert!(matches!(refused, BackupError::Open(OpenError::Newer { version: 3, newest: 1, .. })), "{refused}");
    let foreign = Schema { application_id: 7, ..newest };
    assert!(matches!(foreign.restore(&at("old.db"), &at("newer.db")), Err(BackupError::Invalid { .. })));
    let mut bytes = std::fs::read(at("newer.db")).unwrap();
    bytes[4_096..].fill(0xff);
    std::fs::write(at("newer.db"), bytes).unwrap();
    assert!(matches!(newest.restore(&at("new.db"), &at("newer.db")), Err(BackupError::Invalid { .. })));
    assert!(matches!(newest.restore(&at("new.db"), &at("missing.db")), Err(BackupError::Invalid { .. })));
    assert!(matches!(newest.backup(&at("missing.db"), &at("copy.db"), false), Err(BackupError::Failed { .. })));
    assert!(!at("copy.db").exists() && !at("new.db.restoring").exists());
    assert_eq!(texts(&current).await, ["old"]);
}

/// Longest time that the tests wait for something that must end.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_ends_under_writes_and_is_one_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("notes.db"), folder.path().join("copy.db"));
    let database = Schema::new(&ALL).open(&file).unwrap();
    // 32 MiB, so that the copy takes several steps, and two rows that every later write changes together.
    let filler = |transaction: &Transaction<'_>| {
        (0..32).try_for_each(|number| add(transaction, &format!("{number}{}", "x".repeat(1 << 20))).map(drop))?;
        transaction.execute_batch("INSERT INTO note (text, stars) VALUES ('one', 0), ('two', 0)")
    };
    database.write(filler).await.unwrap();
    let (stop, writing) = (Arc::new(AtomicBool::new(false)), database.clone());
    let (stopped, written) = (Arc::clone(&stop), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&written);
    let mut writer = JoinSet::new();
    writer.spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            let both = "UPDATE note SET stars = stars + 1 WHERE text = 'one'; UPDATE note SET stars = stars + 1 WHERE text = 'two'";
            writing.write(move |transaction| transaction.execute_batch(both)).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (from, to) = (file.clone(), copy.clone());
    let backup = tokio::task::spawn_blocking(move || Schema::new(&ALL).backup(&from, &to, false));
    let ended = tokio::time::timeout(PATIENCE, backup).await;
    stop.store(true, Ordering::Relaxed);
    writer.join_all().await;
    ended.expect("the backup did not end").unwrap().unwrap();
    assert!(written.load(Ordering::Relaxed) > 0, "nothing was written meanwhile");
    let copied = Connection::open(&copy).unwrap();
    let stars = |text: &str| {
        copied.query_row("SELECT stars FROM note WHERE text = ?1", [text], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(stars("one"), stars("two"));
}

#[tokio::test]
async fn a_backup_never_overwrites_the_database_and_other_files_only_if_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let schema = Schema::new(&ALL);
    let database = schema.open(&at("notes.db")).unwrap();
    database.write(|transaction| add(transaction, "kept")).await.unwrap();
    std::os::unix::fs::symlink(at("notes.db"), at("link.db")).unwrap();
    std::fs::hard_link(at("notes.db"), at("second.db")).unwrap();
    std::fs::create_dir(at("sub")).unwrap();
    for name in
        ["notes.db", "notes.db-wal", "notes.db-shm", "notes.db-journal", "link.db", "second.db", "sub/../notes.db"]
    {
        for replace in [false, true] {
            let refused = schema.backup(&at("notes.db"), &at(name), replace);
            assert!(matches!(refused, Err(BackupError::Live { .. })), "{name}: {refused:?}");
        }
        let refused = schema.restore(&at("notes.db"), &at(name));
        assert!(matches!(refused, Err(BackupError::Live { .. })), "restore {name}: {refused:?}");
    }
    // The name of the partial copy could be that of the database.
    let partial = schema.open(&at("other.partial")).unwrap();
    assert!(matches!(schema.backup(&at("other.partial"), &at("other"), true), Err(BackupError::Live { .. })));
    drop(partial);
    std::fs::write(at("letter"), "not to be lost").unwrap();
    assert!(matches!(schema.backup(&at("notes.db"), &at("letter"), false), Err(BackupError::Exists { .. })));
    assert_eq!(std::fs::read(at("letter")).unwrap(), b"not to be lost");
    schema.backup(&at("notes.db"), &at("letter"), true).unwrap();
    schema.restore(&at("notes.db"), &at("letter")).unwrap();
    assert_eq!(texts(&database).await, ["kept"]);
}

#[tokio::test]
async fn only_the_owner_can_read_the_files_of_a_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/notes.db");
    let database = Schema::new(&ALL).open(&file).unwrap();
    database.write(|transaction| add(transaction, "private")).await.unwrap();
    Schema::new(&ALL).backup(&file, &folder.path().join("new/copy"), false).unwrap();
    let files = std::fs::read_dir(folder.path().join("new")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.chain([folder.path().join("new")]).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", file.display());
    }
}

#[tokio::test]
async fn every_older_version_is_migrated_to_the_newest() {
    for version in 1..=ALL.len() {
        let folder = tempfile::tempdir().unwrap();
        let older = Database::open(&url(folder.path()), &ALL[..version]).unwrap();
        older.write(|transaction| add(transaction, "old")).await.unwrap();
        older.close().await;
        let newest = Database::open(&url(folder.path()), &ALL).unwrap();
        let stars = |connection: &Connection| {
            connection.query_row("SELECT stars FROM note WHERE text = 'old'", [], |row| row.get::<_, i64>(0))
        };
        let stars = newest.read(stars).await.unwrap();
        assert_eq!(stars, i64::from(version == 1), "version {version}");
        let reply =
            |transaction: &Transaction<'_>| transaction.execute("INSERT INTO reply VALUES (?1, 'x')", params![1]);
        assert_eq!(newest.write(reply).await, Ok(1));
        let orphan = |transaction: &Transaction<'_>| transaction.execute("INSERT INTO reply VALUES (99, 'x')", []);
        assert!(newest.write(orphan).await.is_err(), "a reply to a missing note was accepted");
    }
}

#[tokio::test]
async fn a_failing_migration_keeps_the_previous_version() {
    let folder = tempfile::tempdir().unwrap();
    Database::open(&url(folder.path()), &[V1]).unwrap().close().await;
    let broken = [V1, V2, "CREATE TABLE half (x) STRICT; DELETE FROM nowhere;"];
    let refused = Database::open(&url(folder.path()), &broken).err().unwrap();
    assert!(matches!(refused, OpenError::Migration { from: 2, .. }), "{refused}");
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    database.write(|transaction| transaction.execute_batch("CREATE TABLE half (y INTEGER) STRICT")).await.unwrap();
}

/// Instances that open the same file at the same moment.
const INSTANCES: usize = 6;
/// Repetitions, because whether the instances collide is up to the scheduler.
const STARTS: usize = 40;

#[tokio::test]
async fn instances_that_start_at_once_without_a_file_create_one_together() {
    for start in 0..STARTS {
        let folder = tempfile::tempdir().unwrap();
        let (url, barrier) = (url(folder.path()), std::sync::Barrier::new(INSTANCES));
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                Database::open(&url, &ALL)
            };
            let opening: Vec<_> = (0..INSTANCES).map(|_| scope.spawn(open)).collect();
            opening.into_iter().map(|opening| opening.join().unwrap()).collect()
        });
        for (instance, database) in opened.into_iter().enumerate() {
            let database = database.unwrap_or_else(|error| panic!("instance {instance} of start {start}: {error}"));
            let text = format!("by {instance}");
            database.write(move |transaction| add(transaction, &text)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn newer_foreign_and_damaged_files_are_refused_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/er/notes.db");
    let newest = Database::open(&url(folder.path()), &ALL).unwrap();
    newest.write(|transaction| add(transaction, "kept")).await.unwrap();
    newest.close().await;
    let refuse = |migrations: &[&str]| {
        let before = std::fs::read(&file).unwrap();
        let refused = Database::open(&url(folder.path()), migrations).err().unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), before, "a refused file was changed");
        refused
    };
    assert!(matches!(refuse(&[V1]), OpenError::Newer { version: 3, newest: 1, .. }));
    assert!(matches!(refuse(&["CREATE TABLE other (x) STRICT;"]), OpenError::Foreign { .. }));
    // A newer release may use another journal mode; even that is not changed.
    Connection::open(&file).unwrap().execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 9").unwrap();
    assert!(matches!(refuse(&ALL), OpenError::Newer { version: 9, newest: 3, .. }));
    std::fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refuse(&ALL), OpenError::Foreign { .. }));
    std::fs::write(&file, "text that is not a database and longer than the header of one...".repeat(40)).unwrap();
    assert!(matches!(refuse(&ALL), OpenError::Damaged { .. }));
    for url in ["mysql://127.0.0.1/x", "sqlite://", "notes.db"] {
        assert!(matches!(Database::open(url, &ALL).err().unwrap(), OpenError::Url), "{url}");
    }
    assert!(matches!(Database::open("postgres://127.0.0.1/x", &ALL).err().unwrap(), OpenError::OnlyFile));
}

/// Runs until it is interrupted, and counts itself meanwhile.
fn endless(running: &Arc<AtomicU64>) -> impl FnOnce(&Connection) -> rusqlite::Result<i64> + Send + use<> {
    struct Counted(Arc<AtomicU64>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let running = Arc::clone(running);
    move |connection| {
        running.fetch_add(1, Ordering::SeqCst);
        let _counted = Counted(running);
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        connection.query_row(sql, [], |row| row.get(0))
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came that {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_dropped_ends_and_holds_its_place_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let (running, mut most) = (Arc::new(AtomicU64::new(0)), 0);
    for _ in 0..3 {
        let mut reads = JoinSet::new();
        for _ in 0..12 {
            let (database, work) = (database.clone(), endless(&running));
            reads.spawn(async move { database.read(work).await });
        }
        until("a read runs", || running.load(Ordering::SeqCst) > 0).await;
        most = most.max(running.load(Ordering::SeqCst));
        reads.shutdown().await;
    }
    assert!(most <= 4, "{most} reads ran at once");
    until("every dropped read has ended", || running.load(Ordering::SeqCst) == 0).await;
    let one = |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0));
    for _ in 0..8 {
        assert_eq!(database.read(one).await, Ok(1));
    }
}

#[tokio::test]
async fn a_read_cannot_write_and_sees_one_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let write = |connection: &Connection| connection.execute("INSERT INTO note (text) VALUES ('forbidden')", []);
    let refused = database.read(write).await;
    assert!(matches!(refused, Err(DatabaseError::Unusable { trouble: Trouble::ReadOnly, .. })), "{refused:?}");
    let (read, written) = (database.clone(), database.clone());
    let (counted, wait_for_count) = tokio::sync::oneshot::channel::<()>();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let count =
        |connection: &Connection| connection.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0));
    let reading = read.read(move |connection| {
        let first = count(connection)?;
        let _ = counted.send(());
        let _ = finished.recv();
        Ok((first, count(connection)?))
    });
    let writing = async move {
        wait_for_count.await.unwrap();
        written.write(|transaction| add(transaction, "meanwhile")).await.unwrap();
        done.send(()).unwrap();
    };
    let (both, ()) = tokio::join!(reading, writing);
    assert_eq!(both, Ok((0, 0)));
    assert_eq!(database.read(count).await, Ok(1));
}

#[test]
fn every_error_says_whether_the_write_may_have_been_stored() {
    let unusable = DatabaseError::Unusable { trouble: Trouble::Removed, why: "secret".to_owned() };
    let failed = DatabaseError::Failed("secret".to_owned());
    let certain = [
        DatabaseError::Full,
        DatabaseError::Closed,
        DatabaseError::Overloaded,
        DatabaseError::Locked,
        unusable,
        failed,
    ];
    for error in certain {
        let error = ToolError::from(error);
        assert!(error.hint.as_ref().unwrap().starts_with("nothing was changed"), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let unknown = ToolError::from(DatabaseError::Unconfirmed);
    assert!(unknown.hint.as_ref().unwrap().starts_with("the write may have been stored"), "{unknown:?}");
}
