//! How each state is brought about and taken back, as commands; what has to be known of the Redis before is asked here.

use super::sign::{Sign, WRITE};
use super::{NAME, RedisState, say};
use rand::RngExt;
use rand::distr::Alphanumeric;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use std::path::PathBuf;

/// Places that are held while no more clients are let in. When their holder dies they are free, so that whoever undoes it gets in although
/// the services want in too.
const PLACES: usize = 32;
/// How long writes wait at most, in milliseconds, should nobody take it back.
const PAUSED_MS: u32 = 600_000;
/// How long a script runs before others are told, in milliseconds.
const BUSY_AFTER_MS: u32 = 100;
/// A port on which nobody listens.
const DEAD_PORT: u16 = 1;
/// Keys that are loaded, each of which takes so many microseconds: loading ends by itself after two minutes.
const LOADED_KEYS: u32 = 12_000;
const LOAD_DELAY_US: u32 = 10_000;
/// Bytes of each; others are heard once for so many bytes, which is the least that Redis takes.
const LOADED_BYTES: usize = 1_024;
const FILL: &str = "for i = 1, tonumber(ARGV[2]) do redis.call('SET', ARGV[1] .. i, ARGV[3], 'PX', ARGV[4]) end";
const CLEAR: &str = "for i = 1, tonumber(ARGV[2]) do redis.call('UNLINK', ARGV[1] .. i) end";
const FILLER: &str = "harness:fault:filler:";

type Command = Vec<String>;

/// What goes on while a state lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goes {
    /// Nothing.
    Over,
    /// A command that is answered only when the fault is healed.
    Endless(Command),
    /// A command that is said again and again.
    Again(Command),
}

/// How a state is brought about and taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// What is said first.
    pub(super) inject: Vec<Command>,
    pub(super) goes_on: Goes,
    /// Whether the connections of all others are cut off then, so that they meet the state on new ones too.
    pub(super) cuts_off: bool,
    /// What is said after that.
    pub(super) then: Vec<Command>,
    /// What takes it back.
    pub(super) restore: Vec<Command>,
    /// Connections that are held beside.
    pub(super) places: usize,
    /// A file that Redis writes because of it.
    pub(super) leaves: Option<PathBuf>,
    /// A password that it asks for meanwhile.
    pub(super) password: Option<String>,
    /// What shows that it acts.
    pub(super) sign: Sign,
}

impl Recipe {
    fn new(inject: Vec<Command>, restore: Vec<Command>, sign: Sign) -> Self {
        Self {
            inject,
            goes_on: Goes::Over,
            cuts_off: false,
            then: Vec::new(),
            restore,
            places: 0,
            leaves: None,
            password: None,
            sign,
        }
    }
}

/// The recipe of a state, for this Redis.
pub(super) async fn of(state: RedisState, admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    Ok(match state {
        RedisState::Oom => {
            let (inject, restore) = settings(admin, &[("maxmemory-policy", "noeviction"), ("maxmemory", "1")]).await?;
            Recipe::new(inject, restore, Sign::Says { command: probe(), code: "OOM" })
        }
        RedisState::Readonly => readonly(admin).await?,
        RedisState::Busy => {
            let after = BUSY_AFTER_MS.to_string();
            let (inject, mut restore) = settings(admin, &[("lua-time-limit", after.as_str())]).await?;
            restore.insert(0, command(&["SCRIPT", "KILL"]));
            let sign = Sign::Says { command: command(&["PING"]), code: "BUSY" };
            let goes_on = Goes::Endless(command(&["EVAL", "while true do end", "0"]));
            Recipe { goes_on, ..Recipe::new(inject, restore, sign) }
        }
        RedisState::PausedWrites => {
            let pause = command(&["CLIENT", "PAUSE", &PAUSED_MS.to_string(), "WRITE"]);
            Recipe::new(vec![pause], vec![command(&["CLIENT", "UNPAUSE"])], Sign::Accepted)
        }
        RedisState::ScriptsFlushed => {
            let flush = command(&["SCRIPT", "FLUSH"]);
            Recipe { goes_on: Goes::Again(flush.clone()), ..Recipe::new(vec![flush], Vec::new(), Sign::Accepted) }
        }
        RedisState::CountersLost => Recipe::new(vec![command(&["FLUSHALL"])], Vec::new(), Sign::Accepted),
        RedisState::MaxClients => {
            let (inject, restore) = settings(admin, &[("maxclients", "1")]).await?;
            let then = vec![command(&["CONFIG", "SET", "maxclients", &(PLACES + 1).to_string()])];
            let sign = Sign::Greeted { by: "max number of clients" };
            Recipe { cuts_off: true, then, places: PLACES, ..Recipe::new(inject, restore, sign) }
        }
        RedisState::NoScripts => {
            let forbid = command(&["ACL", "SETUSER", "default", "-@scripting"]);
            let sign = Sign::Says { command: command(WRITE), code: "NOPERM" };
            Recipe::new(vec![forbid], vec![permissions(admin).await?], sign)
        }
        RedisState::PasswordRequired => password(admin).await?,
        RedisState::Loading => loading(admin).await?,
    })
}

async fn readonly(admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    let info: String = ask(admin, &["INFO", "replication"]).await?;
    if !info.lines().any(|line| line.trim() == "role:master") {
        return Err("this Redis follows a master, and would have to be made to follow it again".to_owned());
    }
    let follow = command(&["REPLICAOF", "127.0.0.1", &DEAD_PORT.to_string()]);
    let lead = command(&["REPLICAOF", "NO", "ONE"]);
    Ok(Recipe::new(vec![follow], vec![lead], Sign::Says { command: probe(), code: "READONLY" }))
}

async fn password(admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    if !setting(admin, "requirepass").await?.is_empty() {
        return Err("this Redis asks for a password already".to_owned());
    }
    let password = text(32);
    let inject = vec![command(&["CONFIG", "SET", "requirepass", &password])];
    let restore = vec![command(&["CONFIG", "SET", "requirepass", ""])];
    let recipe = Recipe::new(inject, restore, Sign::Newcomer { hears: "NOAUTH" });
    Ok(Recipe { cuts_off: true, password: Some(password), ..recipe })
}

/// Redis saves what it has, slowly loads it again and meanwhile answers so, as it does after a restart; the others lose their connections,
/// as they do in one.
async fn loading(admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    // Taken back in reverse: once it hears others seldom, it would not hear for long that it may be fast again.
    let slow = [
        ("loading-process-events-interval-bytes", LOADED_BYTES.to_string()),
        ("key-load-delay", LOAD_DELAY_US.to_string()),
    ];
    let slow = slow.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (mut inject, mut restore) = settings(admin, &slow).await?;
    // What cannot be compressed is as long in the file as it is here.
    let (keys, filler) = (LOADED_KEYS.to_string(), text(LOADED_BYTES));
    inject.push(command(&["EVAL", FILL, "0", FILLER, &keys, &filler, &PAUSED_MS.to_string()]));
    restore.push(command(&["EVAL", CLEAR, "0", FILLER, &keys]));
    let dump = PathBuf::from(setting(admin, "dir").await?).join(setting(admin, "dbfilename").await?);
    let sign = Sign::Says { command: command(&["PING"]), code: "LOADING" };
    let goes_on = Goes::Endless(command(&["DEBUG", "RELOAD"]));
    Ok(Recipe { goes_on, cuts_off: true, leaves: Some(dump), ..Recipe::new(inject, restore, sign) })
}

/// Changes settings in order, and takes them back in reverse.
async fn settings(
    admin: &mut MultiplexedConnection,
    wanted: &[(&str, &str)],
) -> Result<(Vec<Command>, Vec<Command>), String> {
    let (mut inject, mut restore) = (Vec::new(), Vec::new());
    for (name, value) in wanted {
        let before = setting(admin, name).await?;
        inject.push(command(&["CONFIG", "SET", name, value]));
        restore.insert(0, command(&["CONFIG", "SET", name, &before]));
    }
    Ok((inject, restore))
}

async fn setting(admin: &mut MultiplexedConnection, name: &str) -> Result<String, String> {
    let found: Vec<String> = ask(admin, &["CONFIG", "GET", name]).await?;
    found.into_iter().nth(1).ok_or_else(|| format!("this Redis has no setting `{name}`"))
}

/// What gives the services' user the commands that it has now: the first rule is about all of them, so that said again they are the same.
async fn permissions(admin: &mut MultiplexedConnection) -> Result<Command, String> {
    let users: Vec<String> = ask(admin, &["ACL", "LIST"]).await?;
    let rules = users.iter().find_map(|line| line.strip_prefix("user default "));
    let rules = rules.ok_or_else(|| "this Redis has no user `default`".to_owned())?;
    let commands = rules.split(' ').filter(|rule| rule.starts_with(['+', '-']));
    Ok(["ACL", "SETUSER", "default"].into_iter().chain(commands).map(str::to_owned).collect())
}

async fn ask<T: FromRedisValue>(admin: &mut MultiplexedConnection, words: &[&str]) -> Result<T, String> {
    let said = say(admin, words).await.map_err(|error| error.to_string())?;
    redis::from_redis_value(said).map_err(|error| error.to_string())
}

fn probe() -> Command {
    command(&["SET", &format!("{NAME}:probe"), "1", "PX", "1"])
}

fn text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

fn command(words: &[&str]) -> Command {
    words.iter().map(|word| (*word).to_owned()).collect()
}
