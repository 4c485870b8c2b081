//! `redis`: a real Redis is running, but does not serve. Commands of Redis itself bring it into such a state. They are
//! sent over a connection that is opened before, because some states refuse a new one.

mod recipe;
mod state;
mod symptom;

pub use state::RedisState;

use super::error::FaultError;
use super::injection::Injection;
use super::kind::{CountedHits, Fault, FaultHold, FaultResources, Step};
use crate::plan::topology::{PartKind, Topology};
use crate::stack::RunningPart;
use crate::stack::undo::{ProcessUndo, RedisUndo, Undo, connect, query, run_id};
use futures::future::BoxFuture;
use recipe::{Ongoing, Recipe};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Name of the harness's connections in Redis. It distinguishes them from the connections of the services.
const NAME: &str = "harness-fault";
/// Pause between two repetitions of a command.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);
/// Deadline for Redis to serve again after the undo.
const SERVES_DEADLINE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub state: RedisState,
}

impl Fault for Redis {
    fn kind(&self) -> &'static str {
        self.state.name()
    }

    fn target(&self) -> String {
        "redis".to_owned()
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        let missing = !topology.parts.iter().any(|part| part.kind == PartKind::Redis);
        let problem = missing.then(|| format!("`{} redis` needs a Redis, and this stack has none", self.kind()));
        problem.into_iter().collect()
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(inject(self.state, injection))
    }

    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(async {
            wait_until_it_serves(&redis_of(injection)?.url).await.map_err(|why| injection.not_healed(why))
        })
    }
}

struct StateHold {
    /// The connections that fill Redis, and the admin connection, which could not be opened again in some states.
    connections: Vec<MultiplexedConnection>,
    tasks: JoinSet<()>,
}

impl FaultHold for StateHold {
    fn end(self: Box<Self>) -> BoxFuture<'static, Option<CountedHits>> {
        Box::pin(async move {
            let Self { connections, mut tasks } = *self;
            tasks.shutdown().await;
            drop(connections);
            None
        })
    }
}

fn redis_of(injection: &Injection<'_>) -> Result<RunningPart, FaultError> {
    let part = injection.stack.parts().into_iter().find(|part| part.kind == PartKind::Redis);
    part.ok_or_else(|| injection.refused("the stack has no Redis"))
}

async fn inject(state: RedisState, injection: &Injection<'_>) -> Result<FaultResources, FaultError> {
    let part = redis_of(injection)?;
    let refused = |error: RedisError| injection.refused(error);
    let mut admin = connect_by_name(&part.url).await.map_err(refused)?;
    let run_id = run_id(&mut admin).await.map_err(refused)?;
    let recipe = state.recipe(&mut admin).await.map_err(|why| injection.refused(why))?;

    // Declared before `connections`, so that on an error it is dropped after them: a Redis that is full of clients
    // refuses the connection of the undo until these are closed.
    let mut resources = FaultResources::default();
    let mut connections = Vec::new();
    // Opened before the commands are sent, which may make Redis refuse new connections.
    for _ in 0..recipe.reserved_connections {
        connections.push(connect_by_name(&part.url).await.map_err(refused)?);
    }
    let mut restore = recipe.restore.clone();
    if let Some(path) = &recipe.written_file {
        if part.container.is_none() && !path.exists() {
            // Recorded before the commands, so that it is undone after them: until then Redis may write the file again.
            resources.undo.push(injection.must_undo(Undo::RemoveFile { path: path.clone() })?);
        } else {
            // A file in a container cannot be removed from here, and a file that existed before must stay. So Redis
            // writes it again, without the keys of the fault.
            restore.push(vec!["SAVE".to_owned()]);
        }
    }
    if !restore.is_empty() {
        let (url, password) = (part.url.clone(), recipe.password.clone());
        let process = part.pid.zip(part.started).map(|(pid, started)| ProcessUndo { pid, started });
        let undo = RedisUndo { url, password, run_id, process, commands: restore };
        resources.undo.push(injection.must_undo(Undo::Redis(undo))?);
    }
    let tasks = begin(&part.url, &recipe, &mut admin).await.map_err(|why| injection.refused(why))?;
    // Commands that were accepted are no proof: a fault without an effect proves nothing (decision 0015).
    symptom::wait(&part.url, &recipe.symptom, &mut admin).await.map_err(|why| injection.no_effect(why))?;
    connections.push(admin);
    resources.hold = Some(Box::new(StateHold { connections, tasks }));
    Ok(resources)
}

async fn begin(url: &str, recipe: &Recipe, admin: &mut MultiplexedConnection) -> Result<JoinSet<()>, String> {
    query_all(admin, &recipe.inject).await?;
    let mut tasks = JoinSet::new();
    match recipe.ongoing.clone() {
        Ongoing::Nothing => {}
        Ongoing::Endless(command) => {
            let mut connection = connect_by_name(url).await.map_err(|error| error.to_string())?;
            // No deadline, because Redis answers this command only when the fault is healed.
            connection.set_response_timeout(Duration::MAX);
            tasks.spawn(async move { drop(query(&mut connection, &command).await) });
        }
        Ongoing::Repeated(command) => {
            let mut connection = connect_by_name(url).await.map_err(|error| error.to_string())?;
            let url = url.to_owned();
            tasks.spawn(async move {
                loop {
                    // A restart of Redis closes the connection, and the fault must outlast it.
                    if query(&mut connection, &command).await.is_err_and(|error| error.is_io_error())
                        && let Ok(reconnected) = connect_by_name(&url).await
                    {
                        connection = reconnected;
                    }
                    tokio::time::sleep(REPEAT_PAUSE).await;
                }
            });
        }
    }
    if recipe.closes_other_connections {
        symptom::close_other_connections(admin).await?;
        query_all(admin, &recipe.after_close).await?;
    }
    Ok(tasks)
}

async fn query_all(admin: &mut MultiplexedConnection, commands: &[Vec<String>]) -> Result<(), String> {
    for command in commands {
        // Three words name the command; the rest may be a password or a kilobyte of filler.
        let first = command.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        query(admin, command).await.map_err(|error| format!("Redis refuses `{first}`: {error}"))?;
    }
    Ok(())
}

/// Waits until Redis runs a script that writes, because the services write by scripts.
async fn wait_until_it_serves(url: &str) -> Result<(), String> {
    let start = Instant::now();
    let mut last;
    loop {
        // Each attempt opens a new connection, because some states refuse only new ones.
        match connect(url, None).await {
            Ok(mut connection) => match query(&mut connection, symptom::WRITE).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error.to_string(),
            },
            // Redis is not running: another fault has stopped it, which also ended this one.
            Err(error) if error.is_connection_refusal() => return Ok(()),
            Err(error) => last = error.to_string(),
        }
        if start.elapsed() > SERVES_DEADLINE {
            return Err(format!("Redis at `{url}` does not serve: {last}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connect_by_name(url: &str) -> Result<MultiplexedConnection, RedisError> {
    let mut connection = connect(url, None).await?;
    query(&mut connection, &["CLIENT", "SETNAME", NAME]).await?;
    Ok(connection)
}
