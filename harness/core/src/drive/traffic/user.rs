//! A virtual user: it has connections and records of its own, and chooses and sends its next call.

use super::clock::Clock;
use super::content::Corpus;
use super::directory::Identity;
use super::ledger::{Known, Ledger, Ring};
use super::mix::Mix;
use super::operation::{Draw, Operation, Request, ToolReply};
use super::operations::{get_memory, store_memory};
use super::pace::{After, Pace, Turn};
use crate::drive::canary::Names;
use crate::drive::client::{Client, ClientOptions, Endpoint};
use crate::drive::effect;
use crate::drive::token::{Grant, Minter, TokenError};
use crate::observe::clock::monotonic_us;
use harness_history::{Effect, ErrorKind, Op, Outcome, Visibility};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Remaining lifetime at which a token is replaced, in microseconds.
const REFRESH_BEFORE_US: u64 = 300_000_000;

/// The data that all users of a run share.
pub struct Scene {
    mix: Mix,
    users: u64,
    /// Number of the first call of the mix. The calls before the load have the smaller numbers.
    first_call: u64,
    corpus: Corpus,
    ledger: Ledger,
    names: Names,
    options: ClientOptions,
}

impl Scene {
    /// Prepares a mix for these users. The first `seeds` calls of the run store memories before the load.
    pub fn new(mix: Mix, identities: &[Identity], seeds: u64, options: ClientOptions) -> Self {
        let organisations = identities.iter().map(|identity| identity.organisation + 1).max().unwrap_or_default();
        let names = identities.iter().flat_map(|identity| [&identity.tenant, &identity.user]).cloned();
        let operations = super::operations::names().into_iter().map(Arc::from);
        Self {
            mix,
            users: identities.len() as u64,
            first_call: seeds,
            corpus: Corpus::built_in(),
            ledger: Ledger::new(organisations),
            names: names.chain(operations).collect(),
            options,
        }
    }
}

pub struct Due {
    call: Call,
    pub turn: Turn,
}

impl Due {
    /// Returns the service that the call goes to.
    pub fn service(&self) -> &str {
        &self.call.request.service
    }
}

struct Call {
    operation: &'static dyn Operation,
    request: Request,
}

/// A virtual user. Its calls never overlap.
pub struct User {
    identity: Identity,
    grant: Grant,
    token: String,
    token_until_us: u64,
    /// A connection to each instance that the user has called. A list is enough, because a run has only a few
    /// instances.
    clients: Vec<(Arc<str>, Client)>,
    own: Ring,
    index: u64,
    turns: u64,
    after: After,
    follow_up: Option<Call>,
}

impl User {
    /// Creates user number `index` (from 0) of a scene.
    pub fn new(identity: Identity, grant: Grant, index: u64, scene: &Scene) -> Self {
        Self {
            identity,
            grant,
            token: String::new(),
            token_until_us: 0,
            clients: Vec::new(),
            own: Ring::default(),
            index,
            turns: 0,
            after: After::Start(index as f64 / scene.users as f64),
            follow_up: None,
        }
    }

    /// Replaces the token if it expires soon.
    ///
    /// # Errors
    /// The token cannot be signed.
    pub fn refresh(&mut self, minter: &Minter, now_us: u64) -> Result<(), TokenError> {
        if now_us + REFRESH_BEFORE_US >= self.token_until_us {
            self.token = minter.mint(&self.grant)?;
            self.token_until_us = now_us + self.grant.lifetime.as_micros() as u64;
            self.clients.iter_mut().for_each(|(_, client)| client.set_token(&self.token));
        }
        Ok(())
    }

    /// Waits for the next call of this user: the follow-up of its last call, or a call of the mix. Returns `None` when the run is over.
    pub async fn next<C: Clock>(&mut self, scene: &Scene, pace: &Pace, clock: &C) -> Option<Due> {
        if let Some(call) = self.follow_up.take() {
            let turn = pace.follow_up(clock, call.request.pause).await?;
            return Some(Due { call, turn });
        }
        let turn = pace.next(clock, self.after).await?;
        // In the closed model, each of n users makes every n-th call, so that a seed gives each user the same sequence.
        let number = turn.number.unwrap_or(self.turns * scene.users + self.index) + scene.first_call;
        self.turns += 1;
        let (operation, rng) = scene.mix.draw(number);
        Some(Due { call: self.call(scene, operation, number, rng), turn })
    }

    /// Returns the call that stores memory `number` before the load.
    pub fn seed(&self, scene: &Scene, number: u64, turn: Turn) -> Due {
        Due { call: self.call(scene, &store_memory::OPERATION, number, scene.mix.numbers_of(number)), turn }
    }

    /// Returns the call that reads a record after the load.
    pub fn read(&self, id: &str, turn: Turn) -> Due {
        Due { call: Call { operation: &get_memory::OPERATION, request: get_memory::request(Some(id)) }, turn }
    }

    fn call(&self, scene: &Scene, operation: &'static dyn Operation, number: u64, mut rng: ChaCha8Rng) -> Call {
        let Scene { corpus, ledger, .. } = scene;
        let (identity, own) = (&self.identity, &self.own);
        let request = operation.request(&mut Draw { rng: &mut rng, number, identity, corpus, own, ledger });
        Call { operation, request }
    }

    /// Sends a call to an instance, and updates the user's records from the reply. If `instance` is `None`, because no instance can be called,
    /// the outcome is a failed connection.
    pub async fn send(&mut self, scene: &Scene, instance: Option<(&str, &Arc<Endpoint>)>, due: Due) -> Op {
        let Due { call: Call { operation, request }, turn } = due;
        let now_us = || monotonic_us().saturating_sub(scene.options.epoch_us);
        let (tool, arguments) = (&*request.tool, &*request.arguments);
        let (invoke_us, complete_us, answered, structured) = match instance {
            Some((name, endpoint)) => {
                let client = client(&mut self.clients, name, endpoint, scene.options, &self.token);
                let call = client.call_json(tool, arguments).await;
                (call.invoke_us, call.complete_us, call.outcome, call.structured)
            }
            None => (now_us(), now_us(), Outcome::Failed(ErrorKind::Connect), None),
        };
        let (outcome, mut effect) = effect::of(tool, arguments, &answered, structured, &scene.names);
        if let Effect::Scan { query: Some(query), .. } = &mut effect {
            query.page = request.page;
        }
        let reply = ToolReply { outcome: &outcome, structured };
        let next = operation.follow_up(&request, &reply);
        let op = Op {
            process: self.identity.process,
            tenant: Arc::clone(&self.identity.tenant),
            user: Arc::clone(&self.identity.user),
            workspace: None,
            name: scene.names.get(&request.name),
            phase: turn.phase,
            planned_us: turn.planned_us,
            invoke_us,
            complete_us,
            outcome,
            strays: Vec::new(),
            effect,
        };
        self.after = if op.outcome == Outcome::Failed(ErrorKind::Connect) { After::NoConnection } else { After::Call };
        self.follow_up = next.map(|request| Call { operation, request });
        self.learn(scene, &op);
        op
    }

    /// Updates the user's records after a call.
    fn learn(&mut self, scene: &Scene, op: &Op) {
        match (&op.effect, &op.outcome) {
            (Effect::Write { key: Some(id), value, .. }, Outcome::Ok) => {
                let shared = value.visibility == Some(Visibility::Workspace);
                let record = Known { id: Arc::clone(id), version: value.version, shared };
                scene.ledger.keep(self.identity.organisation, &record);
                self.own.keep(record);
            }
            (Effect::Update { key, value, .. }, Outcome::Ok) => self.own.updated(key, value.version),
            // A deleted record is gone, and the effect of an unknown outcome is open: no later call may rely on either
            // record. The ledger of the organisation keeps both, because `not_found` is a valid answer to the read of a
            // colleague.
            (Effect::Update { key, .. }, Outcome::Unknown(_))
            | (Effect::Delete { key }, Outcome::Ok | Outcome::Unknown(_)) => self.own.forget(key),
            _ => {}
        }
    }
}

fn client<'c>(
    clients: &'c mut Vec<(Arc<str>, Client)>,
    instance: &str,
    endpoint: &Arc<Endpoint>,
    options: ClientOptions,
    token: &str,
) -> &'c mut Client {
    let at = clients.iter().position(|(name, _)| &**name == instance).unwrap_or_else(|| {
        let mut client = Client::new(Arc::clone(endpoint), options);
        client.set_token(token);
        clients.push((instance.into(), client));
        clients.len() - 1
    });
    &mut clients[at].1
}
