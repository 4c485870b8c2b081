//! What the probe of a check can do: send requests, make control requests, and record what each case shows.

use super::access::Access;
use super::answer::Answer;
use super::case_result::{CaseResult, classify_case};
use super::conversation::{self, Conversation};
use super::lane_order::LaneOrder;
use super::mask::masked;
use super::probe_context::ProbeContext;
use super::record::{ExchangeText, ViolationRecord};
use super::request::HttpRequest;
use crate::drive::client::{RawExchange, converse, exchange};
use crate::drive::scenario::{Stage, StepFailed};
use crate::drive::token::Grant;
use crate::plan::target::TARGET;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness_history::{Effect, Op, Phase};
use mcp_contracts::{Plan, Scope, Service};
use parking_lot::Mutex;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Deadline of one request; longer than the request deadline of the services.
const DEADLINE: Duration = Duration::from_secs(12);
/// Deadline of a connection on which several replies may come.
const CONVERSATION: Duration = Duration::from_secs(3);
/// A request that is refused because of a limit is sent again at most this often.
const MAX_RETRIES: u32 = 5;
/// Longest time to wait before it is sent again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The organisation whose users have the first token of a target.
const FIRST_ORGANISATION: &str = "acme";
/// Tenant of the requests in the history.
const TENANT: &str = "hardening";
/// Maximum number of doubts that are recorded.
const MAX_DOUBTS: usize = 10;

/// Why a probe ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The stack does not have what the check is about.
    NotApplicable(String),
    /// Nothing can be decided, such as after a control request that failed.
    Unclear(String),
}

impl From<StepFailed> for Stop {
    fn from(StepFailed(why): StepFailed) -> Self {
        Self::Unclear(why)
    }
}

/// What one attempt of a check found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) cases: u64,
    pub(super) controls: u64,
    pub(super) violations: Vec<ViolationRecord>,
    pub(super) doubts: Vec<String>,
    /// What was not tried, for the summary.
    pub(super) omitted: Vec<String>,
}

/// One attempt of a check.
pub struct Probe<'s> {
    stage: &'s Stage<'s>,
    access: Option<&'s Access>,
    pub(super) repository: Option<&'s Path>,
    id: &'static str,
    attempt: u32,
    lane_order: &'s LaneOrder,
    pub(super) findings: Mutex<Findings>,
}

/// A user with a valid token.
#[derive(Debug, Clone)]
pub struct Caller {
    pub grant: Grant,
    pub token: String,
}

impl Caller {
    /// Returns the claims of the token.
    pub fn claims(&self) -> Value {
        let payload = self.token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
    }

    pub fn organisation(&self) -> &str {
        &self.grant.organisation
    }
}

impl<'s> Probe<'s> {
    pub(super) fn new(place: ProbeContext<'s>, id: &'static str, attempt: u32, lane_order: &'s LaneOrder) -> Self {
        let ProbeContext { stage, access, repository } = place;
        Self { stage, access, repository, id, attempt, lane_order, findings: Mutex::default() }
    }

    /// Waits until every check of the other lanes has ended. Only a check of [`Lane::Throughout`](super::Lane::Throughout) may wait; another would wait for itself.
    pub async fn wait_for_other_lanes(&self) {
        self.lane_order.sent(self.id);
        self.lane_order.wait_others_ended().await;
    }

    /// True for the first attempt of a check, and false for those that repeat what it found.
    pub const fn is_first_attempt(&self) -> bool {
        self.attempt == 1
    }

    /// True if the server is none of this product: its limits, its words and its pages are its own, so that a check must judge what it refuses and not
    /// with which status.
    pub const fn is_foreign(&self) -> bool {
        self.access.is_some()
    }

    /// True if the server speaks 2026-07-28. The services of this product do.
    pub fn is_modern(&self) -> bool {
        self.access.is_none_or(Access::is_modern)
    }

    /// Ends a check that is about 2026-07-28, if the server speaks an older revision.
    ///
    /// # Errors
    /// It speaks an older revision.
    pub fn need_modern(&self) -> Result<(), Stop> {
        let why = "the server speaks a revision before 2026-07-28, which does not have this rule";
        if self.is_modern() { Ok(()) } else { Err(Stop::NotApplicable(why.to_owned())) }
    }

    pub(super) fn into_findings(self) -> Findings {
        self.findings.into_inner()
    }

    /// The stack, for logs, metrics, and starting and stopping parts.
    pub const fn stage(&self) -> &'s Stage<'s> {
        self.stage
    }

    /// The key that signs tokens.
    pub fn key(&self) -> &str {
        self.stage.key()
    }

    /// Returns the first instance of each service of the stack, or the target, which is none of the services.
    pub fn parts(&self) -> Vec<(Option<Service>, String)> {
        if self.is_foreign() {
            return vec![(None, TARGET.to_owned())];
        }
        self.services().into_iter().map(|(service, part)| (Some(service), part)).collect()
    }

    /// Returns the first instance of each service of the stack.
    pub fn services(&self) -> Vec<(Service, String)> {
        Service::ALL.into_iter().filter_map(|service| Some((service, self.part(service)?))).collect()
    }

    /// Returns the first instance of a service.
    pub fn part(&self, service: Service) -> Option<String> {
        self.stage.instances(service).into_iter().next()
    }

    /// Returns memory, which a check with `Need::Service` has.
    ///
    /// # Errors
    /// The stack has no such service.
    pub fn need(&self, service: Service) -> Result<String, Stop> {
        self.part(service).ok_or_else(|| Stop::NotApplicable(format!("the stack has no {}", service.name())))
    }

    /// Path of a part's endpoint, such as `/mcp`.
    pub fn path(&self, part: &str) -> String {
        let path = self.stage.endpoint(part).path().to_owned();
        path.split('?').next().unwrap_or_default().to_owned()
    }

    /// Host and port of a part.
    pub fn authority(&self, part: &str) -> String {
        self.stage.endpoint(part).authority().to_owned()
    }

    /// Returns a text that only this attempt of this check uses.
    pub fn mark(&self, word: &str) -> String {
        format!("{word}{}{}", self.id.to_ascii_lowercase().replace('-', ""), self.attempt)
    }

    /// Returns a user with every scope except `admin`. No other check and no other attempt uses the organisation.
    pub fn user(&self, user: &str, organisation: &str) -> Caller {
        self.user_with(user, organisation, |_| {})
    }

    /// As [`Probe::user`], with a change of the grant.
    pub fn user_with(&self, user: &str, organisation: &str, change: impl FnOnce(&mut Grant)) -> Caller {
        let name = format!("{organisation}-{}-{}", self.id.to_ascii_lowercase(), self.attempt);
        let mut grant = self.stage.grant(user, &name);
        change(&mut grant);
        // The tokens of a target are those of the user, and only their order tells the organisations apart.
        let token = match self.access {
            Some(access) => access.token(usize::from(organisation != FIRST_ORGANISATION)).to_owned(),
            None => self.stage.mint(&grant),
        };
        Caller { token, grant }
    }

    /// Returns a user with these scopes.
    pub fn user_with_scopes(&self, user: &str, organisation: &str, scopes: &[Scope]) -> Caller {
        self.user_with(user, organisation, |grant| grant.scopes = scopes.to_vec())
    }

    /// Returns a user on this plan.
    pub fn user_on(&self, user: &str, organisation: &str, plan: Plan) -> Caller {
        self.user_with(user, organisation, |grant| grant.plan = plan)
    }

    /// Sends a request. One that is refused because of a limit is sent again after the time that the reply names, because a limited target shows
    /// nothing of what a check is about.
    pub async fn send(&self, part: &str, request: &HttpRequest) -> Answer {
        let mut retries = 0;
        loop {
            let answer = self.send_once(part, request).await;
            let wait = answer.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
            match wait.filter(|wait| answer.has_status(429) && *wait <= LONGEST_WAIT && retries < MAX_RETRIES) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return answer,
            }
            retries += 1;
        }
    }

    /// Sends a request once.
    pub async fn send_once(&self, part: &str, request: &HttpRequest) -> Answer {
        let endpoint = self.stage.endpoint(part);
        let adapted = self.access.map(|access| access.adapted(request));
        let request = adapted.as_ref().unwrap_or(request);
        let curl = request.curl(&endpoint);
        self.send_bytes(part, &request.bytes(&endpoint), curl).await
    }

    /// Sends bytes on a connection of their own.
    pub async fn send_raw(&self, part: &str, bytes: &[u8]) -> Answer {
        self.send_bytes(part, bytes, None).await
    }

    /// Returns a request as the bytes that [`Probe::send_once`] sends.
    pub fn rendered(&self, part: &str, request: &HttpRequest) -> Vec<u8> {
        let adapted = self.access.map(|access| access.adapted(request));
        adapted.as_ref().unwrap_or(request).bytes(&self.stage.endpoint(part))
    }

    /// Sends bytes on a connection of their own, and reads until the server closes it, or until as many replies as expected have come and nothing
    /// follows. A server that does neither is read for three seconds.
    pub async fn converse(&self, part: &str, bytes: &[u8], expected: usize) -> Conversation {
        let is_enough = |raw: &[u8]| conversation::count(raw) >= expected;
        let (exchanged, closed) = converse(&self.stage.endpoint(part), bytes, is_enough, CONVERSATION).await;
        let raw = exchanged.raw.clone();
        Conversation { raw, closed, answer: self.recorded(exchanged, bytes, None) }
    }

    async fn send_bytes(&self, part: &str, bytes: &[u8], curl: Option<String>) -> Answer {
        let exchanged = exchange(&self.stage.endpoint(part), bytes, DEADLINE).await;
        self.recorded(exchanged, bytes, curl)
    }

    /// Records an exchange in the history, and returns it with its evidence.
    fn recorded(&self, exchanged: RawExchange, bytes: &[u8], curl: Option<String>) -> Answer {
        let epoch = self.stage.epoch_us();
        let op = Op {
            process: 0,
            tenant: TENANT.into(),
            user: self.id.into(),
            workspace: None,
            name: self.id.into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us: exchanged.invoke_us.saturating_sub(epoch),
            complete_us: exchanged.complete_us.saturating_sub(epoch),
            outcome: exchanged.outcome.clone(),
            strays: Vec::new(),
            effect: Effect::None,
        };
        let op = self.stage.record(&op);
        let secrets = self.secrets();
        let lost = exchanged.status.is_none().then(|| format!("{:?}", exchanged.outcome));
        let reply = match &lost {
            Some(why) => format!("(no complete reply: {why}) {}", masked(&exchanged.raw, &secrets)),
            None => masked(&exchanged.raw, &secrets),
        };
        let curl = curl.map(|command| masked(command.as_bytes(), &secrets));
        Answer {
            status: exchanged.status,
            headers: exchanged.headers,
            body: exchanged.body,
            text: ExchangeText { request: masked(bytes, &secrets), reply, curl },
            op,
            lost,
        }
    }

    /// What no evidence may show.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let mut secrets = vec![self.key()];
        secrets.extend(self.access.into_iter().flat_map(Access::secrets));
        secrets
    }

    /// Makes a control request: a valid one of the same kind, which must have a result. Otherwise a refusal of the others would prove nothing.
    ///
    /// # Errors
    /// It has no result.
    pub async fn control(&self, part: &str, what: &str, request: &HttpRequest) -> Result<Answer, Stop> {
        self.control_if(part, what, request, Answer::has_result).await
    }

    /// As [`Probe::control`], with a condition for the reply.
    ///
    /// # Errors
    /// The condition does not hold.
    pub async fn control_if(
        &self,
        part: &str,
        what: &str,
        request: &HttpRequest,
        holds: impl FnOnce(&Answer) -> bool,
    ) -> Result<Answer, Stop> {
        let answer = self.send(part, request).await;
        if holds(&answer) {
            self.count_control();
            return Ok(answer);
        }
        Err(Stop::Unclear(format!("the control request failed ({what} at `{part}`): {}", answer.describe())))
    }

    /// Records that something else showed that the probe reaches what it tests.
    pub fn count_control(&self) {
        self.findings.lock().controls += 1;
    }

    /// Judges a case. If it does not hold, at least two of the signs must be there to call it a violation.
    pub fn judge(&self, part: &str, case: &str, holds: bool, signs: &[(&str, bool)], answers: &[&Answer]) {
        let mut findings = self.findings.lock();
        findings.cases += 1;
        let case = format!("{part}: {case}");
        match classify_case(holds, signs) {
            CaseResult::Holds => {}
            CaseResult::Violated(signs) => findings.violations.push(ViolationRecord {
                case,
                file: None,
                signs,
                exchanges: answers.iter().map(|answer| answer.text.clone()).collect(),
                ops: answers.iter().map(|answer| answer.op).collect(),
            }),
            CaseResult::Doubtful(sign) => {
                let seen: Vec<String> = answers.iter().map(|answer| answer.describe()).collect();
                let sign = sign.map(|sign| format!("; only one sign: {sign}")).unwrap_or_default();
                push_doubt(&mut findings.doubts, format!("{case}: {}{sign}", seen.join(", ")));
            }
        }
    }

    /// Sends a request that must be refused with this status; by a server that is none of this product, with any status that blames this request.
    pub async fn expect_status(&self, part: &str, case: &str, request: &HttpRequest, status: u16) -> Answer {
        let answer = self.send(part, request).await;
        let other = format!("the status is not {status}");
        let has_session = self.access.is_some_and(Access::has_session);
        let blames = |seen| self.is_foreign() && rejects_this_request(seen, has_session);
        let is_refusal = answer.has_status(status) || answer.status.is_some_and(blames);
        let signs =
            [(other.as_str(), answer.status.is_some() && !is_refusal), ("the reply has a result", answer.has_result())];
        self.judge(part, case, is_refusal && !answer.has_result(), &signs, &[&answer]);
        answer
    }

    /// Records what the probe could not try, which the summary of a passed check names.
    pub fn omit(&self, what: &str) {
        self.findings.lock().omitted.push(what.to_owned());
    }

    /// Records a case that cannot be decided.
    pub fn doubt(&self, part: &str, case: &str, why: &str) {
        let mut findings = self.findings.lock();
        findings.cases += 1;
        push_doubt(&mut findings.doubts, format!("{part}: {case}: {why}"));
    }
}

fn push_doubt(doubts: &mut Vec<String>, doubt: String) {
    if doubts.len() < MAX_DOUBTS {
        doubts.push(doubt);
    }
}

/// Returns true if a status of a foreign server refuses this request. A limit, a token that has expired and a session that is lost refuse every request,
/// so that they show nothing of what a case is about.
const fn rejects_this_request(status: u16, has_session: bool) -> bool {
    match status {
        401 | 429 => false,
        404 => !has_session,
        _ => status >= 400 && status < 500,
    }
}

#[cfg(test)]
mod tests {
    use super::rejects_this_request;

    #[test]
    fn a_status_that_every_request_would_get_is_no_refusal_of_a_foreign_server() {
        for status in [400, 403, 404, 405, 406, 415, 422] {
            assert!(rejects_this_request(status, false), "{status}");
        }
        for (status, has_session) in [(401, false), (429, false), (404, true), (200, false), (302, false), (500, false)]
        {
            assert!(!rejects_this_request(status, has_session), "{status}");
        }
        assert!(rejects_this_request(400, true));
    }
}
