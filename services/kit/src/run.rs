//! Runs a service from its arguments to its exit code: settings, telemetry, start, serve, drain, stop. The `main` of a service is one call of
//! [`run`].

use crate::certificate::Certificate;
use crate::mcp::Endpoint;
use crate::quota::Quota;
use crate::readiness::Readiness;
use crate::redis_target::RedisTarget;
use crate::revocation::{self, Revoke};
use crate::serve::{ServeLimits, serve};
use crate::settings::{self, ServiceSettings, Settings};
use crate::single_use::SingleUse;
use crate::telemetry::{Telemetry, publish_keys, zero_counters_of_service};
use crate::verdict::Verdicts;
use crate::{Page, Prompts, Resources, ServerFeatures, ToolSet, ops};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use futures::future::BoxFuture;
use mcp_contracts::service::READYZ_PATH;
use mcp_contracts::{Service, metric};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Deadline of each step of the health check.
const HEALTHCHECK_DEADLINE: Duration = Duration::from_secs(2);
/// Deadline for sending buffered spans before the process exits.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);
/// Shortest time for closing the store, if the drain used all of its deadline.
const MIN_CLOSE: Duration = Duration::from_secs(1);
/// How long the process waits for threads that still run. What they do has no reply any more.
const THREADS_DEADLINE: Duration = Duration::from_millis(200);

/// `SIGXFSZ` on x86 and ARM; tokio has no name for it. The kernel sends it to a process whose write exceeds the limit
/// on the size of a file.
const FILE_TOO_LARGE: i32 = 25;

/// Exit code for invalid arguments or settings (sysexits `EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;
/// Exit code if the service cannot start.
pub const EXIT_START: u8 = 1;
/// Exit code if the drain deadline passed while requests were running or the service was closing (sysexits `EX_TEMPFAIL`).
pub const EXIT_INCOMPLETE: u8 = 75;

/// The parts of the kit that a service gets when it starts.
pub struct Start<Own = ()> {
    pub settings: Arc<Settings>,
    /// Settings that only this service has.
    pub own: Own,
    /// A service takes a latch for each of its parts that must be ready before the first request.
    pub readiness: Readiness,
    pub quota: Quota,
    pub verdicts: Verdicts,
    pub single_use: SingleUse,
}

/// A started service: what it offers, and how it stops.
pub struct Application {
    features: ServerFeatures,
    shutdown: Shutdown,
}

type Shutdown = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl Application {
    /// Creates a service that has only tools.
    pub fn new(tools: ToolSet) -> Self {
        Self { features: tools.into(), shutdown: Box::new(|| Box::pin(std::future::ready(()))) }
    }

    #[must_use]
    pub fn with_resources(mut self, resources: Arc<dyn Resources>) -> Self {
        self.features.resources = Some(resources);
        self
    }

    #[must_use]
    pub fn with_prompts(mut self, prompts: Arc<dyn Prompts>) -> Self {
        self.features.prompts = Some(prompts);
        self
    }

    #[must_use]
    pub fn with_page(mut self, page: Page) -> Self {
        self.features.pages.push(page);
        self
    }

    /// Sets the function that stops the service after the last request.
    #[must_use]
    pub fn with_shutdown(mut self, shutdown: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) -> Self {
        self.shutdown = Box::new(shutdown);
        self
    }

    /// Returns the features and the shutdown function, for tests that serve in their own process.
    pub fn into_parts(self) -> (ServerFeatures, Shutdown) {
        (self.features, self.shutdown)
    }
}

impl<Own> Start<Own> {
    pub fn new(settings: Arc<Settings>, own: Own, readiness: Readiness) -> Self {
        let quota = Quota::new(&settings, &readiness);
        let verdicts = Verdicts::new(&settings);
        Self { settings, own, readiness, single_use: SingleUse::new(quota.clone()), quota, verdicts }
    }
}

/// Subcommands of a service besides `serve` and `healthcheck`, such as `backup`.
pub trait ServiceCommand<Own = ()>: Subcommand + Send + Sync + 'static {
    /// # Errors
    /// Returns the text for stderr: what was attempted, why it failed and what to do.
    fn run(self, settings: &Settings, own: &Own) -> Result<(), String>;
}

#[derive(Parser)]
#[command(version, about = "A service of the MCP stack. Settings come from the environment.")]
struct Arguments<C: Subcommand> {
    #[command(subcommand)]
    command: Option<Command<C>>,
}

#[derive(Subcommand)]
enum Command<C: Subcommand> {
    /// Serves until SIGTERM or SIGINT (the default).
    Serve,
    /// Exits with 0 if the service on this machine is ready.
    Healthcheck,
    /// Revokes one token, or all tokens of an organisation, in every service and instance that uses this Redis.
    Revoke(Revoke),
    /// Prints the revocations that are in force.
    Revocations,
    #[command(flatten)]
    Own(C),
}

/// Runs a service and returns its exit code: 0 after a clean stop, 1 if it could not start, 64 for invalid arguments or settings, 75 if the
/// drain deadline passed with work left.
pub fn run<C, Own, F, Started, E>(service: Service, start: F) -> ExitCode
where
    C: ServiceCommand<Own>,
    Own: ServiceSettings,
    F: FnOnce(Start<Own>) -> Started,
    Started: Future<Output = Result<Application, E>>,
    E: std::fmt::Display,
{
    let arguments = Arguments::<C>::command().name(service.binary()).try_get_matches();
    let arguments = match arguments.and_then(|matches| Arguments::<C>::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap returns `--help` and `--version` as errors too; only real errors go to stderr.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let (settings, own) = match settings::from_env::<Own>(service) {
        Ok(settings) => settings,
        Err(error) => {
            let hint = "hint: docs/mcp/OPERATIONS.md describes every variable";
            return fail(service, EXIT_USAGE, &format!("{error}\n{hint}"));
        }
    };
    let done = match arguments.command {
        Some(Command::Healthcheck) => healthcheck(settings.listen),
        Some(Command::Revoke(revoke)) => revoke.run(&settings),
        Some(Command::Revocations) => revocation::print_list(&settings),
        Some(Command::Own(command)) => command.run(&settings, &own),
        Some(Command::Serve) | None => {
            // Only `serve` has threads: the other commands block, and a health check runs every few seconds.
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            if let Some(threads) = settings.worker_threads {
                runtime.worker_threads(threads);
            }
            return match runtime.enable_all().build() {
                Ok(runtime) => {
                    let code = runtime.block_on(serve_until_signal(settings, own, start));
                    // Dropping the runtime would wait for each thread that blocks, without a deadline.
                    runtime.shutdown_timeout(THREADS_DEADLINE);
                    code
                }
                Err(error) => fail(service, EXIT_START, &format!("cannot start the runtime: {error}")),
            };
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(service, EXIT_START, &why),
    }
}

/// Logs each panic, and only its place, because its text may quote a request.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

async fn serve_until_signal<Own, F, Started, E>(settings: Settings, own: Own, start: F) -> ExitCode
where
    F: FnOnce(Start<Own>) -> Started,
    Started: Future<Output = Result<Application, E>>,
    E: std::fmt::Display,
{
    let service = settings.service;
    // The handlers come first: a SIGTERM while the service starts is kept until it serves, and then leads to a complete
    // shutdown.
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            return fail(service, EXIT_START, &format!("cannot handle signals: {error}"));
        }
    };
    // Without a handler this signal ends the process. With one, the write fails with EFBIG and is handled like a full disk.
    let _file_too_large = match signal(SignalKind::from_raw(FILE_TOO_LARGE)) {
        Ok(caught) => caught,
        Err(error) => return fail(service, EXIT_START, &format!("cannot handle signals: {error}")),
    };
    let (telemetry, guard) = Telemetry::start(&settings);
    log_panics();
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    // The port is taken before the database is opened, so that a second process with the same settings fails before it
    // migrates anything.
    let listener = match TcpListener::bind(settings.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            let hint = "hint: another program may be using the port; set `LISTEN_ADDR` to a free one";
            return fail(service, EXIT_START, &format!("cannot listen on `{}`: {error}\n{hint}", settings.listen));
        }
    };
    let settings = Arc::new(settings);
    let readiness = Readiness::default();
    let starting = readiness.latch("start");
    let context = Start::new(Arc::clone(&settings), own, readiness.clone());
    let quota = context.quota.clone();
    let (features, shutdown) = match start(context).await {
        Ok(application) => application.into_parts(),
        Err(error) => return fail(service, EXIT_START, &error.to_string()),
    };
    let (endpoint, app) = endpoint_and_router(&settings, features, quota.clone(), telemetry, readiness.clone());
    let address = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(address = %address, version = env!("CARGO_PKG_VERSION"), "serving");
    drop(starting);
    let limits = ServeLimits {
        header_read: settings.header_read_deadline,
        keep_alive: settings.keep_alive,
        write: settings.write_deadline,
        connections_per_address: settings.max_connections_per_address,
        drain: settings.drain_deadline,
    };
    let (notice, drain_began) = (settings.drain_notice, OnceLock::new());
    let until = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Not ready but still serving: a load balancer needs time to notice before calls are refused. A second signal skips that time.
        let leaving = readiness.latch("draining");
        tracing::info!(notice_ms = notice.as_millis() as u64, "leaving");
        tokio::select! {
            () = tokio::time::sleep(notice) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        let _ = drain_began.set(Instant::now());
        // Before the latch is dropped, so that the service does not become ready again in between.
        readiness.drain();
        drop(leaving);
    };
    let drained = serve(app, listener, limits, until).await || endpoint.is_idle();
    let used = drain_began.get().map_or(Duration::ZERO, Instant::elapsed);
    let closed = close(quota, shutdown, limits.drain.saturating_sub(used).max(MIN_CLOSE)).await;
    tracing::info!(complete = drained && closed, "stopped");
    // Last, so that the spans of the drained calls are sent as well.
    guard.flush(FLUSH_DEADLINE).await;
    if drained && closed { ExitCode::SUCCESS } else { ExitCode::from(EXIT_INCOMPLETE) }
}

/// Closes what the service uses; returns false if that does not end within the deadline.
async fn close(quota: Quota, shutdown: Shutdown, deadline: Duration) -> bool {
    let closing = async {
        quota.stop().await;
        shutdown().await;
    };
    let closed = tokio::time::timeout(deadline, closing).await.is_ok();
    if !closed {
        tracing::warn!("the drain deadline passed while the service was closing");
    }
    closed
}

/// Builds the router that [`run`] serves, and that tests serve in their own process.
pub fn assemble(
    settings: &Settings,
    features: impl Into<ServerFeatures>,
    quota: Quota,
    telemetry: Telemetry,
    readiness: Readiness,
) -> axum::Router {
    endpoint_and_router(settings, features.into(), quota, telemetry, readiness).1
}

fn endpoint_and_router(
    settings: &Settings,
    features: ServerFeatures,
    quota: Quota,
    telemetry: Telemetry,
    readiness: Readiness,
) -> (Arc<Endpoint>, axum::Router) {
    zero_counters_of_service(settings.service, &features.tools);
    publish_keys(settings);
    let started = jiff::Timestamp::now().as_millisecond() as f64 / 1_000.0;
    metrics::gauge!(metric::PROCESS_START_TIMESTAMP_SECONDS, "service" => settings.service.name()).set(started);
    Certificate::RedisIssuer.publish(settings.redis.as_ref().and_then(RedisTarget::issuer_expiry));
    let endpoint = Arc::new(Endpoint::new(settings, features, quota, telemetry.clone(), readiness.clone()));
    let router = ops::router(settings, Arc::clone(&endpoint), telemetry, readiness);
    (endpoint, router)
}

/// Fails unless `/readyz` of the service on this machine returns 200. Sends the request by hand, because starting a runtime would cost more
/// than the check. It is HTTP/1.0, so that the service closes the connection after the reply.
fn healthcheck(listen: SocketAddr) -> Result<(), String> {
    let mut address = listen;
    // A service that listens on all addresses is reached through loopback.
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let text = |error: std::io::Error| format!("`{address}` does not answer: {error}");
    let mut stream = TcpStream::connect_timeout(&address, HEALTHCHECK_DEADLINE).map_err(text)?;
    stream.set_read_timeout(Some(HEALTHCHECK_DEADLINE)).map_err(text)?;
    stream.write_all(format!("GET {READYZ_PATH} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes()).map_err(text)?;
    let mut reply = String::new();
    // Bounded, because another program may listen on the port.
    stream.take(4_096).read_to_string(&mut reply).map_err(text)?;
    if reply.split_whitespace().nth(1) == Some("200") {
        return Ok(());
    }
    Err(format!("`{address}` is not ready: {}", reply.lines().last().unwrap_or("no reply")))
}

fn fail(service: Service, code: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}: {why}", service.binary());
    ExitCode::from(code)
}
