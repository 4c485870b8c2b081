//! The states that a Redis can be brought into, each with its recipe. A new state needs a variant, a line in `ALL`, a
//! name and a recipe, all in this file.

use super::NAME;
use super::recipe::{Ongoing, Recipe, ask, command, permissions, setting, settings};
use super::symptom::{Symptom, WRITE};
use rand::RngExt;
use rand::distr::Alphanumeric;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Number of connections that the harness opens in [`RedisState::MaxClients`], so that Redis accepts no others. If the
/// harness dies, all of them close, so the watchdog gets a connection although the services compete for them.
const RESERVED_CONNECTIONS: usize = 32;
/// Time after which Redis ends a fault by itself, in milliseconds, if neither the harness nor the watchdog has ended
/// it: resumes paused writes, and removes the keys of [`RedisState::Loading`].
const PAUSED_MS: u32 = 600_000;
/// How long a script runs before Redis answers other clients with `BUSY`, in milliseconds. The default of Redis,
/// 5,000, is too long: a state must show its symptom within the same 5 s.
const BUSY_AFTER_MS: u32 = 100;
/// A privileged port on which no Redis listens, so that the replica never finds a master.
const DEAD_PORT: u16 = 1;
/// Number of keys that Redis loads, and the delay of each in microseconds: 12,000 × 10 ms, so that the loading ends by
/// itself after two minutes.
const LOADED_KEYS: u32 = 12_000;
const LOAD_DELAY_US: u32 = 10_000;
/// Size of each value in bytes, and the number of loaded bytes after which Redis answers its clients again. Redis
/// accepts no smaller interval.
const LOADED_BYTES: usize = 1_024;
const FILL: &str = "for i = 1, tonumber(ARGV[2]) do redis.call('SET', ARGV[1] .. i, ARGV[3], 'PX', ARGV[4]) end";
const CLEAR: &str = "for i = 1, tonumber(ARGV[2]) do redis.call('UNLINK', ARGV[1] .. i) end";
const FILLER: &str = "harness:fault:filler:";

/// A state in which Redis is running but does not serve its clients as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    /// Redis loads its data (`-LOADING`).
    Loading,
    /// Redis is the replica of a dead master (`-READONLY`).
    Readonly,
    /// Redis has no memory for writes (`-OOM`).
    Oom,
    /// A script does not end (`-BUSY`).
    Busy,
    /// Redis delays writes until the fault ends (`CLIENT PAUSE WRITE`).
    PausedWrites,
    /// The loaded scripts are removed again and again (`-NOSCRIPT`).
    ScriptsFlushed,
    /// All keys are removed, and the counters with them.
    CountersLost,
    /// Redis accepts no more clients.
    MaxClients,
    /// The services' user may not run scripts (`-NOPERM`).
    NoScripts,
    /// Redis requires a password that no service has (`-NOAUTH`).
    PasswordRequired,
}

impl RedisState {
    pub const ALL: &[Self] = &[
        Self::Loading,
        Self::Readonly,
        Self::Oom,
        Self::Busy,
        Self::PausedWrites,
        Self::ScriptsFlushed,
        Self::CountersLost,
        Self::MaxClients,
        Self::NoScripts,
        Self::PasswordRequired,
    ];

    /// Returns the name of the state in experiments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Readonly => "readonly",
            Self::Oom => "oom",
            Self::Busy => "busy",
            Self::PausedWrites => "paused_writes",
            Self::ScriptsFlushed => "scripts_flushed",
            Self::CountersLost => "counters_lost",
            Self::MaxClients => "max_clients",
            Self::NoScripts => "no_scripts",
            Self::PasswordRequired => "password_required",
        }
    }

    /// Returns the commands that bring this Redis into the state and back. Only reads settings; changes nothing.
    pub(super) async fn recipe(self, admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
        Ok(match self {
            Self::Oom => {
                // `noeviction` first: with an evicting policy, `maxmemory 1` would make Redis drop every key.
                let (inject, restore) =
                    settings(admin, &[("maxmemory-policy", "noeviction"), ("maxmemory", "1")]).await?;
                Recipe::new(inject, restore, Symptom::Error { command: probe(), code: "OOM" })
            }
            Self::Readonly => readonly(admin).await?,
            Self::Busy => {
                let after = BUSY_AFTER_MS.to_string();
                let (inject, mut restore) = settings(admin, &[("lua-time-limit", after.as_str())]).await?;
                // Before the settings: while the script runs, Redis refuses the commands that restore them.
                restore.insert(0, command(&["SCRIPT", "KILL"]));
                let symptom = Symptom::Error { command: command(&["PING"]), code: "BUSY" };
                let ongoing = Ongoing::Endless(command(&["EVAL", "while true do end", "0"]));
                Recipe { ongoing, ..Recipe::new(inject, restore, symptom) }
            }
            Self::PausedWrites => {
                // No probe shows this state: a write would wait too, and reads succeed.
                let pause = command(&["CLIENT", "PAUSE", &PAUSED_MS.to_string(), "WRITE"]);
                Recipe::new(vec![pause], vec![command(&["CLIENT", "UNPAUSE"])], Symptom::Accepted)
            }
            Self::ScriptsFlushed => {
                // Repeated, because a service loads its script again as soon as Redis answers `NOSCRIPT`.
                let flush = command(&["SCRIPT", "FLUSH"]);
                let ongoing = Ongoing::Repeated(flush.clone());
                Recipe { ongoing, ..Recipe::new(vec![flush], Vec::new(), Symptom::Accepted) }
            }
            // No undo: the fault is over at once.
            Self::CountersLost => Recipe::new(vec![command(&["FLUSHALL"])], Vec::new(), Symptom::Accepted),
            Self::MaxClients => {
                let (inject, restore) = settings(admin, &[("maxclients", "1")]).await?;
                // The limit becomes exactly the number of connections that the harness has open: the places and the
                // admin's. It does not stay 1: if the harness died, the watchdog would compete with the services for
                // one place.
                let after_close =
                    vec![command(&["CONFIG", "SET", "maxclients", &(RESERVED_CONNECTIONS + 1).to_string()])];
                let symptom = Symptom::Greeting { contains: "max number of clients" };
                Recipe {
                    closes_other_connections: true,
                    after_close,
                    reserved_connections: RESERVED_CONNECTIONS,
                    ..Recipe::new(inject, restore, symptom)
                }
            }
            Self::NoScripts => {
                let forbid = command(&["ACL", "SETUSER", "default", "-@scripting"]);
                let symptom = Symptom::Error { command: command(WRITE), code: "NOPERM" };
                Recipe::new(vec![forbid], vec![permissions(admin).await?], symptom)
            }
            Self::PasswordRequired => password(admin).await?,
            Self::Loading => loading(admin).await?,
        })
    }
}

async fn readonly(admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    let info: String = ask(admin, &["INFO", "replication"]).await?;
    if !info.lines().any(|line| line.trim() == "role:master") {
        return Err("this Redis follows a master, and the harness could not restore that".to_owned());
    }
    let follow = command(&["REPLICAOF", "127.0.0.1", &DEAD_PORT.to_string()]);
    let lead = command(&["REPLICAOF", "NO", "ONE"]);
    Ok(Recipe::new(vec![follow], vec![lead], Symptom::Error { command: probe(), code: "READONLY" }))
}

async fn password(admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    if !setting(admin, "requirepass").await?.is_empty() {
        return Err("this Redis requires a password already".to_owned());
    }
    let password = random_text(32);
    let inject = vec![command(&["CONFIG", "SET", "requirepass", &password])];
    let restore = vec![command(&["CONFIG", "SET", "requirepass", ""])];
    let recipe = Recipe::new(inject, restore, Symptom::NewConnection { error: "NOAUTH" });
    // Redis asks only new connections for the password, so the open connections of the services are closed.
    Ok(Recipe { closes_other_connections: true, password: Some(password), ..recipe })
}

/// Makes Redis save its data and load it again slowly, so that it answers as after a restart. Closes the connections,
/// as a restart does.
async fn loading(admin: &mut MultiplexedConnection) -> Result<Recipe, String> {
    // Settings are restored in reverse order, so the delay is restored first. If the interval were restored first, Redis
    // would answer its clients so rarely that the command which restores the delay would wait for a long time.
    let slow = [
        ("loading-process-events-interval-bytes", LOADED_BYTES.to_string()),
        ("key-load-delay", LOAD_DELAY_US.to_string()),
    ];
    let slow = slow.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (mut inject, mut restore) = settings(admin, &slow).await?;
    // Random text, because Redis compresses any other text in its file, and the interval counts bytes of the file.
    let (keys, filler) = (LOADED_KEYS.to_string(), random_text(LOADED_BYTES));
    inject.push(command(&["EVAL", FILL, "0", FILLER, &keys, &filler, &PAUSED_MS.to_string()]));
    restore.push(command(&["EVAL", CLEAR, "0", FILLER, &keys]));
    let dump = PathBuf::from(setting(admin, "dir").await?).join(setting(admin, "dbfilename").await?);
    let symptom = Symptom::Error { command: command(&["PING"]), code: "LOADING" };
    let ongoing = Ongoing::Endless(command(&["DEBUG", "RELOAD"]));
    Ok(Recipe {
        ongoing,
        closes_other_connections: true,
        written_file: Some(dump),
        ..Recipe::new(inject, restore, symptom)
    })
}

fn probe() -> Vec<String> {
    command(&["SET", &format!("{NAME}:probe"), "1", "PX", "1"])
}

fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::RedisState;

    #[test]
    fn a_state_has_the_same_word_in_files_and_reports() {
        for state in RedisState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
