//! An operation: the unit that a mix weighs. An operation decides which requests it sends and which request follows a
//! reply. It does not know which instance gets a call, when the call is made or how it is recorded. Services and tools
//! are names, so that operations can also come from data.

use super::content::Corpus;
use super::directory::Identity;
use super::known_records::{KnownRecord, KnownRecords, RecentRecords};
use crate::drive::canary::{append, state_of_mark, word_of};
use crate::drive::effect::SentEffect;
use harness_history::{Canary, Outcome, RecordState};
use mcp_contracts::Service;
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Tags of the memories that operations store.
pub(super) const TAGS: &[&str] =
    &["incident", "deploy", "billing", "database", "latency", "review", "security", "cache", "release", "onboarding"];
/// Intents of workflows and of requests to guardrails and patterns. No rule of the guardrails applies to them.
const INTENTS: &[&str] = &[
    "the ledger was slow after the deploy",
    "p99 of checkout rose to four seconds",
    "the invoice export skipped a customer",
    "review of the migration plan for billing",
    "cache stampede after the failover",
    "on-call handover notes of the payments team",
];
/// An id that no memory has. An operation that has no record to read requests this id, and the correct answer is
/// `not_found`.
pub(super) const UNUSED_ID: &str = "00000000-0000-4000-8000-000000000000";

/// One in this number of updates and reads of shared records goes to a hot one, so that several clients meet on it.
const HOT_OF: u32 = 2;

/// One call, or a few that belong together.
pub trait Operation: Sync {
    /// Name in mixes, histories and reports.
    fn name(&self) -> &str;

    /// Service of its first call.
    fn service(&self) -> &str;

    /// Returns the first request.
    fn request(&self, input: &mut RequestInput<'_>) -> Request;

    /// Returns the request that follows the reply to `sent`, or `None` if the operation has ended.
    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>) -> Option<Request>;
}

type FollowUp = fn(&Request, &ToolReply<'_>) -> Option<Request>;

/// An operation that is written in Rust, in a file of [`super::operations`].
pub(super) struct BuiltInOperation {
    name: &'static str,
    service: Service,
    request: fn(&mut RequestInput<'_>) -> Request,
    follow_up: FollowUp,
}

impl BuiltInOperation {
    /// Returns an operation of one call.
    pub(super) const fn new(
        name: &'static str,
        service: Service,
        request: fn(&mut RequestInput<'_>) -> Request,
    ) -> Self {
        Self { name, service, request, follow_up: |_, _| None }
    }

    pub(super) const fn followed_by(self, follow_up: FollowUp) -> Self {
        Self { follow_up, ..self }
    }
}

impl Operation for BuiltInOperation {
    fn name(&self) -> &str {
        self.name
    }

    fn service(&self) -> &str {
        self.service.name()
    }

    fn request(&self, input: &mut RequestInput<'_>) -> Request {
        (self.request)(input)
    }

    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
        (self.follow_up)(sent, reply)
    }
}

/// One request to a tool.
#[derive(Debug, Clone)]
pub struct Request {
    pub service: Cow<'static, str>,
    pub tool: Cow<'static, str>,
    /// Name of the call in the history.
    pub name: Cow<'static, str>,
    /// A JSON object.
    pub arguments: String,
    /// Number of the page that it requests, from 0.
    pub page: u32,
    /// How often the same request was sent before.
    pub repeats: u32,
    /// Pause before it is sent.
    pub pause: Duration,
    /// Data that a later request of the operation needs.
    pub context: Value,
    /// What it asks for, in the terms of the history. Reading it back from `arguments` made a call 9 % dearer.
    pub(crate) sent: SentEffect,
}

impl Request {
    /// Returns a request that the history names after its tool.
    pub(super) fn new(service: Service, tool: &'static str, arguments: &impl Serialize) -> Self {
        Self {
            service: service.name().into(),
            tool: tool.into(),
            name: tool.into(),
            arguments: serde_json::to_string(arguments).expect("arguments of operations are maps with text keys"),
            page: 0,
            repeats: 0,
            pause: Duration::ZERO,
            context: Value::Null,
            sent: SentEffect::Nothing,
        }
    }

    /// Sets what the request asks for.
    #[must_use]
    pub(crate) fn sending(self, sent: SentEffect) -> Self {
        Self { sent, ..self }
    }

    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name: name.into(), ..self }
    }

    #[must_use]
    pub fn with_context(self, context: Value) -> Self {
        Self { context, ..self }
    }

    /// Returns the same request for another attempt, as a client with an idempotency key repeats a request without an
    /// answer. Returns `None` if there was an answer, and after the last attempt.
    pub fn repeated(&self, outcome: &Outcome) -> Option<Self> {
        const REPEATS: u32 = 5;
        const PAUSE: Duration = Duration::from_millis(200);
        use harness_history::ErrorKind::Connect;
        let unanswered = matches!(outcome, Outcome::Unknown(_) | Outcome::Failed(Connect));
        let repeats = self.repeats + 1;
        (unanswered && self.repeats < REPEATS).then(|| Self { repeats, pause: PAUSE, ..self.clone() })
    }
}

#[derive(Debug, Clone, Copy)]
pub struct ToolReply<'a> {
    pub outcome: &'a Outcome,
    /// The structured content as JSON.
    pub structured: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NextPage {
    next_cursor: Option<String>,
}

impl ToolReply<'_> {
    /// Returns the cursor of the next page of a result; `None` on the last one. The page itself is not parsed again.
    pub fn cursor(&self) -> Option<String> {
        let ok = *self.outcome == Outcome::Ok;
        serde_json::from_str::<NextPage>(self.structured.filter(|_| ok)?).ok()?.next_cursor
    }

    /// Returns the structured content of a result; null if there is none.
    pub fn value(&self) -> Value {
        let ok = *self.outcome == Outcome::Ok;
        self.structured.filter(|_| ok).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// The data that an operation chooses from. Its random numbers depend only on the seed and the number of the call.
pub struct RequestInput<'a> {
    pub rng: &'a mut ChaCha8Rng,
    /// Number of the call; unique in the run.
    pub number: u64,
    pub identity: &'a Identity,
    pub corpus: &'a Corpus,
    /// Records of the user itself.
    pub own: &'a RecentRecords,
    /// Records of all organisations.
    pub known_records: &'a KnownRecords,
}

impl RequestInput<'_> {
    /// Returns a new content with the mark of the user, and what the history stores of it.
    pub(super) fn content(&mut self, shared: bool) -> (String, RecordState) {
        self.content_of(shared, self.number)
    }

    /// Returns a content with this number, for a call that writes several.
    pub(super) fn content_of(&mut self, shared: bool, number: u64) -> (String, RecordState) {
        let mut content = self.corpus.entry(self.rng).to_owned();
        let Identity { tenant, user, workspace, .. } = self.identity;
        let (tenant, user, workspace) = (Arc::clone(tenant), Arc::clone(user), workspace.clone());
        let canary = Canary { tenant, user, workspace, shared, number };
        content.push(' ');
        content.push_str(&word_of(&canary));
        append(&mut content, &canary);
        let state = state_of_mark(&content, canary);
        (content, state)
    }

    pub(super) fn words(&mut self) -> String {
        self.corpus.words(self.rng)
    }

    pub(super) fn tag(&mut self) -> &'static str {
        TAGS[self.rng.random_range(0..TAGS.len())]
    }

    pub(super) fn intent(&mut self) -> &'static str {
        INTENTS[self.rng.random_range(0..INTENTS.len())]
    }

    /// Returns an idempotency key, or the id of an execution.
    pub(super) fn key(&mut self) -> String {
        // Drawn from the seed, because a repeated run must send the same keys.
        format!("{:032x}", self.rng.random::<u128>())
    }

    /// Returns one of the user's own records.
    pub(super) fn own_record(&mut self) -> Option<KnownRecord> {
        self.own.pick(self.rng.next_u32())
    }

    /// Returns a hot record in one of [`HOT_OF`] draws; if `own`, one that the user may change.
    pub(super) fn hot_record(&mut self, own: bool) -> Option<KnownRecord> {
        let (is_hot, choice) = (self.rng.random_range(0..HOT_OF) == 0, self.rng.next_u32());
        self.known_records.hot(self.identity, own, choice).filter(|_| is_hot)
    }
}
