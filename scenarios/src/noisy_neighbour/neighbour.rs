//! The organisation next door: its data, how it behaves inside its plan, and how it takes all that it can.

use crate::unrecorded;
use futures::future::{join_all, join5};
use harness_core::drive::scenario::{Actor, RawConnection, ScenarioRequest, Stage, StepFailed};
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Number of requests that store large memories, and of memories in each: 6 MiB in all. A page of an export has a third of a MiB of them.
const LARGE: (usize, usize) = (7, 14);
const LARGE_BYTES: usize = 60 << 10;
/// Requests that store memories which a search compares, and memories in each.
const ALIKE: (usize, usize) = (6, 400);
/// Memories of one import while others are measured.
const IMPORTED: usize = 50;
/// Number of clients of each kind in normal use, and in abuse.
const CLIENTS: (usize, usize) = (1, 4);
/// Connections that send half a body, and those that do not read their reply.
const SLOW_BODIES: usize = 200;
const UNREAD: usize = 60;
/// Bytes that the kernel takes for a client that does not read.
const SMALL_BUFFER: u32 = 4 << 10;
/// Pause between two searches that are abandoned, which is a hundred in each second: the burst limit of every plan.
const ABANDONED_EVERY: Duration = Duration::from_millis(10);
/// Pause of a client after a call. Without it, a refusal would be followed by the next call at once.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Neighbour<'s> {
    stage: &'s Stage<'s>,
    memory: &'s str,
    words: String,
}

impl<'s> Neighbour<'s> {
    /// Stores the data of the neighbour.
    pub(super) async fn settle(stage: &'s Stage<'s>, memory: &'s str) -> Result<Self, StepFailed> {
        let neighbour = Self { stage, memory, words: words() };
        let eve = neighbour.user(0);
        let large = |number: usize| {
            let text = format!("bulk {number} ").repeat(LARGE_BYTES / 7);
            json!({ "content": text.get(..LARGE_BYTES).unwrap_or(&text), "tags": ["bulk"] })
        };
        for request in 0..LARGE.0 {
            let memories: Vec<Value> = (0..LARGE.1).map(|number| large(request * LARGE.1 + number)).collect();
            unrecorded::import(stage, memory, &eve, memories).await?;
        }
        for request in 0..ALIKE.0 {
            let alike = |number: usize| json!({ "content": format!("{} {request} {number}", neighbour.words) });
            let memories: Vec<Value> = (0..ALIKE.1).map(alike).collect();
            unrecorded::import(stage, memory, &eve, memories).await?;
        }
        Ok(neighbour)
    }

    fn user(&self, number: usize) -> Actor<'s> {
        self.stage.user(&format!("eve-{number}"), "noisy")
    }

    /// Imports, searches and exports, one call after the other, and reads every reply.
    pub(super) async fn inside_its_plan(&self, over: Rc<Cell<bool>>) {
        self.work(CLIENTS.0, &over).await;
    }

    /// The same with more clients than any plan has, and everything that costs its sender nothing.
    pub(super) async fn takes_all(&self, over: Rc<Cell<bool>>) {
        let working = self.work(CLIENTS.1, &over);
        let (bodies, unread) = (self.slow_bodies(&over), self.unread(&over));
        let (searches, floods) = (self.abandoned(&over), self.refused(&over));
        join5(working, bodies, unread, searches, floods).await;
    }

    /// Works with this number of clients of each kind until the measurement is over.
    async fn work(&self, clients: usize, over: &Cell<bool>) {
        let kinds: [fn(&Self, usize) -> ScenarioRequest; 3] = [Self::import, Self::search, Self::export];
        let working = (0..clients * kinds.len()).map(async |number| {
            let user = self.user(number + 1);
            let mut calls = 0;
            while !over.get() {
                calls += 1;
                let ask = kinds[number % kinds.len()](self, number * 1_000_000 + calls);
                unrecorded::send(self.stage, self.memory, &user, ask).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        join_all(working).await;
    }

    fn import(&self, number: usize) -> ScenarioRequest {
        let memory = |at: usize| json!({ "content": format!("note {number} {at} about the ledger and the queue") });
        ScenarioRequest::tool("import_memories", json!({ "memories": (0..IMPORTED).map(memory).collect::<Vec<_>>() }))
    }

    fn search(&self, _number: usize) -> ScenarioRequest {
        ScenarioRequest::tool("search_memory", json!({ "query": self.words, "limit": 1 }))
    }

    fn export(&self, _number: usize) -> ScenarioRequest {
        ScenarioRequest::tool("export_memories", json!({ "tags": ["bulk"], "limit": 100 }))
    }

    /// Holds connections with half a body each.
    async fn slow_bodies(&self, over: &Cell<bool>) {
        let request = self.user(0).request_bytes(self.memory, &self.import(0));
        let half = &request[..request.len() / 2];
        self.hold(SLOW_BODIES, half, None, over).await;
    }

    /// Holds connections with a reply that is not read on each.
    async fn unread(&self, over: &Cell<bool>) {
        let request = self.user(0).request_bytes(self.memory, &self.export(0));
        self.hold(UNREAD, &request, Some(SMALL_BUFFER), over).await;
    }

    async fn hold(&self, count: usize, bytes: &[u8], buffer: Option<u32>, over: &Cell<bool>) {
        let mut held: Vec<RawConnection> = Vec::new();
        for _ in 0..count {
            if let Ok(mut connection) = self.stage.connect(self.memory, buffer).await {
                connection.send(bytes).await;
                held.push(connection);
            }
            tokio::time::sleep(PAUSE).await;
        }
        until_over(over).await;
    }

    /// Sends searches whose clients leave at once.
    async fn abandoned(&self, over: &Cell<bool>) {
        let request = self.user(0).request_bytes(self.memory, &self.search(0));
        while !over.get() {
            if let Ok(mut connection) = self.stage.connect(self.memory, None).await {
                connection.send(&request).await;
            }
            tokio::time::sleep(ABANDONED_EVERY).await;
        }
    }

    /// Sends calls that the burst limit refuses.
    async fn refused(&self, over: &Cell<bool>) {
        let user = self.user(0);
        while !over.get() {
            unrecorded::send(self.stage, self.memory, &user, ScenarioRequest::tool("memory_stats", json!({}))).await;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn until_over(over: &Cell<bool>) {
    while !over.get() {
        tokio::time::sleep(PAUSE * 10).await;
    }
}

/// Returns words of two letters, all different, which fit into one query.
fn words() -> String {
    let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
    (0..120).map(|number| format!("{}{}", letter(number / 26), letter(number))).collect::<Vec<_>>().join(" ")
}
