//! Connections to Postgres while servers hang, wait, or change their roles, and while callers give up.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use futures::FutureExt;
use mcp_kit::Readiness;
use mcp_kit::database::DatabaseError;
use mcp_kit::database::postgres::{Postgres, PostgresSchema, PostgresTarget};
use mcp_testkit::{PostgresDatabase, PostgresServer, wait_until};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

const SCHEMA: PostgresSchema<'static> =
    PostgresSchema { service: "test", migrations: &["CREATE TABLE number (value INTEGER)"] };
/// Two connections for reads and two for writes; an owner can use one of the former.
const CONNECTIONS: usize = 4;
/// Longer than every deadline of the product.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(url: &str) -> Postgres {
    let target = PostgresTarget::parse(url, None, CONNECTIONS).unwrap();
    tokio::time::timeout(PATIENCE, Postgres::open(&target, SCHEMA)).await.expect("it hangs").unwrap()
}

async fn insert(database: &Postgres, value: i32) -> Result<u64, DatabaseError> {
    let sql = "INSERT INTO number VALUES ($1)";
    let writing = database.write(|transaction| async move { transaction.execute(sql, &[&value]).await }.boxed());
    tokio::time::timeout(PATIENCE, writing).await.expect("a write hangs")
}

/// Returns the first column of the first row of a query that the database runs for `owner`.
async fn read(database: &Postgres, owner: &str, sql: &'static str) -> String {
    let reading = database.read(owner, |transaction| {
        async move { Ok(transaction.query_one(sql, &[]).await?.get::<_, String>(0)) }.boxed()
    });
    tokio::time::timeout(PATIENCE, reading).await.expect("a read hangs").unwrap()
}

fn values(database: &PostgresDatabase<'_>) -> String {
    database.admin("SELECT string_agg(value::text, ' ' ORDER BY value) FROM number")
}

fn reload(server: &PostgresServer, setting: &str) {
    server.admin("postgres", &format!("ALTER SYSTEM SET {setting}"));
    server.admin("postgres", "SELECT pg_reload_conf()");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_gives_up_a_read_gets_no_other_connection_before_the_server_has_stopped() {
    let database = PostgresServer::shared().database();
    let opened = open(&database.url()).await;
    let sleeping = "SELECT count(*)::text FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    for _ in 0..4 {
        let mut abandoned = JoinSet::new();
        abandoned.spawn({
            let opened = opened.clone();
            async move {
                let sleep = "SELECT pg_sleep(3600)";
                opened.read("noisy", |transaction| async { transaction.execute(sleep, &[]).await }.boxed()).await
            }
        });
        wait_until("the statement is running", async || database.admin(sleeping) == "1").await;
        abandoned.abort_all();
        assert!(abandoned.join_next().await.unwrap().unwrap_err().is_cancelled());
        assert_eq!(read(&opened, "noisy", sleeping).await, "0", "the server still works for a caller that has gone");
    }
    let count = "SELECT count(*) <= 4 FROM pg_stat_activity WHERE datname = current_database() AND usename = 'mcp'";
    assert_eq!(database.admin(count), "t", "connections were lost");
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_standby_has_is_never_acknowledged() {
    let server = PostgresServer::start(&[]);
    let database = server.database();
    let opened = open(&database.url()).await;
    insert(&opened, 0).await.unwrap();
    reload(&server, "synchronous_standby_names = 'no_such_standby'");
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'mcp'";
    let mut number = 0;
    // The first writes may be committed before the setting is in force.
    let result = loop {
        number += 1;
        let mut writing = JoinSet::new();
        writing.spawn({
            let opened = opened.clone();
            async move { insert(&opened, number).await }
        });
        let waits = wait_until("the commit waits", async || server.admin("postgres", waiting) == "t");
        tokio::select! {
            biased;
            () = waits => break writing.join_next().await.unwrap().unwrap(),
            quick = writing.join_next() => assert_eq!(quick.unwrap().unwrap(), Ok(1)),
        }
    };
    assert_eq!(result, Err(DatabaseError::Unconfirmed));
    reload(&server, "synchronous_standby_names = ''");
    wait_until("writes succeed", async || insert(&opened, number + 1).await.is_ok()).await;
    // The commit that was unconfirmed happened, once.
    let expected: Vec<String> = (0..=number + 1).map(|value| value.to_string()).collect();
    wait_until("all are visible", async || values(&database) == expected.join(" ")).await;
    opened.close().await;
}

/// Forwards connections to a server. While it is frozen, it forwards nothing, and closes nothing.
struct Relay {
    port: u16,
    frozen: watch::Sender<bool>,
    _connections: JoinSet<()>,
}

impl Relay {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (frozen, state) = watch::channel(false);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                running.spawn(forward_both(client, to, state.clone()));
            }
        });
        Self { port, frozen, _connections: connections }
    }
}

async fn forward_both(client: TcpStream, to: u16, state: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    tokio::join!(forward(client_reads, server_writes, state.clone()), forward(server_reads, client_writes, state));
}

async fn forward(
    from: tokio::net::tcp::OwnedReadHalf,
    to: tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<bool>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut from, mut to, mut bytes) = (from, to, [0; 8_192]);
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_reported_and_a_write_that_it_never_answered_is_not_stored() {
    let database = PostgresServer::shared().database();
    let relay = Relay::start(PostgresServer::shared().port());
    let port = PostgresServer::shared().port().to_string();
    let opened = open(&database.url().replace(&port, &relay.port.to_string())).await;
    let readiness = Readiness::default();
    opened.watch(&readiness);
    insert(&opened, 1).await.unwrap();
    assert!(readiness.reply().ready);
    relay.frozen.send_replace(true);
    let unanswered = insert(&opened, 2).await;
    assert!(matches!(unanswered, Err(DatabaseError::Unreachable(_))), "{unanswered:?}");
    wait_until("not ready", async || readiness.reply().missing == ["store-unreachable"]).await;
    relay.frozen.send_replace(false);
    wait_until("ready again", async || readiness.reply().ready).await;
    insert(&opened, 3).await.unwrap();
    assert_eq!(values(&database), "1 3");
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_server_that_hangs_does_not_keep_an_instance_from_the_second() {
    let database = PostgresServer::shared().database();
    // The kernel accepts its connections, and nothing answers.
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let both = format!("@127.0.0.1:{},", hung.local_addr().unwrap().port());
    let opened = open(&database.url().replace('@', &both)).await;
    insert(&opened, 1).await.unwrap();
    assert_eq!(read(&opened, "", "SELECT max(value)::text FROM number").await, "1");
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_move_to_the_server_that_accepts_them_and_none_fails() {
    let servers = [PostgresServer::start(&[]), PostgresServer::start(&[])];
    let databases = [servers[0].database(), servers[1].database()];
    open(&databases[1].url()).await.close().await;
    let url = databases[0].url();
    let second = format!(",127.0.0.1:{}/", servers[1].port());
    let opened =
        open(&url.replace(&format!("/{}", databases[0].name), &format!("{second}{}", databases[0].name))).await;
    assert_eq!(databases[0].name, databases[1].name);
    // Both connections for writes are open to the first server.
    let (barrier, mut writing) = (Arc::new(Barrier::new(2)), JoinSet::new());
    for _ in 0..2 {
        let (opened, barrier) = (opened.clone(), Arc::clone(&barrier));
        writing.spawn(async move {
            let work = opened.write(|transaction| {
                let barrier = Arc::clone(&barrier);
                async move {
                    transaction.execute("INSERT INTO number VALUES (0)", &[]).await?;
                    barrier.wait().await;
                    Ok(())
                }
                .boxed()
            });
            work.await.unwrap();
        });
    }
    writing.join_all().await;
    reload(&servers[0], "default_transaction_read_only = on");
    for number in 1.. {
        insert(&opened, number).await.unwrap();
        if databases[1].admin("SELECT count(*) FROM number") != "0" {
            break;
        }
    }
    let reading = read(&opened, "", "SELECT inet_server_port()::text").await;
    assert_eq!(reading, servers[1].port().to_string(), "a read uses the former primary");
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_a_database_change_neither_durability_nor_isolation() {
    let database = PostgresServer::shared().database();
    for setting in ["synchronous_commit = off", "default_transaction_isolation = 'serializable'"] {
        database.admin(&format!("ALTER DATABASE {} SET {setting}", database.name));
    }
    let opened = open(&database.url()).await;
    let sql = "SELECT current_setting('synchronous_commit') || ', ' || current_setting('transaction_isolation')";
    let read = opened
        .write(|transaction| async move { Ok(transaction.query_one(sql, &[]).await?.get::<_, String>(0)) }.boxed());
    assert_eq!(read.await.unwrap(), "on, read committed");
    opened.close().await;
}
