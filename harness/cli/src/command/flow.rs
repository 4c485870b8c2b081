//! `harness flow`: sends one sample task through every service of a stack (guardrails, memory, patterns, orchestrator), and prints each call, its
//! reply and its duration. With `--origin` it makes the calls of a web page and reports which of them a browser would allow.

mod page;

use crate::arguments::{BackendChoice, FlowArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::view::word;
use harness_core::drive::client::{Client, ClientOptions, Message};
use harness_core::drive::token::{Grant, Minter};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::run::RunError;
use harness_core::stack::state;
use harness_core::stack::{Stack, StackRequest};
use harness_history::{Verdict, counted};
use mcp_contracts::headers;
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const INTENT: &str = "Find out why checkout was slow after the deploy of the ledger, and keep it from happening again";
const FACTS: &str = "2026-03-04 09:58 deploy of ledger 4.2 (adds an index on entries)\n\
    2026-03-04 10:02 alert: checkout p99 at 4.1 s, usually 0.3 s\n\
    2026-03-04 10:05 on-call sees waiting connections: the pool of 20 is exhausted\n\
    2026-03-04 10:19 ledger rolled back to 4.1\n\
    2026-03-04 10:23 checkout p99 back at 0.3 s; 1,140 orders were late, none lost";
/// Maximum number of lines of the artefact that are printed.
const MAX_LINES: usize = 18;

struct FlowRun<'a> {
    context: &'a Context,
    clients: BTreeMap<String, Client>,
    execution: String,
    /// Origin of the web page whose calls are imitated; `None` without `--origin`.
    origin: Option<String>,
    /// For each service, the reason for the first call that a browser would refuse; `None` if it would allow all calls.
    browser: BTreeMap<String, Option<String>>,
    failed: u32,
}

pub(crate) fn run(arguments: &FlowArguments, context: &Context) -> Result<Exit, Failure> {
    let (backend, secret) = place(arguments, context)?;
    let folder = std::env::temp_dir().join(format!("harness-flow-{}", uuid::Uuid::new_v4().simple()));
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(folder.join(sub))?;
    }
    let request = StackRequest {
        backend,
        topology: Topology::full(),
        dir: folder.clone(),
        secret: secret.clone(),
        executable: context.executable.clone(),
        detached: false,
        fixtures: Vec::new(),
        image_tag: harness_core::stack::IMAGE_TAG.to_owned(),
        seed: 0,
    };
    let result = context.runtime.block_on(async {
        let stack = Stack::start(&request, &context.view, &context.cancel)
            .await
            .map_err(|error| Failure::from(RunError::from(error)))?;
        let walked = tokio::select! {
            walked = Box::pin(run_flow(&stack, &secret, arguments.origin.clone(), context)) => walked,
            () = context.cancel.cancelled() => Ok(Exit::Interrupted),
        };
        // The stack is stopped after an error or an interrupt too, so that no part of it outlives the command.
        let stopped = stack.stop().await;
        let exit = walked?;
        stopped.map(|()| exit).map_err(Failure::internal)
    });
    let _ = std::fs::remove_dir_all(folder);
    result
}

/// Returns the stack to use, and its key. With the default arguments, it is the stack that `harness up` started, if
/// there is one. Otherwise it is the stack that the arguments name.
fn place(arguments: &FlowArguments, context: &Context) -> Result<(Backend, String), Failure> {
    if arguments.place.backend == BackendChoice::Auto
        && arguments.place.url.is_empty()
        && let Ok(state) = state::load(Path::new(state::FOLDER))
    {
        let services = state.parts.iter().filter(|part| part.kind.service().is_some());
        let urls = services.map(|part| (part.name.clone(), part.url.clone())).collect();
        return Ok((Backend::External { urls, hosts: Vec::new() }, state.secret));
    }
    context.backend(&arguments.place)
}

async fn run_flow(stack: &Stack, secret: &str, origin: Option<String>, context: &Context) -> Result<Exit, Failure> {
    let token = Minter::new(secret).mint(&Grant::everything("flow", "ann")).map_err(Failure::internal)?;
    let mut clients = BTreeMap::new();
    for (service, url) in stack.endpoints() {
        let mut client = Client::new(Arc::new(url.parse().map_err(Failure::internal)?), ClientOptions::default());
        client.set_token(&token);
        clients.insert(service, client);
    }
    let execution = uuid::Uuid::new_v4().to_string();
    let mut flow = FlowRun { context, clients, execution, origin, browser: BTreeMap::new(), failed: 0 };
    flow.all().await;
    flow.summarise_browser();
    let (verdict, exit) = if flow.failed == 0 { (Verdict::Pass, Exit::Pass) } else { (Verdict::Fail, Exit::Fail) };
    if !context.output.json {
        context.print(&format!("verdict {}", word(verdict)));
    }
    Ok(exit)
}

impl FlowRun<'_> {
    async fn all(&mut self) {
        self.context.print_note(&format!("{} {INTENT}\n", "work".bold()));
        let request = json!({ "action": "answer", "intent": INTENT, "text": FACTS });
        let mut check = request.clone();
        check["executionId"] = json!(self.execution);
        let verdict = self.step("guardrails", "check_guardrails", check, verdict_lines).await;

        let query = json!({ "query": "checkout slow deploy ledger", "limit": 3 });
        self.step("memory", "search_memory", query, memory_lines).await;

        let intent = json!({ "intent": INTENT, "role": "sre" });
        let selected = self.step("patterns", "select_pattern", intent, pattern_lines).await;
        // Injects the best match with the verdict from above. If no pattern matches, the step is skipped; that is not a failure.
        let first = &selected["patterns"][0];
        if first.is_object() {
            let names = first["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let variables: BTreeMap<&str, &str> = names.map(|name| (name, "checkout")).collect();
            let inject = json!({
                "patternId": first["id"], "request": request, "executionId": self.execution,
                "verdictToken": verdict["verdictToken"], "variables": variables,
            });
            self.step("patterns", "inject_pattern", inject, injection_lines).await;
        }
        let run = json!({ "agent": "rca", "action": "answer", "intent": INTENT, "text": FACTS, "role": "sre" });
        self.step("orchestrator", "run_workflow", run, execution_lines).await;
    }

    async fn step(&mut self, service: &str, tool: &str, arguments: Value, say: fn(&Value) -> Vec<String>) -> Value {
        let Some(client) = self.clients.get_mut(service) else {
            self.failed += 1;
            let why = format!("{service} is not part of this stack");
            if self.context.output.json {
                let error = json!({ "message": why });
                self.context.print_json(&json!({ "service": service, "tool": tool, "ok": false, "error": error }));
            }
            self.lines(&[format!("{} {why}", "✗".red())]);
            return Value::Null;
        };
        let message = Message {
            method: "tools/call".to_owned(),
            params: [("name".to_owned(), json!(tool)), ("arguments".to_owned(), arguments.clone())]
                .into_iter()
                .collect(),
            headers: vec![(headers::EXECUTION_ID.to_owned(), self.execution.clone())],
            ..Message::default()
        };
        let answer = page::ask(client, message, self.origin.as_deref()).await;
        let (ok, reply, took) = (answer.is_ok(), answer.reply(), answer.took_ms());
        self.failed += u32::from(!ok);
        if self.context.output.json {
            let mut step = json!({
                "service": service, "tool": tool, "arguments": arguments, "ok": ok,
                "reply": reply, "error": answer.error(), "took_ms": took,
            });
            if let Some(browser) = &answer.browser {
                step["browser"] = browser.json();
            }
            self.context.print_json(&step);
        }
        let mark = if ok { "✓".green().to_string() } else { "✗".red().to_string() };
        let took = took.map(|took| format!("{took:.1} ms")).unwrap_or_default();
        let said = if ok { say(&reply) } else { vec![answer.failure()] };
        let mut lines = vec![format!("{mark} {:<13} {:<18} {:>9}", service.bold(), tool, took.dimmed())];
        lines.extend(said.iter().map(|line| format!("    {line}")));
        if let Some(browser) = answer.browser {
            lines.extend(browser.hidden.iter().map(|name| format!("    the page cannot read the header `{name}`")));
            let known = self.browser.entry(service.to_owned()).or_default();
            *known = known.take().or(browser.refusal);
        }
        self.lines(&lines);
        reply
    }

    /// Prints for each service what a browser would allow the page.
    fn summarise_browser(&self) {
        let Some(origin) = &self.origin else { return };
        let mut lines = vec![format!("\nA page of {origin}")];
        for (service, refusal) in &self.browser {
            let text = match refusal {
                None => "may call the service and read its replies".to_owned(),
                Some(why) => format!("may not: {why}"),
            };
            lines.push(format!("  {service:<13} {text}"));
        }
        if self.browser.values().any(Option::is_some) {
            lines.push(format!("hint: add `{origin}` to `ALLOWED_ORIGINS` of the services"));
        }
        self.lines(&lines);
    }

    /// Prints lines for people, unless `--quiet` or `--json` is set.
    fn lines(&self, lines: &[String]) {
        if !self.context.output.quiet && !self.context.output.json {
            lines.iter().for_each(|line| self.context.print(line));
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn verdict_lines(reply: &Value) -> Vec<String> {
    let checked = reply["rulesChecked"].as_u64().unwrap_or_default();
    let mut lines = vec![format!("{} ({} checked)", text(reply, "verdict"), counted(checked, "rule", "rules"))];
    let rules = reply["rules"].as_array().into_iter().flatten();
    lines.extend(
        rules.map(|rule| format!("{} {}: {}", text(rule, "id"), text(rule, "severity"), text(rule, "message"))),
    );
    lines
}

fn memory_lines(reply: &Value) -> Vec<String> {
    let hits = reply["hits"].as_array().cloned().unwrap_or_default();
    if hits.is_empty() {
        return vec!["no memory matches yet".to_owned()];
    }
    hits.iter().map(|hit| format!("remembers: {:.90}", text(hit, "content").replace('\n', " "))).collect()
}

fn pattern_lines(reply: &Value) -> Vec<String> {
    let patterns = reply["patterns"].as_array().into_iter().flatten();
    let line = |pattern: &Value| {
        format!(
            "{:.2} {}: {}",
            pattern["score"].as_f64().unwrap_or_default(),
            text(pattern, "id"),
            text(pattern, "summary")
        )
    };
    patterns.map(line).collect()
}

fn injection_lines(reply: &Value) -> Vec<String> {
    let lines = text(reply, "text").lines().count();
    vec![format!(
        "{}, {}, on verdict {}",
        text(reply, "title"),
        counted(lines, "line", "lines"),
        text(reply, "verdictId")
    )]
}

fn execution_lines(reply: &Value) -> Vec<String> {
    let reasons: Vec<&str> = reply["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut lines = vec![format!("{} {}", text(reply, "status"), reasons.join(", ")).trim_end().to_owned()];
    for step in reply["steps"].as_array().into_iter().flatten() {
        lines.push(format!(
            "{:<15} {:<9} {:<15} {:>7.1} ms",
            text(step, "step"),
            text(step, "outcome"),
            text(step, "source"),
            step["durationMs"].as_f64().unwrap_or_default()
        ));
    }
    let artefact = text(&reply["artefact"], "markdown");
    lines.push(String::new());
    lines.extend(artefact.lines().take(MAX_LINES).map(str::to_owned));
    let left = artefact.lines().count().saturating_sub(MAX_LINES);
    if left > 0 {
        lines.push(format!("… and {left} more lines"));
    }
    lines
}
