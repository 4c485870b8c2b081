//! A virtual user: it has connections and records of its own, and chooses and sends its next call.

use super::clock::Clock;
use super::content::Corpus;
use super::directory::Identity;
use super::known_records::{KnownRecord, KnownRecords, PagePosition, RecentRecords};
use super::mix::{Mix, MixOperation};
use super::operation::{Request, RequestInput, ToolReply};
use super::operations::{get_memory, store_memory, walk_memories};
use super::pace::{After, CallTiming, Pace};
use crate::drive::canary::{InternedNames, strays};
use crate::drive::client::{Bearer, Call as Answer, Client, ClientOptions, Endpoint, Handshake};
use crate::drive::effect::{self, DataReply};
use crate::drive::token::{Grant, Minter, TokenError, wall_clock_s};
use crate::observe::clock::monotonic_us;
use crate::plan::operation::Placeholder;
use harness_history::{Effect, ErrorKind, Op, Outcome, RecordState, Visibility};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A token is replaced this long before its end, in seconds.
const REFRESH_BEFORE_S: u64 = 300;

/// The data that all users of a run share.
pub struct TrafficContext {
    mix: Mix,
    users: u64,
    /// Number of the first call of the mix. The calls before the load have the smaller numbers.
    first_call: u64,
    corpus: Corpus,
    known_records: KnownRecords,
    names: InternedNames,
    options: ClientOptions,
}

impl TrafficContext {
    /// Prepares a mix for these users. The first `seeds` calls of the run store memories before the load.
    pub fn new(mix: Mix, identities: &[Identity], seeds: u64, options: ClientOptions) -> Self {
        let organisations = identities.iter().map(|identity| identity.organisation + 1).max().unwrap_or_default();
        let names = identities
            .iter()
            .flat_map(|identity| [Some(&identity.tenant), Some(&identity.user), identity.workspace.as_ref()])
            .flatten()
            .cloned();
        let operations: Vec<Arc<str>> =
            super::operations::names().into_iter().chain(mix.data_names()).map(Arc::from).collect();
        Self {
            mix,
            users: identities.len() as u64,
            first_call: seeds,
            corpus: Corpus::built_in(),
            known_records: KnownRecords::new(organisations),
            names: names.chain(operations).collect(),
            options,
        }
    }
}

pub struct DueCall {
    call: Call,
    pub timing: CallTiming,
}

impl DueCall {
    /// Returns the service that the call goes to.
    pub fn service(&self) -> &str {
        &self.call.request.service
    }
}

struct Call {
    operation: MixOperation,
    request: Request,
}

/// What a user proves its identity with.
enum Credentials {
    /// Tokens that the harness signs.
    Grant(Grant),
    /// The token of a target, or none.
    Bearer(Option<Arc<Bearer>>),
}

/// A virtual user. Its calls never overlap.
pub struct User {
    identity: Identity,
    credentials: Credentials,
    token: String,
    /// The times between which the token is used, in seconds of the wall clock.
    token_times_s: Range<u64>,
    /// A connection to each instance that it has called; a list, because a run has a handful of instances.
    clients: Vec<(Arc<str>, Client)>,
    own: RecentRecords,
    index: u64,
    mix_calls: u64,
    after: After,
    follow_up: Option<Call>,
}

impl User {
    /// Creates user number `index` (from 0) of a load.
    pub fn new(identity: Identity, grant: Grant, index: u64, context: &TrafficContext) -> Self {
        Self::with(identity, Credentials::Grant(grant), index, context)
    }

    /// Creates user number `index` (from 0) of a target. It negotiates the protocol with the server before its first call.
    pub fn of_target(identity: Identity, bearer: Option<Arc<Bearer>>, index: u64, context: &TrafficContext) -> Self {
        Self::with(identity, Credentials::Bearer(bearer), index, context)
    }

    fn with(identity: Identity, credentials: Credentials, index: u64, context: &TrafficContext) -> Self {
        Self {
            identity,
            credentials,
            token: String::new(),
            token_times_s: 0..0,
            clients: Vec::new(),
            own: RecentRecords::default(),
            index,
            mix_calls: 0,
            after: After::Start(index as f64 / context.users as f64),
            follow_up: None,
        }
    }

    /// Replaces the token if it ends soon. Services judge a token by the wall clock, so this does too: the wall clock may jump, in either
    /// direction, while the clock of the run goes on.
    ///
    /// # Errors
    /// The token cannot be signed.
    pub fn refresh(&mut self, minter: &Minter) -> Result<(), TokenError> {
        self.refresh_at(minter, wall_clock_s())
    }

    fn refresh_at(&mut self, minter: &Minter, now_s: u64) -> Result<(), TokenError> {
        // The client of a target reads its token itself.
        let Credentials::Grant(grant) = &self.credentials else { return Ok(()) };
        if !self.token_times_s.contains(&now_s) {
            self.token = minter.mint_at(grant, now_s)?;
            self.token_times_s = now_s..now_s + grant.lifetime.as_secs().saturating_sub(REFRESH_BEFORE_S).max(1);
            self.clients.iter_mut().for_each(|(_, client)| client.set_token(&self.token));
        }
        Ok(())
    }

    /// Returns the handshakes since the last call of this function.
    pub fn take_handshakes(&mut self) -> impl Iterator<Item = Handshake> {
        self.clients.iter_mut().filter_map(|(_, client)| client.take_handshake())
    }

    /// Closes the sessions of this user.
    pub async fn end(&mut self) {
        for (_, client) in &mut self.clients {
            // A server that does not close a session keeps it until it expires. The load is over.
            let _ = client.end().await;
        }
    }

    /// Waits for the next call of this user: the follow-up of its last call, or a call of the mix. Returns `None` when the run is over.
    pub async fn next<C: Clock>(&mut self, context: &TrafficContext, pace: &Pace, clock: &C) -> Option<DueCall> {
        if let Some(call) = self.follow_up.take() {
            let timing = pace.follow_up(clock, call.request.pause).await?;
            return Some(DueCall { call, timing });
        }
        let timing = pace.next(clock, self.after).await?;
        // In the closed model, each of n users makes every n-th call, so that a seed gives each user the same sequence.
        let number = timing.number.unwrap_or(self.mix_calls * context.users + self.index) + context.first_call;
        self.mix_calls += 1;
        let (operation, rng) = context.mix.draw(number);
        let operation = self.or_create_record(context, operation);
        Some(DueCall { call: self.call(context, operation, number, rng), timing })
    }

    /// Returns the operation. If it needs a record of this user and there is none yet, returns the operation that creates one: an experiment writes
    /// no records in advance, and the server may answer a call without a record with an error.
    fn or_create_record(&self, context: &TrafficContext, operation: MixOperation) -> MixOperation {
        let needs_own = |operation: &MixOperation| matches!(operation, MixOperation::Data(operation) if operation.data().uses(Placeholder::KnownKey));
        match context.mix.creator() {
            Some(creator) if self.own.is_empty() && needs_own(&operation) => MixOperation::Data(Arc::clone(creator)),
            _ => operation,
        }
    }

    /// Returns the call that stores record `number` before the load.
    pub fn seed(&self, context: &TrafficContext, number: u64, timing: CallTiming) -> DueCall {
        let operation =
            context.mix.creator().cloned().map_or(MixOperation::BuiltIn(&store_memory::OPERATION), MixOperation::Data);
        DueCall { call: self.call(context, operation, number, context.mix.numbers_of(number)), timing }
    }

    /// The first call of a walk through everything that the user can list, or through the memories with a tag.
    pub fn walk(&self, context: &TrafficContext, tag: Option<&str>, timing: CallTiming) -> DueCall {
        if let Some(lister) = context.mix.lister() {
            let number = u64::from(self.identity.process);
            return DueCall {
                call: self.call(
                    context,
                    MixOperation::Data(Arc::clone(lister)),
                    number,
                    context.mix.numbers_of(number),
                ),
                timing,
            };
        }
        DueCall {
            call: Call { operation: MixOperation::BuiltIn(&walk_memories::WHOLE), request: walk_memories::whole(tag) },
            timing,
        }
    }

    /// The call that follows the last one, without a pause.
    pub fn follow_up(&mut self, timing: CallTiming) -> Option<DueCall> {
        self.follow_up.take().map(|call| DueCall { call, timing })
    }

    /// The call that reads a record after the load.
    pub fn read(&self, context: &TrafficContext, id: &str, timing: CallTiming) -> DueCall {
        let call = match context.mix.reader() {
            None => Call {
                operation: MixOperation::BuiltIn(&get_memory::OPERATION),
                request: get_memory::request(Some(id)),
            },
            Some(reader) => {
                let number = xxh3_64(id.as_bytes());
                let mut rng = context.mix.numbers_of(number);
                let request = reader.request_for(id, &mut self.input(context, number, &mut rng));
                Call { operation: MixOperation::Data(Arc::clone(reader)), request }
            }
        };
        DueCall { call, timing }
    }

    fn call(&self, context: &TrafficContext, operation: MixOperation, number: u64, mut rng: ChaCha8Rng) -> Call {
        let request = operation.request(&mut self.input(context, number, &mut rng));
        Call { operation, request }
    }

    fn input<'d>(&'d self, context: &'d TrafficContext, number: u64, rng: &'d mut ChaCha8Rng) -> RequestInput<'d> {
        let TrafficContext { corpus, known_records, .. } = context;
        RequestInput { rng, number, identity: &self.identity, corpus, own: &self.own, known_records }
    }

    /// Sends a call to an instance, and updates the user's records from the reply. If `instance` is `None`, because no instance can be called,
    /// the outcome is a failed connection.
    pub async fn send(
        &mut self,
        context: &TrafficContext,
        instance: Option<(&str, &Arc<Endpoint>)>,
        due: DueCall,
    ) -> Op {
        let DueCall { call: Call { operation, request }, timing } = due;
        let now_us = || monotonic_us().saturating_sub(context.options.epoch_us);
        let (tool, arguments) = (&*request.tool, &*request.arguments);
        let call = match instance {
            Some((name, endpoint)) => {
                let client =
                    client(&mut self.clients, name, (endpoint, context.options), &self.credentials, &self.token);
                client.call_json(tool, arguments).await
            }
            None => {
                let (now_us, outcome) = (now_us(), Outcome::Failed(ErrorKind::Connect));
                Answer { invoke_us: now_us, complete_us: now_us, outcome, structured: None, content: None, raw: &[] }
            }
        };
        let (outcome, mut effect) = match &operation {
            MixOperation::BuiltIn(_) => {
                effect::of_sent(tool, &request.sent, &call.outcome, call.structured, &context.names)
            }
            MixOperation::Data(operation) => {
                let reply = DataReply { structured: call.structured, content: call.content };
                operation.effect(&request.sent, &call.outcome, reply, &context.names)
            }
        };
        if let Effect::Scan { query: Some(query), .. } = &mut effect {
            query.page = request.page;
        }
        let reply = ToolReply { outcome: &outcome, structured: call.structured };
        let next = operation.follow_up(&request, &reply);
        let mut op = Op {
            process: self.identity.process,
            tenant: Arc::clone(&self.identity.tenant),
            user: Arc::clone(&self.identity.user),
            workspace: self.identity.workspace.clone(),
            name: context.names.get(&request.name),
            phase: timing.phase,
            planned_us: timing.planned_us,
            invoke_us: call.invoke_us,
            complete_us: call.complete_us,
            outcome,
            strays: Vec::new(),
            effect,
        };
        op.strays = strays(call.raw, &op, &context.names);
        if matches!(operation, MixOperation::Data(_)) {
            // The store of a target outlives the run. The marks of an earlier run, whose organisations had other names, leak nothing.
            op.strays.retain(|canary| context.names.has(&canary.tenant));
        }
        self.after = if op.outcome == Outcome::Failed(ErrorKind::Connect) { After::NoConnection } else { After::Call };
        if let Some((tag, cursor)) = next.as_ref().and_then(walk_memories::position)
            && let Effect::Scan { hits, .. } = &op.effect
            && let Some((last, _)) = hits.last()
        {
            let position = PagePosition { tag: tag.into(), cursor: cursor.into(), last: Arc::clone(last) };
            context.known_records.set_position(&self.identity, position);
        }
        self.follow_up = next.map(|request| Call { operation, request });
        self.update_records(context, &op);
        op
    }

    /// Updates the user's records after a call.
    fn update_records(&mut self, context: &TrafficContext, op: &Op) {
        match (&op.effect, &op.outcome) {
            (Effect::Write { key: Some(id), value, .. }, Outcome::Ok) => {
                self.add(context, id, value);
            }
            (Effect::Writes { records }, Outcome::Ok) => {
                records.iter().for_each(|(id, value)| self.add(context, id, value));
            }
            (Effect::Update { key, value, .. }, Outcome::Ok) => {
                self.own.updated(key, value.version, value.canary.as_ref());
                context.known_records.updated(&self.identity, key, value.version, value.canary.as_ref());
            }
            // The record has a version that this user does not know.
            (Effect::Update { key, .. }, Outcome::Failed(ErrorKind::Tool(_))) => {
                context.known_records.updated(&self.identity, key, None, None);
            }
            // The effect of an unknown outcome is open: no later call may rely on the record.
            (Effect::Update { key, .. }, Outcome::Unknown(_)) => {
                self.own.forget(key);
                context.known_records.updated(&self.identity, key, None, None);
            }
            (Effect::Delete { key }, Outcome::Ok | Outcome::Unknown(_)) => self.own.forget(key),
            _ => {}
        }
    }

    fn add(&mut self, context: &TrafficContext, id: &Arc<str>, value: &RecordState) {
        let shared = value.visibility == Some(Visibility::Workspace);
        let record = KnownRecord { id: Arc::clone(id), version: value.version, shared, canary: value.canary.clone() };
        // A hot record is not among the user's own, because the user may delete these.
        if !context.known_records.add(&self.identity, &record) {
            self.own.add(record);
        }
    }
}

fn client<'c>(
    clients: &'c mut Vec<(Arc<str>, Client)>,
    instance: &str,
    (endpoint, options): (&Arc<Endpoint>, ClientOptions),
    credentials: &Credentials,
    token: &str,
) -> &'c mut Client {
    let at = clients.iter().position(|(name, _)| &**name == instance).unwrap_or_else(|| {
        let endpoint = Arc::clone(endpoint);
        let client = match credentials {
            Credentials::Grant(_) => {
                let mut client = Client::new(endpoint, options);
                client.set_token(token);
                client
            }
            Credentials::Bearer(bearer) => {
                let mut client = Client::negotiating(endpoint, options);
                bearer.iter().for_each(|bearer| client.set_bearer(Arc::clone(bearer)));
                client
            }
        };
        clients.push((instance.into(), client));
        clients.len() - 1
    });
    &mut clients[at].1
}

#[cfg(test)]
mod tests {
    use super::{Grant, KnownRecord, Minter, User};
    use crate::drive::client::ClientOptions;
    use crate::drive::traffic::directory::{users_of_load, users_of_target};
    use crate::drive::traffic::mix::Mix;
    use crate::drive::traffic::user::TrafficContext;
    use crate::plan::operation::OperationData;
    use serde_json::json;

    #[test]
    fn a_user_without_a_record_creates_one_before_it_reads_one() {
        let operations: Vec<OperationData> = serde_json::from_value(json!([
            { "name": "put", "place": "p", "tool": "put", "arguments": { "key": "{{key}}" },
                "writes": { "key": "/arguments/key", "value": "/arguments/key" } },
            { "name": "get", "place": "p", "tool": "get", "arguments": { "key": "{{known_key}}" },
                "reads": { "key": "/arguments/key", "value": "/reply" } },
        ]))
        .unwrap();
        let identities = users_of_target("run", 1, 1);
        let mix = Mix::new(1, &[("get".to_owned(), 1)].into(), &operations);
        let context = TrafficContext::new(mix, &identities, 0, ClientOptions::default());
        let mut user = User::of_target(identities[0].clone(), None, 0, &context);
        let drawn = |user: &User| user.or_create_record(&context, context.mix.draw(0).0).name().to_owned();
        assert_eq!(drawn(&user), "put");
        user.own.add(KnownRecord { id: "k".into(), version: None, shared: true, canary: None });
        assert_eq!(drawn(&user), "get");
    }

    #[test]
    fn a_token_is_replaced_before_its_end_and_after_every_jump_of_the_wall_clock() {
        let identities = users_of_load(1, 1, 1);
        let context = TrafficContext::new(Mix::new(1, &[].into(), &[]), &identities, 0, ClientOptions::default());
        let mut user = User::new(identities[0].clone(), Grant::memory("o", "u"), 0, &context);
        let minter = Minter::new("0123456789abcdef0123456789abcdef");
        let mut token_at = |now_s: u64| {
            user.refresh_at(&minter, now_s).unwrap();
            user.token.clone()
        };
        let first = token_at(1_000_000);
        assert_eq!(token_at(1_000_000 + 1_499), first);
        let second = token_at(1_000_000 + 1_500);
        assert_ne!(second, first, "25 minutes later, whether the clock went or jumped");
        assert_ne!(token_at(1_000_000 - 3_600), second, "a token of the future is not valid yet");
    }
}
