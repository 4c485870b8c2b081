//! `harness bench`: measures the time until a stack is ready, and the cost of a call. The cost is a ratio to a bare
//! HTTP reply of the same service in the same run. Prints figures and asserts nothing, because machines differ.

use crate::arguments::BenchArguments;
use crate::context::{Context, random_secret};
use crate::exit::{Exit, Failure};
use harness_core::drive::client::{Client, ClientOptions, Endpoint};
use harness_core::drive::token::{Grant, Minter};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::run::RunError;
use harness_core::stack::{Stack, StackRequest};
use harness_history::Outcome;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Calls of each kind in a round.
const CALLS: usize = 3_000;

/// One kind of call in one round.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    p50: Duration,
}

pub(crate) fn run(arguments: &BenchArguments, context: &Context) -> Result<Exit, Failure> {
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds.max(1) {
        if !context.output.quiet && !context.output.json {
            use std::io::Write;
            let _ = writeln!(anstream::stderr(), "round {} of {}", round + 1, arguments.rounds.max(1));
        }
        rounds.push(context.runtime.block_on(measure(context))?);
    }
    let median = |value: &dyn Fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let figures = [
        ("stack ready after `up`, ms", median(&|round| round.ready.as_secs_f64() * 1e3)),
        ("bare reply, service CPU us", median(&|round| micros(round.bare.cpu))),
        ("get_memory, service CPU us", median(&|round| micros(round.get.cpu))),
        (
            "get_memory / bare reply, CPU ratio",
            median(&|round| micros(round.get.cpu) / micros(round.bare.cpu).max(1.0)),
        ),
        ("refused call, service CPU us", median(&|round| micros(round.refused.cpu))),
        (
            "refused call / bare reply, CPU ratio",
            median(&|round| micros(round.refused.cpu) / micros(round.bare.cpu).max(1.0)),
        ),
        ("bare reply at one connection, p50 us", median(&|round| micros(round.bare.p50))),
        ("get_memory at one connection, p50 us", median(&|round| micros(round.get.p50))),
        (
            "get_memory / bare reply, p50 ratio",
            median(&|round| micros(round.get.p50) / micros(round.bare.p50).max(1.0)),
        ),
    ];
    if context.output.json {
        context.print_json(
            &figures.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
        );
    } else {
        figures.iter().for_each(|(name, value)| context.print(&format!("{name:<40} {value:>10.2}")));
    }
    Ok(Exit::Pass)
}

struct Round {
    ready: Duration,
    bare: Cost,
    get: Cost,
    refused: Cost,
}

async fn measure(context: &Context) -> Result<Round, Failure> {
    let folder = std::env::temp_dir().join(format!("harness-bench-{}", uuid::Uuid::new_v4().simple()));
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(folder.join(sub))?;
    }
    let secret = random_secret();
    let request = StackRequest {
        backend: Backend::Process,
        // Without the limits of a plan, which would refuse a part of the calls.
        topology: Topology::memory().under_load(),
        dir: folder.clone(),
        secret: secret.clone(),
        executable: context.executable.clone(),
        detached: false,
        given: Vec::new(),
        image_tag: harness_core::stack::IMAGE_TAG.to_owned(),
        seed: 0,
    };
    let start = Instant::now();
    let stack = Stack::start(&request, &context.view, &context.cancel)
        .await
        .map_err(|error| Failure::from(RunError::from(error)))?;
    let ready = start.elapsed();
    let measured = costs(&stack, &secret, ready).await;
    let stopped = stack.stop().await;
    let _ = std::fs::remove_dir_all(folder);
    stopped.map_err(Failure::internal)?;
    measured
}

async fn costs(stack: &Stack, secret: &str, ready: Duration) -> Result<Round, Failure> {
    let part = stack.part("memory").ok_or_else(|| Failure::internal("no memory"))?;
    let pid = part.pid.ok_or_else(|| Failure::internal("memory is not a process of this machine"))?;
    let endpoint: Arc<Endpoint> = Arc::new(format!("{}/mcp", part.url).parse().map_err(Failure::internal)?);
    let mut client = Client::new(Arc::clone(&endpoint), ClientOptions::default());
    client.set_token(&Minter::new(secret).mint(&Grant::memory("bench", "bench")).map_err(Failure::internal)?);
    let stored = client.call("store_memory", &json!({ "content": "a memory that is read again and again" })).await;
    let reply: Value = stored.structured.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let id = json!({ "id": reply["id"] });
    let nothing = json!({ "content": "" });
    let bare = bare(endpoint.authority(), pid).await?;
    let get = calls(&mut client, pid, "get_memory", &id, true).await?;
    let refused = calls(&mut client, pid, "store_memory", &nothing, false).await?;
    Ok(Round { ready, bare, get, refused })
}

async fn calls(client: &mut Client, pid: u32, tool: &str, arguments: &Value, ok: bool) -> Result<Cost, Failure> {
    let before = cpu(pid)?;
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let call = client.call(tool, arguments).await;
        if (call.outcome == Outcome::Ok) != ok {
            return Err(Failure::internal(format!("{tool} answered {:?}", call.outcome)));
        }
        times.push(Duration::from_micros(call.complete_us.saturating_sub(call.invoke_us)));
    }
    Ok(cost(cpu(pid)? - before, times))
}

/// Measures the cheapest reply of the same server, `/healthz`.
async fn bare(authority: &str, pid: u32) -> Result<Cost, Failure> {
    let mut stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    let before = cpu(pid)?;
    let mut times = Vec::with_capacity(CALLS);
    let mut reply = [0; 1_024];
    for _ in 0..CALLS {
        let start = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        if stream.read(&mut reply).await? == 0 {
            return Err(Failure::internal("the service closed the connection"));
        }
        times.push(start.elapsed());
    }
    Ok(cost(cpu(pid)? - before, times))
}

fn cost(cpu: Duration, mut times: Vec<Duration>) -> Cost {
    times.sort_unstable();
    Cost { cpu: cpu / CALLS as u32, p50: times[CALLS / 2] }
}

fn cpu(pid: u32) -> Result<Duration, Failure> {
    harness_core::observe::cpu_time(pid).ok_or_else(|| Failure::internal("the service has ended"))
}
