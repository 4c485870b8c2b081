//! The memory workload: what one user does with the memory service, and what of that is recorded.

mod known;
mod wire;

use crate::content::{Corpus, seen};
use crate::directory::{Directory, Identity};
use harness_core::drive::client::{Call, Client};
use harness_core::drive::token::{Grant, Minter, TokenError};
use harness_history::op::{Canary, RecordState};
use harness_history::{Effect, ErrorKind, Op, Outcome, Phase};
use known::{Ring, Rings};
use mcp_contracts::memory::{Visibility, tool};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Operations that a mix can weigh. `probe_foreign` reads an id of another organisation, which must not be found.
pub const OPERATIONS: &[&str] = &["store_memory", "get_memory", "search_memory", "list_memories", "probe_foreign"];

/// Tags that memories get.
const TAGS: &[&str] =
    &["incident", "deploy", "billing", "database", "latency", "review", "security", "cache", "release", "onboarding"];
/// Kinds that memories get.
const KINDS: &[&str] = &["note", "decision", "incident", "runbook"];
/// Hits asked for in a search or a list.
const PAGE: u32 = 10;
/// One write of so many is for the whole workspace.
const SHARED_OF: u32 = 3;
/// A token is replaced this long before its end, in microseconds.
const REFRESH_BEFORE_US: u64 = 300_000_000;

/// One of [`OPERATIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Store,
    Get,
    Search,
    List,
    ProbeForeign,
}

impl Operation {
    const ALL: [Self; 5] = [Self::Store, Self::Get, Self::Search, Self::List, Self::ProbeForeign];

    /// The name in profiles, histories and reports.
    pub(crate) const fn name(self) -> &'static str {
        OPERATIONS[self as usize]
    }
}

/// What all users share.
pub(crate) struct World {
    directory: Directory,
    corpus: Corpus,
    minter: Minter,
    /// Operation and the sum of the weights up to it.
    mix: Vec<(Operation, u32)>,
    names: Vec<Arc<str>>,
    rings: Rings,
}

impl World {
    /// Sets the scene for a mix (operation name to weight).
    pub(crate) fn new(directory: Directory, corpus: Corpus, minter: Minter, mix: &BTreeMap<String, u32>) -> Self {
        let mut sum = 0;
        let weighed = Operation::ALL.into_iter().filter_map(|operation| {
            let weight = mix.get(operation.name()).copied().filter(|weight| *weight > 0)?;
            sum += weight;
            Some((operation, sum))
        });
        let mix = weighed.collect();
        let rings = Rings::new(directory.organisations());
        let names = OPERATIONS.iter().map(|name| Arc::from(*name)).collect();
        Self { directory, corpus, minter, mix, names, rings }
    }
}

/// One virtual user with its own connection and its own sequence of choices.
pub(crate) struct User {
    identity: Identity,
    client: Client,
    rng: ChaCha8Rng,
    written: u64,
    own: Ring,
    text: String,
    token_until_us: u64,
}

/// When a call belongs to: its phase and, in the open model, its plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    pub(crate) phase: Phase,
    pub(crate) planned_us: Option<u64>,
}

impl User {
    /// The user whose choices follow from the seed of the run and from who it is.
    pub(crate) fn new(identity: Identity, client: Client, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(identity.process));
        Self { identity, client, rng, written: 0, own: Ring::default(), text: String::new(), token_until_us: 0 }
    }

    /// Where its first call falls in the think time, from 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        self.rng.random()
    }

    /// Gets a new token where the old one is about to end.
    ///
    /// # Errors
    /// The token cannot be signed.
    pub(crate) fn refresh(&mut self, world: &World, now_us: u64) -> Result<(), TokenError> {
        if now_us + REFRESH_BEFORE_US >= self.token_until_us {
            let grant = Grant::memory(&*self.identity.tenant, &*self.identity.user);
            self.client.set_token(&world.minter.mint(&grant)?);
            self.token_until_us = now_us + grant.lifetime.as_micros() as u64;
        }
        Ok(())
    }

    /// Chooses the next operation of the mix.
    pub(crate) fn choose(&mut self, world: &World) -> Operation {
        let sum = world.mix.last().map_or(1, |(_, sum)| *sum);
        let drawn = self.rng.random_range(0..sum);
        world.mix.iter().find(|(_, until)| drawn < *until).map_or(Operation::Store, |(operation, _)| *operation)
    }

    /// Makes one call.
    pub(crate) async fn perform(&mut self, world: &World, operation: Operation, when: When) -> Op {
        match operation {
            Operation::Store => self.store(world, when).await,
            Operation::Get => {
                // The same number of draws whatever is known, so that a seed gives the same sequence.
                let (own, choice) = (self.rng.random::<bool>(), self.rng.next_u32());
                let shared = || world.rings.shared(self.identity.organisation, choice);
                let key = if own {
                    self.own.pick(choice).or_else(shared)
                } else {
                    shared().or_else(|| self.own.pick(choice))
                };
                let key = key.unwrap_or_else(|| Arc::from(wire::ABSENT_ID));
                self.read(world, operation, key, when).await
            }
            Operation::ProbeForeign => {
                let (organisation, choice) = (self.rng.next_u32() as usize, self.rng.next_u32());
                let others = world.directory.organisations().saturating_sub(1).max(1);
                let other = (self.identity.organisation + 1 + organisation % others) % world.directory.organisations();
                let foreign = other != self.identity.organisation;
                let key = foreign.then(|| world.rings.any(other, choice)).flatten();
                self.read(world, operation, key.unwrap_or_else(|| Arc::from(wire::ABSENT_ID)), when).await
            }
            Operation::Search => {
                world.corpus.query(&mut self.rng, &mut self.text);
                let arguments = wire::Search { query: &self.text, limit: PAGE };
                let call = self.client.call(tool::SEARCH, &arguments).await;
                let times = times(&call);
                let (outcome, effect) = scan(parsed::<wire::Hits<'_>>(&call).map(|reply| reply.hits), &world.directory);
                self.op(world, operation, when, times, outcome, effect)
            }
            Operation::List => {
                let tag = TAGS[self.rng.random_range(0..TAGS.len())];
                let arguments = wire::List { tags: [tag], limit: PAGE };
                let call = self.client.call(tool::LIST, &arguments).await;
                let times = times(&call);
                let (outcome, effect) =
                    scan(parsed::<wire::Page<'_>>(&call).map(|reply| reply.memories), &world.directory);
                self.op(world, operation, when, times, outcome, effect)
            }
        }
    }

    async fn store(&mut self, world: &World, when: When) -> Op {
        let number = self.written;
        self.written += 1;
        let shared = self.rng.random_range(0..SHARED_OF) == 0;
        world.corpus.compose(&mut self.rng, &self.identity, shared, number, &mut self.text);
        let arguments = wire::Store {
            content: &self.text,
            tags: [TAGS[self.rng.random_range(0..TAGS.len())]],
            kind: KINDS[self.rng.random_range(0..KINDS.len())],
            visibility: if shared { Visibility::Workspace } else { Visibility::Private },
        };
        let Identity { tenant, user, .. } = &self.identity;
        let canary = Canary { tenant: Arc::clone(tenant), user: Arc::clone(user), workspace: None, shared, number };
        let value = RecordState::of_content(xxh3_64(self.text.as_bytes()), Some(canary));
        let call = self.client.call(tool::STORE, &arguments).await;
        let times = times(&call);
        let (outcome, key) = match parsed::<wire::Stored<'_>>(&call) {
            Ok(stored) => (Outcome::Ok, Some(Arc::<str>::from(&*stored.id))),
            Err(outcome) => (outcome, None),
        };
        if let Some(key) = &key {
            self.own.keep(Arc::clone(key));
            world.rings.keep(self.identity.organisation, key, shared);
        }
        self.op(world, Operation::Store, when, times, outcome, Effect::Write { key, value, existing: false })
    }

    /// Reads one memory by its id; `not_found` is an answer, not an error.
    pub(crate) async fn read(&mut self, world: &World, operation: Operation, key: Arc<str>, when: When) -> Op {
        let call = self.client.call(tool::GET, &wire::Get { id: &key }).await;
        let times = times(&call);
        let (outcome, effect) = match parsed::<wire::Record<'_>>(&call) {
            Ok(record) if *record.id == *key => {
                let value = Some(seen(&record.content, &world.directory));
                (Outcome::Ok, Effect::Read { key, value })
            }
            Ok(_) => (malformed("a memory with another id than the one asked for"), Effect::None),
            Err(Outcome::Failed(ErrorKind::Tool(code))) if &*code == "not_found" => {
                (Outcome::Ok, Effect::Read { key, value: None })
            }
            Err(outcome) => (outcome, Effect::None),
        };
        self.op(world, operation, when, times, outcome, effect)
    }

    fn op(
        &self,
        world: &World,
        operation: Operation,
        when: When,
        (invoke_us, complete_us): (u64, u64),
        outcome: Outcome,
        effect: Effect,
    ) -> Op {
        Op {
            process: self.identity.process,
            tenant: Arc::clone(&self.identity.tenant),
            user: Arc::clone(&self.identity.user),
            workspace: None,
            name: Arc::clone(&world.names[operation as usize]),
            phase: when.phase,
            planned_us: when.planned_us,
            invoke_us,
            complete_us,
            outcome,
            strays: Vec::new(),
            effect,
        }
    }
}

const fn times(call: &Call<'_>) -> (u64, u64) {
    (call.invoke_us, call.complete_us)
}

/// The structured content of a call that went well, else how it ended.
fn parsed<'a, T: Deserialize<'a>>(call: &Call<'a>) -> Result<T, Outcome> {
    if call.outcome != Outcome::Ok {
        return Err(call.outcome.clone());
    }
    let text = call.structured.ok_or_else(|| malformed("a result without `structuredContent`"))?;
    serde_json::from_str(text).map_err(|error| malformed(&format!("not the reply of this tool: {error}")))
}

fn malformed(why: &str) -> Outcome {
    Outcome::Unknown(ErrorKind::Malformed(Arc::from(why)))
}

fn scan(found: Result<Vec<wire::Record<'_>>, Outcome>, directory: &Directory) -> (Outcome, Effect) {
    match found {
        Ok(found) => {
            let hit = |record: &wire::Record<'_>| (Arc::<str>::from(&*record.id), seen(&record.content, directory));
            (Outcome::Ok, Effect::Scan { hits: found.iter().map(hit).collect(), query: None })
        }
        Err(outcome) => (outcome, Effect::None),
    }
}

/// Text of a reply, borrowed where it has no escapes.
type Text<'a> = Cow<'a, str>;
