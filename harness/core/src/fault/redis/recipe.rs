//! The form of a state's recipe, and what the recipes read from the Redis beforehand so that they can restore it.

use super::query;
use super::symptom::Symptom;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use std::path::PathBuf;

pub(super) type Command = Vec<String>;

/// What goes on while a state lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ongoing {
    Nothing,
    /// A command that is answered only when the fault is healed.
    Endless(Command),
    /// A command that is sent again and again.
    Repeated(Command),
}

/// How Redis is brought into a state and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) inject: Vec<Command>,
    pub(super) ongoing: Ongoing,
    /// True if all other connections are closed then, so that the services meet the state on new connections.
    pub(super) cuts_off: bool,
    /// Commands after that.
    pub(super) then: Vec<Command>,
    /// Commands that undo it. They may run twice.
    pub(super) restore: Vec<Command>,
    /// Number of connections that are held open.
    pub(super) places: usize,
    /// A file that Redis writes because of the state.
    pub(super) leaves: Option<PathBuf>,
    /// The password that Redis requires meanwhile.
    pub(super) password: Option<String>,
    /// What shows that the state has been reached.
    pub(super) symptom: Symptom,
}

impl Recipe {
    pub(super) const fn new(inject: Vec<Command>, restore: Vec<Command>, symptom: Symptom) -> Self {
        Self {
            inject,
            ongoing: Ongoing::Nothing,
            cuts_off: false,
            then: Vec::new(),
            restore,
            places: 0,
            leaves: None,
            password: None,
            symptom,
        }
    }
}

/// Returns the commands that change settings in this order, and those that restore them in reverse.
pub(super) async fn settings(
    admin: &mut MultiplexedConnection,
    changes: &[(&str, &str)],
) -> Result<(Vec<Command>, Vec<Command>), String> {
    let (mut inject, mut restore) = (Vec::new(), Vec::new());
    for (name, value) in changes {
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

/// Returns the command that gives the services' user its present commands. The first rule in the list covers all commands (`+@all` or
/// `-@all`), so that applying the list again does not depend on what was changed since.
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
