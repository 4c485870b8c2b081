//! The type of a recipe, and the functions that read the present settings of a Redis, so that a recipe can restore
//! them.

use super::query;
use super::symptom::Symptom;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use std::path::PathBuf;

pub(super) type Command = Vec<String>;

/// The command that keeps a state going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ongoing {
    Nothing,
    /// A command that Redis answers only when the fault is healed.
    Endless(Command),
    /// A command that is sent again after each pause.
    Repeated(Command),
}

/// How Redis is brought into a state and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) inject: Vec<Command>,
    pub(super) ongoing: Ongoing,
    /// True if the connections of all other clients are closed after `inject`, so that the services have to open new
    /// ones.
    pub(super) closes_other_connections: bool,
    /// Commands that follow when these connections are closed.
    pub(super) after_close: Vec<Command>,
    /// Commands that undo the fault. They may run twice.
    pub(super) restore: Vec<Command>,
    /// Number of connections that the harness keeps open during the fault.
    pub(super) reserved_connections: usize,
    /// A file that Redis writes because of the fault.
    pub(super) written_file: Option<PathBuf>,
    /// The password that Redis requires during the fault.
    pub(super) password: Option<String>,
    pub(super) symptom: Symptom,
}

impl Recipe {
    pub(super) const fn new(inject: Vec<Command>, restore: Vec<Command>, symptom: Symptom) -> Self {
        Self {
            inject,
            ongoing: Ongoing::Nothing,
            closes_other_connections: false,
            after_close: Vec::new(),
            restore,
            reserved_connections: 0,
            written_file: None,
            password: None,
            symptom,
        }
    }
}

/// Returns the commands that change settings, in this order, and those that restore them, in reverse order.
pub(super) async fn settings(
    admin: &mut MultiplexedConnection,
    changes: &[(&str, &str)],
) -> Result<(Vec<Command>, Vec<Command>), String> {
    let (mut inject, mut restore) = (Vec::new(), Vec::new());
    for (name, value) in changes {
        // The present value and not the default of Redis, which its command line or its operator may have changed.
        let before = setting(admin, name).await?;
        inject.push(command(&["CONFIG", "SET", name, value]));
        restore.insert(0, command(&["CONFIG", "SET", name, &before]));
    }
    Ok((inject, restore))
}

pub(super) async fn setting(admin: &mut MultiplexedConnection, name: &str) -> Result<String, String> {
    let pair: Vec<String> = ask(admin, &["CONFIG", "GET", name]).await?;
    pair.into_iter().nth(1).ok_or_else(|| format!("this Redis has no setting `{name}`"))
}

/// Returns the command that restores the present permissions of the services' user. The first rule of the list covers
/// all commands (`+@all` or `-@all`), so the result does not depend on later changes of the permissions.
pub(super) async fn permissions(admin: &mut MultiplexedConnection) -> Result<Command, String> {
    let users: Vec<String> = ask(admin, &["ACL", "LIST"]).await?;
    let rules = users.iter().find_map(|line| line.strip_prefix("user default "));
    let rules = rules.ok_or_else(|| "this Redis has no user `default`".to_owned())?;
    let commands = rules.split(' ').filter(|rule| rule.starts_with(['+', '-']));
    Ok(["ACL", "SETUSER", "default"].into_iter().chain(commands).map(str::to_owned).collect())
}

pub(super) async fn ask<T: FromRedisValue>(admin: &mut MultiplexedConnection, words: &[&str]) -> Result<T, String> {
    let reply = query(admin, words).await.map_err(|error| error.to_string())?;
    redis::from_redis_value(reply).map_err(|error| error.to_string())
}

pub(super) fn command(words: &[&str]) -> Command {
    words.iter().map(|word| (*word).to_owned()).collect()
}
