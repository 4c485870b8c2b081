//! The calls whose price is measured, one entry of [`CALLS`] for each row of the table, and the users that make them.

use super::driver::{Expected, NUMBER, Prepared};
use super::table::Goal;
use crate::exit::Failure;
use harness_core::drive::client::{Client, ClientOptions};
use harness_core::drive::token::{Grant, Minter};
use harness_history::Outcome;
use mcp_contracts::service::{HEALTHZ_PATH, MCP_PATH, PROTOCOL_MODERN};
use mcp_contracts::{Scope, Service, guardrails, headers, memory, orchestrator, patterns};
use serde_json::{Value, json};

/// Number of connections, each of a user of its own.
pub(super) const CONNECTIONS: usize = 100;
/// The users are in this number of organisations, because a service bounds what one organisation may hold at once.
const ORGANISATIONS: usize = 10;
/// Number of memories that a search of an organisation looks at.
const SEARCHED: usize = 1_000;
/// Number of memories that are stored before a round.
pub(super) const STORED: u64 = (SEARCHED * ORGANISATIONS) as u64;

const SUBJECTS: [&str; 10] =
    ["checkout", "search", "billing", "login", "upload", "export", "invoice", "mail", "cache", "gateway"];
const EVENTS: [&str; 5] = ["queue was full", "deploy failed", "disk filled up", "certificate expired", "timeouts rose"];

const SUCCESS: Expected = Expected { status: 200, end: r#""isError":false}}"#, part: "" };

/// A row of the table.
pub(super) struct BenchCall {
    pub(super) name: &'static str,
    pub(super) service: Service,
    pub(super) goal: Goal,
    /// Number of calls of all connections together; one connection alone makes a tenth.
    pub(super) calls: u64,
    tool: &'static str,
    arguments: fn(&User) -> Value,
    expected: Expected,
    /// True if the token lacks the scope of the tool.
    is_refused: bool,
}

/// In the order in which they are measured: the search comes before the write, so that every round searches the same memories.
pub(super) const CALLS: [BenchCall; 7] = [
    BenchCall {
        name: "refused call",
        service: Service::Memory,
        goal: Goal::ratio(0.70),
        calls: 20_000,
        tool: memory::tool::STORE,
        arguments: store,
        // A missing scope is found after the token and the request are checked, and before quota, log and store.
        expected: Expected { status: 403, end: "}", part: "insufficient_scope" },
        is_refused: true,
    },
    BenchCall {
        name: memory::tool::GET,
        service: Service::Memory,
        goal: Goal { p50_ms: Some(0.15), ..Goal::ratio(0.50) },
        calls: 20_000,
        tool: memory::tool::GET,
        arguments: |user| json!({ "id": user.memory }),
        expected: SUCCESS,
        is_refused: false,
    },
    BenchCall {
        name: memory::tool::SEARCH,
        service: Service::Memory,
        goal: Goal::NONE,
        calls: 5_000,
        tool: memory::tool::SEARCH,
        arguments: |user| json!({ "query": format!("{} {}", user.subject(), user.event(1)), "limit": 10 }),
        expected: Expected { part: r#""id":""#, ..SUCCESS },
        is_refused: false,
    },
    BenchCall {
        name: memory::tool::STORE,
        service: Service::Memory,
        goal: Goal { p50_ms: Some(0.35), ..Goal::ratio(0.30) },
        calls: 10_000,
        tool: memory::tool::STORE,
        arguments: store,
        // A memory that is there already costs less than a durable write.
        expected: Expected { part: r#""created":true"#, ..SUCCESS },
        is_refused: false,
    },
    BenchCall {
        name: guardrails::tool::CHECK,
        service: Service::Guardrails,
        goal: Goal::ratio(0.45),
        calls: 20_000,
        tool: guardrails::tool::CHECK,
        arguments: action,
        expected: Expected { part: r#""verdict":"allow""#, ..SUCCESS },
        is_refused: false,
    },
    BenchCall {
        name: patterns::tool::SELECT,
        service: Service::Patterns,
        goal: Goal::ratio(0.45),
        calls: 20_000,
        tool: patterns::tool::SELECT,
        arguments: |user| json!({ "intent": intent(user) }),
        expected: SUCCESS,
        is_refused: false,
    },
    BenchCall {
        name: orchestrator::tool::RUN_WORKFLOW,
        service: Service::Orchestrator,
        goal: Goal { calls_per_s: Some(400.0), ..Goal::NONE },
        calls: 2_000,
        tool: orchestrator::tool::RUN_WORKFLOW,
        arguments: |user| {
            let mut arguments = action(user);
            arguments["agent"] = "general".into();
            arguments
        },
        // A degraded workflow did less.
        expected: Expected { part: r#""status":"completed""#, ..SUCCESS },
        is_refused: false,
    },
];

impl BenchCall {
    /// Returns the request of a user, for the service at this address.
    pub(super) fn prepare(&self, user: &User, address: &str) -> Prepared {
        let token = if self.is_refused { &user.read_only } else { &user.token };
        prepare(address, token, self.tool, &(self.arguments)(user), self.expected)
    }
}

/// Returns the request for the cheapest reply of a service.
pub(super) fn bare(address: &str) -> Prepared {
    let head = format!("GET {HEALTHZ_PATH} HTTP/1.1\r\nhost: {address}\r\n");
    Prepared::new(&head, "", Expected { status: 200, end: "", part: "" })
}

/// Returns the request to store one of the memories that are searched.
pub(super) fn searched(user: &User, address: &str) -> Prepared {
    let content = format!("{} of case {NUMBER}: the {}, and a retry helped", user.subject(), user.event(0));
    let arguments = json!({ "content": content, "visibility": "workspace" });
    prepare(address, &user.token, memory::tool::STORE, &arguments, SUCCESS)
}

fn store(user: &User) -> Value {
    json!({ "content": format!("{} of case {NUMBER}: the deploy was reverted, and errors fell to 0.1 %", user.subject()) })
}

/// Returns an action that every rule allows.
fn action(user: &User) -> Value {
    json!({ "action": "answer", "intent": intent(user), "text": format!("p99 rose to 4.1 s in case {NUMBER}") })
}

fn intent(user: &User) -> String {
    format!("find out why {} became slow", user.subject())
}

fn prepare(address: &str, token: &str, tool: &str, arguments: &Value, expected: Expected) -> Prepared {
    let head = format!(
        "POST {MCP_PATH} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nauthorization: Bearer {token}\r\n\
         {}: {PROTOCOL_MODERN}\r\n{}: tools/call\r\n{}: {tool}\r\n",
        headers::MCP_PROTOCOL_VERSION,
        headers::MCP_METHOD,
        headers::MCP_NAME,
    );
    let meta = json!({
        headers::META_PROTOCOL_VERSION: PROTOCOL_MODERN,
        headers::META_CLIENT_CAPABILITIES: {},
        headers::META_CLIENT_INFO: { "name": "harness", "version": env!("CARGO_PKG_VERSION") },
    });
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments, "_meta": meta },
    });
    Prepared::new(&head, &body.to_string(), expected)
}

/// The user of one connection.
pub(super) struct User {
    index: usize,
    token: String,
    /// A token that allows reading and nothing else.
    read_only: String,
    /// Id of a memory of the user.
    memory: String,
}

impl User {
    /// Creates the users, and stores a memory of each at the memory service, whose base URL is `memory_url`.
    pub(super) async fn create(secret: &str, memory_url: &str) -> Result<Vec<Self>, Failure> {
        let minter = Minter::new(secret);
        let endpoint = std::sync::Arc::new(format!("{memory_url}{MCP_PATH}").parse().map_err(Failure::internal)?);
        let mut client = Client::new(endpoint, ClientOptions::default());
        let mut users = Vec::with_capacity(CONNECTIONS);
        for index in 0..CONNECTIONS {
            let organisation = format!("bench-{}", index % ORGANISATIONS);
            let all = Grant::everything(organisation, format!("user-{index}"));
            let reading = Grant { scopes: vec![Scope::MemoryRead], ..all.clone() };
            let token = minter.mint(&all).map_err(Failure::internal)?;
            let read_only = minter.mint(&reading).map_err(Failure::internal)?;
            client.set_token(&token);
            let content = json!({ "content": format!("a memory that user {index} reads again and again") });
            let call = client.call(memory::tool::STORE, &content).await;
            if call.outcome != Outcome::Ok {
                return Err(Failure::internal(format!("cannot store the memory of a user: {:?}", call.outcome)));
            }
            let reply: Value = call.structured.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let memory = reply["id"].as_str().unwrap_or_default().to_owned();
            users.push(Self { index, token, read_only, memory });
        }
        Ok(users)
    }

    // The words of an organisation: a tenth of its memories has the subject of a user, and a fifth has an event. A search takes the subject of its
    // user and the event of others, so that it matches three tenths.
    fn subject(&self) -> &'static str {
        SUBJECTS[self.index / ORGANISATIONS % SUBJECTS.len()]
    }

    fn event(&self, further: usize) -> &'static str {
        EVENTS[(self.index / ORGANISATIONS + further) % EVENTS.len()]
    }
}
