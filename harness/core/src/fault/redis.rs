//! A real Redis in a state in which it answers and does not serve, brought about by its own commands over a connection that is opened
//! before.

mod recipe;
mod sign;

use super::injection::Injection;
use super::{FaultError, RedisState};
use crate::plan::topology::PartKind;
use crate::stack::undo::{RedisUndo, Undo, UndoGuard, connect, run_id, say};
use recipe::{Goes, Recipe};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What the harness' connections are called, so that they can be told from those of the services.
const NAME: &str = "harness-fault";
/// Pause between two commands that are said again and again.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a Redis may take to serve again.
const SERVES_DEADLINE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// What goes on at a Redis while the fault acts.
pub(super) struct Acting {
    url: String,
    /// Connections that take places, or that must not be missed.
    _held: Vec<MultiplexedConnection>,
    going_on: JoinSet<()>,
}

impl Acting {
    /// Ends what goes on; the answer is where the Redis is.
    pub(super) async fn end(mut self) -> String {
        self.going_on.shutdown().await;
        self.url
    }
}

pub(super) async fn inject(
    injection: &Injection<'_>,
    state: RedisState,
) -> Result<(Acting, Vec<UndoGuard>), FaultError> {
    let parts = injection.stack.parts();
    let part = parts.into_iter().find(|part| part.kind == PartKind::Redis);
    let part = part.ok_or_else(|| injection.refused("the stack has no Redis"))?;
    let refused = |error: RedisError| injection.refused(error);
    let mut admin = named(&part.url).await.map_err(refused)?;
    let life = run_id(&mut admin).await.map_err(refused)?;
    let recipe = recipe::of(state, &mut admin).await.map_err(|why| injection.refused(why))?;

    let mut held = Vec::new();
    for _ in 0..recipe.places {
        held.push(named(&part.url).await.map_err(refused)?);
    }
    let mut owed = Vec::new();
    let mut restore = recipe.restore.clone();
    if let Some(path) = &recipe.leaves {
        // A file in a container cannot be removed from here; written anew it says how things are.
        if part.container.is_none() && !path.exists() {
            owed.push(injection.must_undo(Undo::RemoveFile { path: path.clone() })?);
        } else {
            restore.push(vec!["SAVE".to_owned()]);
        }
    }
    if !restore.is_empty() {
        let password = recipe.password.clone();
        owed.push(injection.must_undo(Undo::Redis(RedisUndo {
            url: part.url.clone(),
            password,
            run_id: life,
            commands: restore,
        }))?);
    }
    let going_on = begin(&part.url, &recipe, &mut admin).await.map_err(|why| injection.refused(why))?;
    sign::wait(&part.url, &recipe.sign, &mut admin).await.map_err(|why| injection.no_effect(why))?;
    held.push(admin);
    Ok((Acting { url: part.url, _held: held, going_on }, owed))
}

/// Does what the recipe says.
async fn begin(url: &str, recipe: &Recipe, admin: &mut MultiplexedConnection) -> Result<JoinSet<()>, String> {
    tell(admin, &recipe.inject).await?;
    let mut going_on = JoinSet::new();
    match recipe.goes_on.clone() {
        Goes::Over => {}
        Goes::Endless(command) => {
            let mut connection = named(url).await.map_err(|error| error.to_string())?;
            // It is answered when the fault is healed.
            connection.set_response_timeout(Duration::MAX);
            going_on.spawn(async move { drop(say(&mut connection, &command).await) });
        }
        Goes::Again(command) => {
            let mut connection = named(url).await.map_err(|error| error.to_string())?;
            let url = url.to_owned();
            going_on.spawn(async move {
                loop {
                    // A Redis that is away for a moment is told again when it is back.
                    if say(&mut connection, &command).await.is_err_and(|error| error.is_io_error())
                        && let Ok(again) = named(&url).await
                    {
                        connection = again;
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            });
        }
    }
    if recipe.cuts_off {
        sign::cut_off_others(admin).await?;
        tell(admin, &recipe.then).await?;
    }
    Ok(going_on)
}

async fn tell(admin: &mut MultiplexedConnection, commands: &[Vec<String>]) -> Result<(), String> {
    for command in commands {
        let first = command.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        say(admin, command).await.map_err(|error| format!("Redis refuses `{first}`: {error}"))?;
    }
    Ok(())
}

/// Makes sure that a Redis serves: a script may write.
pub(super) async fn serves(url: &str) -> Result<(), String> {
    let start = Instant::now();
    let mut last;
    loop {
        match connect(url, None).await {
            Ok(mut connection) => match say(&mut connection, sign::WRITE).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error.to_string(),
            },
            // One that was ended by something else has nothing of this fault.
            Err(error) if error.is_connection_refusal() => return Ok(()),
            Err(error) => last = error.to_string(),
        }
        if start.elapsed() > SERVES_DEADLINE {
            return Err(format!("Redis at `{url}` does not serve: {last}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn named(url: &str) -> Result<MultiplexedConnection, RedisError> {
    let mut connection = connect(url, None).await?;
    say(&mut connection, &["CLIENT", "SETNAME", NAME]).await?;
    Ok(connection)
}
