//! The load of an experiment: arrivals at one rate, taken by the next user that is free, so that a slow stack makes calls late and never fewer
//! (latency counts from the planned start). Light by intention: a few hundred calls a second; `harness load` drives more.

use super::{Limited, Load, Surge};
use crate::drive::scenario::{Actor, Ask, Reply, Stage, service_of};
use crate::stack::view::Progress;
use harness_history::{ErrorKind, Outcome, Phase};
use mcp_contracts::memory::tool;
use mcp_contracts::{Service, guardrails, orchestrator, patterns};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Stores a memory; repeats it with the same key until it is answered.
const STORE_ONCE: &str = "store_once";
/// Runs a workflow; repeats it with the same key until it is answered, and who had to repeat it asks once more.
const RUN_ONCE: &str = "run_once";
/// A workflow whose action the guardrails must have allowed.
const RISKY_WORKFLOW: &str = "risky_workflow";
/// Asks the guardrails, then patterns, for one pattern by hand.
const INJECT: &str = "inject_pattern";
/// Operations that a mix can weigh.
pub(crate) const OPERATIONS: &[&str] = &[
    tool::STORE,
    STORE_ONCE,
    tool::GET,
    tool::SEARCH,
    tool::LIST,
    tool::STATS,
    guardrails::tool::CHECK,
    patterns::tool::SELECT,
    INJECT,
    orchestrator::tool::RUN_WORKFLOW,
    RUN_ONCE,
    RISKY_WORKFLOW,
];

/// Ids that a user remembers of its own memories.
const KNOWN: usize = 64;
/// How often one request is sent again with the same key.
const REPEATS: u32 = 5;
/// Pause before it is sent again.
const REPEAT_PAUSE: Duration = Duration::from_millis(200);
/// Calls that the watch over a run remembers.
const WATCHED: usize = 100_000;
const SECOND_US: u64 = 1_000_000;

/// Words that contents and intents are made of.
const TEXTS: &[&str] = &[
    "the ledger was slow after the deploy",
    "p99 of checkout rose to four seconds",
    "the invoice export skipped a customer",
    "review of the migration plan for billing",
    "cache stampede after the failover",
    "on-call handover notes of the payments team",
];

/// The load of an experiment on a stage.
pub(crate) struct Traffic<'s> {
    stage: &'s Stage<'s>,
    load: &'s Load,
    /// Begins of calls, ends and whether they failed otherwise than is allowed; the youngest last.
    seen: RefCell<VecDeque<Seen>>,
    /// Errors that callers may see.
    allowed: &'s [String],
    arrivals: Cell<u64>,
    surge_from_us: Cell<Option<u64>>,
}

/// How one call went, as far as those who watch the run need it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    ended_us: u64,
    took_us: u64,
    bad: bool,
}

/// One user with what it knows.
struct User<'s> {
    actor: Actor<'s>,
    rng: ChaCha8Rng,
    own: VecDeque<String>,
}

impl<'s> Traffic<'s> {
    pub(crate) fn new(stage: &'s Stage<'s>, load: &'s Load, allowed: &'s [String]) -> Self {
        let (seen, arrivals, surge_from_us) = (RefCell::default(), Cell::new(0), Cell::new(None));
        Self { stage, load, seen, allowed, arrivals, surge_from_us }
    }

    /// Keeps calls coming until `stop`.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let users = (0..self.load.users).map(|number| self.user(number));
        let users: Vec<User<'s>> = users.collect();
        let limited: Vec<&Limited> = self.load.limited.iter().collect();
        let everybody = users.into_iter().map(|user| self.live(user, stop));
        let askers = limited.into_iter().map(|limited| self.ask_too_much(limited, stop));
        futures::future::join(futures::future::join_all(everybody), futures::future::join_all(askers)).await;
    }

    /// From now on the rate is higher, as long as the load says.
    pub(crate) fn surge(&self) {
        self.surge_from_us.set(Some(self.stage.now_us()));
    }

    /// Share of the calls that ended in the last so long and failed otherwise than is allowed, and how many there were.
    pub(crate) fn bad_share(&self, within: Duration) -> (f64, usize) {
        let since = self.stage.now_us().saturating_sub(within.as_micros() as u64);
        let seen = self.seen.borrow();
        let recent = seen.iter().rev().take_while(|seen| seen.ended_us >= since);
        let (mut all, mut bad) = (0_usize, 0_usize);
        for seen in recent {
            all += 1;
            bad += usize::from(seen.bad);
        }
        (bad as f64 / (all as f64).max(1.0), all)
    }

    /// How the load has gone since a time of the run; the time left is for others to know.
    pub(crate) fn progress(&self, since_us: u64) -> Progress {
        let at_us = self.stage.now_us();
        let seen = self.seen.borrow();
        let phase: Vec<&Seen> = seen.iter().rev().take_while(|seen| seen.ended_us >= since_us).collect();
        let last = || phase.iter().take_while(|seen| seen.ended_us + SECOND_US >= at_us);
        let mut took: Vec<u64> = phase.iter().map(|seen| seen.took_us).collect();
        took.sort_unstable();
        let latency = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1)));
        Progress {
            at_us,
            phase: Phase::Measured,
            left_us: 0,
            users: self.load.users,
            calls: last().count() as u64,
            errors: last().filter(|seen| seen.bad).count() as u64,
            phase_calls: phase.len() as u64,
            phase_errors: phase.iter().filter(|seen| seen.bad).count() as u64,
            latency_us_p50: latency(50).copied().unwrap_or_default(),
            latency_us_p95: latency(95).copied().unwrap_or_default(),
            latency_us_p99: latency(99).copied().unwrap_or_default(),
        }
    }

    fn user(&self, number: u32) -> User<'s> {
        let organisation = format!("org-{}", number % self.load.organisations);
        let actor = self.stage.user(&format!("user-{number}"), &organisation).within(self.load.call_deadline);
        let mut rng = ChaCha8Rng::seed_from_u64(self.stage.seed());
        rng.set_stream(u64::from(number) + 1);
        User { actor, rng, own: VecDeque::new() }
    }

    /// Takes arrivals as long as there are any.
    async fn live(&self, mut user: User<'s>, stop: &CancellationToken) {
        while let Some(planned_us) = self.next(stop).await {
            let operation = self.choose(&mut user.rng);
            self.perform(&mut user, operation, planned_us).await;
        }
    }

    /// Waits for the next arrival; `None` where there is none any more.
    async fn next(&self, stop: &CancellationToken) -> Option<u64> {
        let number = self.arrivals.get();
        self.arrivals.set(number + 1);
        let planned_us = self.planned_us(number);
        let wait = planned_us.saturating_sub(self.stage.now_us());
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            () = tokio::time::sleep(Duration::from_micros(wait)) => Some(planned_us),
        }
    }

    /// When an arrival is due: at one rate, and more often during a surge.
    fn planned_us(&self, number: u64) -> u64 {
        let at = |calls: f64, rate: f64| (calls / rate * 1e6) as u64;
        let rate = self.load.rate;
        let (Some(from_us), Some(surge)) = (self.surge_from_us.get(), &self.load.surge) else {
            return at(number as f64, rate);
        };
        surged(number as f64, rate, from_us, surge)
    }

    fn choose(&self, rng: &mut ChaCha8Rng) -> &'static str {
        let sum: u32 = self.load.mix.values().sum();
        let mut drawn = rng.random_range(0..sum.max(1));
        for operation in OPERATIONS {
            let weight = self.load.mix.get(*operation).copied().unwrap_or_default();
            if drawn < weight {
                return operation;
            }
            drawn -= weight;
        }
        tool::STATS
    }

    async fn perform(&self, user: &mut User<'s>, operation: &'static str, planned_us: u64) {
        let ask = match operation {
            STORE_ONCE => return self.store_once(user, planned_us).await,
            RUN_ONCE => return self.run_once(user, planned_us).await,
            INJECT => return self.inject(user, planned_us).await,
            _ => user.ask(operation),
        };
        let reply = self.send(&mut user.actor, ask, Some(planned_us)).await;
        if operation == tool::STORE && reply.is_ok() {
            user.remember(&reply);
        }
    }

    async fn send(&self, actor: &mut Actor<'s>, ask: Ask, planned_us: Option<u64>) -> Reply<'s> {
        // Where there are several instances, callers choose as a load balancer does.
        let several = self.stage.instances(ask.service()).len() > 1;
        let ask = if several { ask.at_a_ready_one() } else { ask };
        let reply = actor.send_planned(ask, planned_us).await;
        self.watch(&reply);
        reply
    }

    fn watch(&self, reply: &Reply<'_>) {
        let took_us = reply.took().as_micros() as u64;
        let bad = reply.outcome().error().is_some_and(|kind| !is_allowed(kind, self.allowed));
        let mut seen = self.seen.borrow_mut();
        if seen.len() == WATCHED {
            seen.pop_front();
        }
        seen.push_back(Seen { ended_us: self.stage.now_us(), took_us, bad });
    }

    async fn store_once(&self, user: &mut User<'s>, planned_us: u64) {
        let ask = user.ask(tool::STORE).called(STORE_ONCE);
        if let Some((reply, _)) = self.until_answered(&mut user.actor, &ask, planned_us).await {
            user.remember(&reply);
        }
    }

    async fn run_once(&self, user: &mut User<'s>, planned_us: u64) {
        let key = format!("{:032x}", user.rng.random::<u128>());
        let workflow = json!({
            "agent": "general", "action": "answer", "intent": user.text(), "text": "p99 rose to 4.1 s", "idempotencyKey": key,
        });
        let ask = Ask::tool(orchestrator::tool::RUN_WORKFLOW, workflow).called(RUN_ONCE);
        let answered = self.until_answered(&mut user.actor, &ask, planned_us).await;
        if answered.is_some_and(|(_, repeats)| repeats > 0) {
            let _ = self.send(&mut user.actor, ask, None).await;
        }
    }

    /// What a careful client does: the same request with the same key, until somebody answers; how often it was repeated.
    async fn until_answered(&self, actor: &mut Actor<'s>, ask: &Ask, planned_us: u64) -> Option<(Reply<'s>, u32)> {
        let mut planned_us = Some(planned_us);
        for repeats in 0..=REPEATS {
            let reply = self.send(actor, ask.clone(), planned_us.take()).await;
            match reply.outcome() {
                Outcome::Ok => return Some((reply, repeats)),
                Outcome::Unknown(_) | Outcome::Failed(ErrorKind::Connect) => tokio::time::sleep(REPEAT_PAUSE).await,
                Outcome::Failed(_) => return None,
            }
        }
        None
    }

    /// A verdict first, then the injection that it allows.
    async fn inject(&self, user: &mut User<'s>, planned_us: u64) {
        let request = json!({ "action": "answer", "intent": user.text(), "text": "p99 rose to 4.1 s" });
        let verdict =
            self.send(&mut user.actor, Ask::tool(guardrails::tool::CHECK, request.clone()), Some(planned_us)).await;
        if verdict["verdictToken"].is_null() {
            return;
        }
        let intent = json!({ "intent": "investigate an incident" });
        let selected = self.send(&mut user.actor, Ask::tool(patterns::tool::SELECT, intent), None).await;
        let pattern = &selected["patterns"][0];
        if pattern["id"].is_null() {
            return;
        }
        let names = pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let variables: serde_json::Map<String, Value> =
            names.map(|name| (name.to_owned(), json!("checkout"))).collect();
        let inject = json!({
            "patternId": pattern["id"], "request": request, "executionId": verdict["executionId"],
            "verdictToken": verdict["verdictToken"], "variables": variables,
        });
        let _ = self.send(&mut user.actor, Ask::tool(patterns::tool::INJECT, inject), None).await;
    }

    /// An organisation that asks for more than it may, at its own rate.
    async fn ask_too_much(&self, limited: &Limited, stop: &CancellationToken) {
        let mut actor =
            self.stage.user("asker", &limited.organisation).on(limited.plan).within(self.load.call_deadline);
        self.stage.promise_limit(actor.organisation(), &[], limited.limit, None);
        let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / limited.rate));
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let reply = actor.call(tool::STATS, json!({})).await;
            self.watch(&reply);
        }
    }
}

impl User<'_> {
    fn text(&mut self) -> &'static str {
        TEXTS[self.rng.random_range(0..TEXTS.len())]
    }

    fn remember(&mut self, reply: &Reply<'_>) {
        if self.own.len() == KNOWN {
            self.own.pop_front();
        }
        self.own.push_back(reply.text("id"));
    }

    /// The request of an operation.
    fn ask(&mut self, operation: &'static str) -> Ask {
        let text = self.text();
        let arguments = match operation {
            tool::STORE => {
                let key = format!("{:032x}", self.rng.random::<u128>());
                json!({ "content": self.actor.private(text), "tags": ["incident"], "idempotencyKey": key })
            }
            tool::GET => match self.own.len() {
                // Who has nothing yet asks what it has.
                0 => return Ask::tool(tool::STATS, json!({})),
                known => json!({ "id": self.own[self.rng.random_range(0..known)] }),
            },
            tool::SEARCH => json!({ "query": text, "limit": 5 }),
            tool::LIST => json!({ "limit": 5 }),
            guardrails::tool::CHECK => json!({ "action": "answer", "intent": text, "text": "p99 rose to 4.1 s" }),
            patterns::tool::SELECT => json!({ "intent": text }),
            orchestrator::tool::RUN_WORKFLOW => {
                json!({ "agent": "general", "action": "answer", "intent": text, "text": "p99 rose to 4.1 s" })
            }
            RISKY_WORKFLOW => {
                let risky =
                    json!({ "agent": "general", "action": "deploy", "intent": text, "text": "roll out the fix" });
                return Ask::tool(orchestrator::tool::RUN_WORKFLOW, risky).called(RISKY_WORKFLOW);
            }
            _ => json!({}),
        };
        Ask::tool(operation, arguments)
    }
}

/// When arrival `number` is due where the rate is `surge.times` as high from `from_us` on, for as long as the surge lasts.
fn surged(number: f64, rate: f64, from_us: u64, surge: &Surge) -> u64 {
    let before = from_us as f64 / 1e6 * rate;
    let extra = surge.lasts.as_secs_f64() * rate * surge.times;
    let secs = if number <= before {
        number / rate
    } else if number <= before + extra {
        from_us as f64 / 1e6 + (number - before) / (rate * surge.times)
    } else {
        from_us as f64 / 1e6 + surge.lasts.as_secs_f64() + (number - before - extra) / rate
    };
    (secs * 1e6) as u64
}

/// The service that an operation calls.
pub(crate) fn called(operation: &str) -> Option<Service> {
    match operation {
        STORE_ONCE => Some(Service::Memory),
        RUN_ONCE | RISKY_WORKFLOW => Some(Service::Orchestrator),
        tool => service_of(tool),
    }
}

/// Tells whether an experiment lets callers see such an error.
fn is_allowed(kind: &ErrorKind, allowed: &[String]) -> bool {
    let named = |name: &str| allowed.iter().any(|allowed| allowed == name);
    match kind {
        ErrorKind::Http(status) => named(&format!("http_{status}")),
        ErrorKind::Tool(code) => named(code),
        other => named(other.group()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Surge, is_allowed, surged};
    use harness_history::ErrorKind;
    use std::time::Duration;

    #[test]
    fn a_surge_brings_more_calls_for_a_while_and_then_the_rate_is_what_it_was() {
        let surge = Surge { times: 5.0, after: Duration::ZERO, lasts: Duration::from_secs(2) };
        let due = |number| surged(number, 50.0, 10_000_000, &surge);
        assert_eq!((due(500.0), due(750.0), due(1_000.0)), (10_000_000, 11_000_000, 12_000_000));
        assert_eq!(due(1_050.0), 13_000_000);
    }

    #[test]
    fn errors_are_allowed_by_the_name_that_a_report_gives_them() {
        let allowed = ["quota", "http_503", "dependency_unavailable"].map(str::to_owned);
        assert!(is_allowed(&ErrorKind::Quota, &allowed) && is_allowed(&ErrorKind::Http(503), &allowed));
        assert!(is_allowed(&ErrorKind::Tool("dependency_unavailable".into()), &allowed));
        assert!(
            !is_allowed(&ErrorKind::Http(500), &allowed) && !is_allowed(&ErrorKind::Tool("internal".into()), &allowed)
        );
        assert!(!is_allowed(&ErrorKind::Timeout, &allowed));
    }
}
