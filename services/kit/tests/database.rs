//! The database of a service: what was acknowledged is there, one write's trouble is its own, a file that cannot be trusted is refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use futures::future::join_all;
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::database::{Database, DatabaseError, OpenError};
use rusqlite::{Connection, Transaction, params};
use std::path::Path;

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
async fn what_was_written_is_there_after_close_and_nothing_is_taken_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    assert_eq!(database.write(|transaction| add(transaction, "first")).await, Ok(1));
    assert_eq!(texts(&database).await, ["first"]);
    // Somebody else looks at the file, so that SQLite does not put the log back by itself.
    let file = folder.path().join("deep/er/notes.db");
    let onlooker = Connection::open(&file).unwrap();
    onlooker.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0)).unwrap();
    database.close().await;
    database.close().await;
    assert_eq!(database.write(|transaction| add(transaction, "late")).await, Err(DatabaseError::Closed));
    assert_eq!(database.read(|_| Ok(())).await, Err(DatabaseError::Closed));
    let log = folder.path().join("deep/er/notes.db-wal");
    assert!(std::fs::metadata(&log).map_or(0, |file| file.len()) == 0, "the log was not put back into the file");
    assert_eq!(texts(&Database::open(&url(folder.path()), &ALL).unwrap()).await, ["first"]);
}

/// Commits in the log: frames whose header tells the size of the database after it.
fn commits(folder: &Path) -> usize {
    let log = std::fs::read(folder.join("deep/er/notes.db-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    log[32..].chunks_exact(24 + page).filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Every third takes the text of another, after it has written something that must not stay; one panics.
fn awkward(transaction: &Transaction<'_>, number: usize) -> rusqlite::Result<i64> {
    if number % 3 == 2 {
        add(transaction, &format!("half {number}"))?;
        add(transaction, "same")?;
        return add(transaction, "same");
    }
    let id = add(transaction, &format!("whole {number:02}"))?;
    assert!(number != 30, "this one panics");
    Ok(id)
}

#[tokio::test]
async fn writes_that_wait_together_share_a_commit_and_a_failing_one_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let before = commits(folder.path());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = database.write(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let writes = (0..60).map(|number| database.write(move |transaction| awkward(transaction, number)));
    // Each is queued when it is polled first, so all sixty wait when the held one may go on.
    let (held, results, ()) = tokio::join!(hold, join_all(writes), async move { drop(go) });
    held.unwrap();
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), number % 3 == 2 || number == 30, "{number}: {result:?}");
    }
    let whole: Vec<String> =
        (0..60).filter(|number| number % 3 != 2 && *number != 30).map(|number| format!("whole {number:02}")).collect();
    assert_eq!(texts(&database).await, whole);
    let needed = commits(folder.path()) - before;
    assert!((1..=2).contains(&needed), "61 writes needed {needed} commits");
}

#[tokio::test]
async fn a_full_disk_is_told_to_those_it_concerns_and_what_was_there_stays() {
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
    let (held, before, large, after, ()) =
        tokio::join!(hold, small("before"), large, small("later"), async move { drop(go) });
    assert_eq!((held, large), (Ok(()), Err(DatabaseError::Full)));
    assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
    assert_eq!(texts(&database).await, ["before", "kept", "later"]);
    let told = ToolError::from(DatabaseError::Full);
    assert_eq!((told.code, told.retryable), (ErrorCode::StorageFull, true));
}

#[tokio::test]
async fn more_writes_than_may_wait_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = database.write(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let writes = (0..5_000).map(|_| database.write(|_| Ok(())));
    let (held, results, ()) = tokio::join!(hold, join_all(writes), async move { drop(go) });
    held.unwrap();
    let refused = results.iter().filter(|result| **result == Err(DatabaseError::Overloaded)).count();
    assert!((1..=5_000 - 4_096).contains(&refused), "{refused} of 5,000 were refused");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5_000 - refused);
}

#[tokio::test]
async fn every_older_version_is_brought_to_the_newest_step_by_step() {
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
        assert!(newest.write(orphan).await.is_err(), "a reply to nothing was taken");
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_version_before_it() {
    let folder = tempfile::tempdir().unwrap();
    Database::open(&url(folder.path()), &[V1]).unwrap().close().await;
    let broken = [V1, V2, "CREATE TABLE half (x) STRICT; DELETE FROM nowhere;"];
    let refused = Database::open(&url(folder.path()), &broken).err().unwrap();
    assert!(matches!(refused, OpenError::Migration { from: 2, .. }), "{refused}");
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    database.write(|transaction| transaction.execute_batch("CREATE TABLE half (y INTEGER) STRICT")).await.unwrap();
}

/// Instances of a service that share a file and start at the same moment.
const INSTANCES: usize = 6;
/// Files that they start on, one after the other: whether they meet is up to the system.
const STARTS: usize = 40;

#[tokio::test]
async fn instances_that_start_at_once_on_no_file_make_one_together() {
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
async fn newer_foreign_and_damaged_files_are_refused_and_left_as_they_are() {
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
    assert!(matches!(refuse(&[V1]), OpenError::Newer { found: 3, known: 1, .. }));
    assert!(matches!(refuse(&["CREATE TABLE other (x) STRICT;"]), OpenError::Foreign { .. }));
    // A newer release may have chosen another journal; not even that is changed.
    Connection::open(&file).unwrap().execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 9").unwrap();
    assert!(matches!(refuse(&ALL), OpenError::Newer { found: 9, known: 3, .. }));
    std::fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refuse(&ALL), OpenError::Foreign { .. }));
    std::fs::write(&file, "no database at all, but long enough to look like a header of one".repeat(40)).unwrap();
    assert!(matches!(refuse(&ALL), OpenError::Damaged { .. }));
    for url in ["postgres://127.0.0.1/x", "sqlite://", "notes.db"] {
        assert!(matches!(Database::open(url, &ALL).err().unwrap(), OpenError::Url), "{url}");
    }
}

#[tokio::test]
async fn readers_cannot_write_and_see_one_state() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let write = |connection: &Connection| connection.execute("INSERT INTO note (text) VALUES ('sly')", []);
    assert!(matches!(database.read(write).await, Err(DatabaseError::Failed(_))));
    let (read, written) = (database.clone(), database.clone());
    let (seen, sees) = tokio::sync::oneshot::channel::<()>();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let count =
        |connection: &Connection| connection.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0));
    let reading = read.read(move |connection| {
        let first = count(connection)?;
        let _ = seen.send(());
        let _ = finished.recv();
        Ok((first, count(connection)?))
    });
    let writing = async move {
        sees.await.unwrap();
        written.write(|transaction| add(transaction, "meanwhile")).await.unwrap();
        done.send(()).unwrap();
    };
    let (both, ()) = tokio::join!(reading, writing);
    assert_eq!(both, Ok((0, 0)));
    assert_eq!(database.read(count).await, Ok(1));
}
