//! A small memory service in this process. It separates memories by token, and stalls or misbehaves if a test requests it. It notes when
//! it received every call, so that a run can be judged on recorded times.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness_core::observe::clock::monotonic_us;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Faults of the server.
#[derive(Clone, Copy, Default)]
pub(crate) struct Behaviour {
    /// Time after [`Server::arm`] from which every call is held, and the duration of the hold.
    pub(crate) stall: Option<(Duration, Duration)>,
    /// Answers everything with this status.
    pub(crate) refuse: Option<u16>,
    /// Answers reads of every tenant to everyone.
    pub(crate) leak: bool,
}

/// One call as the server saw it, in microseconds of the monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    /// When the request was complete.
    pub(crate) arrived_us: u64,
}

/// A running server; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    behaviour: Behaviour,
    memories: Mutex<BTreeMap<String, Memory>>,
    served: Mutex<Vec<Served>>,
    stall_from_us: Mutex<Option<u64>>,
}

struct Memory {
    owner: Caller,
    shared: bool,
    content: String,
    tags: Vec<Value>,
    version: u64,
}

#[derive(Clone, Default, PartialEq)]
struct Caller {
    tenant: String,
    workspace: String,
    user: String,
}

impl Memory {
    fn is_visible_to(&self, caller: &Caller) -> bool {
        let mates = (&self.owner.tenant, &self.owner.workspace) == (&caller.tenant, &caller.workspace);
        mates && (self.shared || self.owner.user == caller.user)
    }
}

const TIME: &str = "2026-01-01T00:00:00Z";

fn shown(id: &str, memory: &Memory) -> Value {
    json!({
        "id": id, "content": memory.content, "version": memory.version, "tags": memory.tags, "createdAt": TIME, "updatedAt": TIME,
        "visibility": if memory.shared { "workspace" } else { "private" },
    })
}

impl Server {
    /// Starts on a free port.
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { behaviour, ..Shared::default() });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(accept(listener, shared, stopped));
            }
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Every call so far.
    pub(crate) fn served(&self) -> Vec<Served> {
        self.shared.served.lock().unwrap().clone()
    }

    /// Sets the time from which the stall of the behaviour counts. Only the first call has an effect.
    pub(crate) fn arm(&self, at_us: u64) {
        self.shared.stall_from_us.lock().unwrap().get_or_insert(at_us);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = complete(&bytes) {
                break end;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let arrived_us = monotonic_us();
        shared.stall(arrived_us).await;
        let reply = shared.reply(&bytes[..end]);
        bytes.drain(..end);
        if stream.write_all(&reply).await.is_err() {
            return;
        }
        shared.served.lock().unwrap().push(Served { arrived_us });
    }
}

/// Returns the end of the first request in these bytes, if the request is complete.
fn complete(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let length: usize = field(std::str::from_utf8(&bytes[..head]).unwrap(), "content-length").unwrap().parse().unwrap();
    (bytes.len() >= head + length).then_some(head + length)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

impl Shared {
    async fn stall(&self, arrived_us: u64) {
        let (Some((after, length)), Some(from_us)) = (self.behaviour.stall, *self.stall_from_us.lock().unwrap()) else {
            return;
        };
        let begin_us = from_us + after.as_micros() as u64;
        let end_us = begin_us + length.as_micros() as u64;
        if (begin_us..end_us).contains(&arrived_us) {
            tokio::time::sleep(Duration::from_micros(end_us.saturating_sub(monotonic_us()))).await;
        }
    }

    fn reply(&self, request: &[u8]) -> Vec<u8> {
        let (head, body) = std::str::from_utf8(request).unwrap().split_once("\r\n\r\n").unwrap();
        if let Some(status) = self.behaviour.refuse {
            return format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n").into_bytes();
        }
        let claims = field(head, "authorization").unwrap().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let request: Value = serde_json::from_str(body).unwrap();
        let params = &request["params"];
        let result = self.call(params["name"].as_str().unwrap(), &params["arguments"], &claims);
        let (structured, is_error) = match result {
            Ok(structured) => (structured, false),
            Err(code) => (json!({ "code": code, "message": "", "retryable": false }), true),
        };
        let body = json!({
            "jsonrpc": "2.0",
            "id": request["id"],
            "result": {
                "content": [{ "type": "text", "text": structured.to_string() }],
                "structuredContent": structured,
                "isError": is_error,
                "resultType": "complete",
            },
        })
        .to_string();
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
            .into_bytes()
    }

    fn call(&self, tool: &str, arguments: &Value, claims: &Value) -> Result<Value, &'static str> {
        let claim = |name: &str| claims[name].as_str().unwrap().to_owned();
        let caller = Caller { tenant: claim("orgId"), workspace: claim("workspaceSlug"), user: claim("sub") };
        let mut memories = self.memories.lock().unwrap();
        let visible = |memory: &Memory| self.behaviour.leak || memory.is_visible_to(&caller);
        match tool {
            "store_memory" => {
                let id = store(&mut memories, &caller, arguments);
                Ok(json!({ "id": id, "created": true, "version": 1, "contentHash": "00", "createdAt": TIME }))
            }
            "import_memories" => {
                let new = arguments["memories"].as_array().unwrap();
                let ids: Vec<String> = new.iter().map(|memory| store(&mut memories, &caller, memory)).collect();
                Ok(json!({ "created": ids.len(), "duplicates": 0, "ids": ids }))
            }
            "update_memory" => {
                let memory = memories.get_mut(arguments["id"].as_str().unwrap()).ok_or("not_found")?;
                if arguments["expectedVersion"].as_u64().is_some_and(|expected| expected != memory.version) {
                    return Err("version_conflict");
                }
                memory.version += 1;
                arguments["content"].as_str().unwrap().clone_into(&mut memory.content);
                Ok(shown(arguments["id"].as_str().unwrap(), memory))
            }
            "delete_memory" => {
                let memory = memories.get_mut(arguments["id"].as_str().unwrap()).ok_or("not_found")?;
                // No user sees it any more. It stays, because ids follow from the number of memories.
                memory.owner = Caller::default();
                memory.shared = false;
                Ok(json!({ "id": arguments["id"], "deleted": true }))
            }
            "get_memory" => {
                let id = arguments["id"].as_str().unwrap();
                memories
                    .get_key_value(id)
                    .filter(|(_, memory)| visible(memory))
                    .map(|(id, memory)| shown(id, memory))
                    .ok_or("not_found")
            }
            "search_memory" => {
                let words: Vec<&str> = arguments["query"].as_str().unwrap().split(' ').collect();
                let matches = |memory: &Memory| words.iter().all(|word| memory.content.contains(word));
                let found = memories.iter().rev().filter(|(_, memory)| visible(memory) && matches(memory)).take(3);
                let scored = |(id, memory): (&String, &Memory)| {
                    let mut hit = shown(id, memory);
                    hit["score"] = json!(1.0);
                    hit
                };
                Ok(json!({ "hits": found.map(scored).collect::<Vec<_>>() }))
            }
            "list_memories" | "export_memories" => {
                // Short pages while the load runs, so that walks have several.
                let limit = arguments["limit"].as_u64().filter(|limit| *limit == 100).unwrap_or(3) as usize;
                let after = match arguments["cursor"].as_str().map(|cursor| cursor.split_once(' ').unwrap()) {
                    Some((tenant, _)) if tenant != caller.tenant && !self.behaviour.leak => return Err("bad_cursor"),
                    Some((_, id)) => id.to_owned(),
                    None => "~".to_owned(),
                };
                let of_tag = |memory: &Memory| arguments["tags"].as_array().is_none_or(|tags| *tags == memory.tags);
                let rest = memories.range(..after).rev().filter(|(_, memory)| visible(memory) && of_tag(memory));
                let found: Vec<_> = rest.take(limit + 1).collect();
                let page: Vec<Value> = found.iter().take(limit).map(|(id, memory)| shown(id, memory)).collect();
                let mut reply = json!({ "memories": page });
                if found.len() > limit {
                    reply["nextCursor"] = format!("{} {}", caller.tenant, found[limit - 1].0).into();
                }
                Ok(reply)
            }
            _ => Err("invalid_argument"),
        }
    }
}

fn store(memories: &mut BTreeMap<String, Memory>, caller: &Caller, memory: &Value) -> String {
    let id = format!("00000000-0000-4000-9000-{:012}", memories.len());
    let memory = Memory {
        owner: caller.clone(),
        shared: memory["visibility"] == "workspace",
        content: memory["content"].as_str().unwrap().to_owned(),
        tags: memory["tags"].as_array().unwrap().clone(),
        version: 1,
    };
    memories.insert(id.clone(), memory);
    id
}
