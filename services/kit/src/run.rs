//! The life of a service: arguments, settings, telemetry, start, serve, drain, end. A service's `main` is one call of [`run`].

use crate::mcp::Endpoint;
use crate::quota::Quota;
use crate::readiness::Readiness;
use crate::serve::{ServeLimits, serve};
use crate::settings::{Settings, SettingsError};
use crate::single_use::SingleUse;
use crate::telemetry::Telemetry;
use crate::verdict::Verdicts;
use crate::{Offer, Page, Prompts, Resources, ToolSet, ops};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use futures::future::BoxFuture;
use mcp_contracts::Service;
use mcp_contracts::service::READYZ_PATH;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long the health check waits for its own service.
const HEALTHCHECK_DEADLINE: Duration = Duration::from_secs(2);
/// How long buffered spans may take at the end.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);

/// The signal that comes with a write past the limit on the size of files (`SIGXFSZ` of Linux).
const FILE_TOO_LARGE: i32 = 25;

/// Exit code of a service whose arguments or settings cannot be used (sysexits `EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;
/// Exit code of a service that could not start.
pub const EXIT_START: u8 = 1;

/// What a service gets to start with.
pub struct Start {
    /// Everything it was told.
    pub settings: Arc<Settings>,
    /// Take a latch for each thing that must be there before the first request.
    pub readiness: Readiness,
    /// What callers may still do today.
    pub quota: Quota,
    /// Signs and checks verdicts.
    pub verdicts: Verdicts,
    /// Remembers what may be used once.
    pub single_use: SingleUse,
}

/// What a service is, once it has started.
pub struct Application {
    offer: Offer,
    shutdown: Shutdown,
}

type Shutdown = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl Application {
    /// A service with these tools and nothing else.
    pub fn new(tools: ToolSet) -> Self {
        Self { offer: tools.into(), shutdown: Box::new(|| Box::pin(std::future::ready(()))) }
    }

    /// Adds resources.
    #[must_use]
    pub fn with_resources(mut self, resources: Arc<dyn Resources>) -> Self {
        self.offer.resources = Some(resources);
        self
    }

    /// Adds prompts.
    #[must_use]
    pub fn with_prompts(mut self, prompts: Arc<dyn Prompts>) -> Self {
        self.offer.prompts = Some(prompts);
        self
    }

    /// Adds a page beside MCP.
    #[must_use]
    pub fn with_page(mut self, page: Page) -> Self {
        self.offer.pages.push(page);
        self
    }

    /// Sets what ends it, after the last request.
    #[must_use]
    pub fn with_shutdown(mut self, shutdown: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) -> Self {
        self.shutdown = Box::new(shutdown);
        self
    }

    /// What it offers, and what ends it; for those who serve it in their own process.
    pub fn into_parts(self) -> (Offer, Shutdown) {
        (self.offer, self.shutdown)
    }
}

impl Start {
    /// What a service gets to start with, from its settings.
    pub fn new(settings: Arc<Settings>, readiness: Readiness) -> Self {
        let quota = Quota::new(&settings, &readiness);
        let verdicts = Verdicts::new(&settings);
        Self { settings, readiness, single_use: SingleUse::new(quota.clone()), quota, verdicts }
    }
}

/// Subcommands that a service has besides `serve` and `healthcheck`, such as `backup`.
pub trait OwnCommand: Subcommand + Send + Sync + 'static {
    /// Runs it; the text of an error goes to stderr.
    ///
    /// # Errors
    /// Says what was attempted, why it failed and what to do.
    fn run(self, settings: &Settings) -> Result<(), String>;
}

/// A service without subcommands of its own.
#[derive(Debug, Subcommand)]
pub enum NoCommand {}

impl OwnCommand for NoCommand {
    fn run(self, _settings: &Settings) -> Result<(), String> {
        match self {}
    }
}

#[derive(Parser)]
#[command(version, about = "A service of the MCP stack. Settings come from the environment.")]
struct Arguments<C: OwnCommand> {
    #[command(subcommand)]
    command: Option<Command<C>>,
}

#[derive(Subcommand)]
enum Command<C: OwnCommand> {
    /// Serves until SIGTERM or SIGINT (the default).
    Serve,
    /// Asks the service on this machine whether it is ready; exit code 0 if it is.
    Healthcheck,
    #[command(flatten)]
    Own(C),
}

/// Runs a service from its arguments to its exit code: 0 after a clean end, 1 where it could not start, 64 for bad
/// arguments or settings.
pub fn run<C, F, Started, E>(service: Service, start: F) -> ExitCode
where
    C: OwnCommand,
    F: FnOnce(Start) -> Started,
    Started: Future<Output = Result<Application, E>>,
    E: std::fmt::Display,
{
    let arguments = Arguments::<C>::command().name(service.binary()).try_get_matches();
    let arguments = match arguments.and_then(|matches| Arguments::<C>::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let settings = match Settings::from_env(service) {
        Ok(settings) => settings,
        Err(error) => return fail(service, EXIT_USAGE, &settings_text(&error)),
    };
    match arguments.command {
        Some(Command::Healthcheck) => match healthcheck(settings.listen) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => fail(service, EXIT_START, &why),
        },
        Some(Command::Own(command)) => match command.run(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => fail(service, EXIT_START, &why),
        },
        Some(Command::Serve) | None => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            if let Some(threads) = settings.worker_threads {
                runtime.worker_threads(threads);
            }
            match runtime.enable_all().build() {
                Ok(runtime) => runtime.block_on(serve_until_signal(settings, start)),
                Err(error) => fail(service, EXIT_START, &format!("the runtime cannot start: {error}")),
            }
        }
    }
}

async fn serve_until_signal<F, Started, E>(settings: Settings, start: F) -> ExitCode
where
    F: FnOnce(Start) -> Started,
    Started: Future<Output = Result<Application, E>>,
    E: std::fmt::Display,
{
    let service = settings.service;
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            return fail(service, EXIT_START, &format!("signals cannot be caught: {error}"));
        }
    };
    // Past the limit on the size of files a write fails, as on a full disk; left to itself the signal would end the service instead.
    let _file_too_large = match signal(SignalKind::from_raw(FILE_TOO_LARGE)) {
        Ok(caught) => caught,
        Err(error) => return fail(service, EXIT_START, &format!("signals cannot be caught: {error}")),
    };
    let (telemetry, guard) = Telemetry::start(&settings);
    // The text of a panic may quote what a caller sent, so only its place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
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
    let given = Start::new(Arc::clone(&settings), readiness.clone());
    let quota = given.quota.clone();
    let (offer, shutdown) = match start(given).await {
        Ok(application) => application.into_parts(),
        Err(error) => return fail(service, EXIT_START, &error.to_string()),
    };
    let app = assemble(&settings, offer, quota.clone(), telemetry, readiness.clone());
    let address = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(address = %address, version = env!("CARGO_PKG_VERSION"), "serving");
    drop(starting);
    let limits = ServeLimits { header_read: settings.header_read_deadline, drain: settings.drain_deadline };
    let notice = settings.drain_notice;
    let until = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Not ready, but still answering: whoever balances the load learns of it before a call is refused. A second signal is impatience.
        let leaving = readiness.latch("draining");
        tracing::info!(notice_ms = notice.as_millis() as u64, "leaving");
        tokio::select! {
            () = tokio::time::sleep(notice) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        readiness.drain();
        drop(leaving);
    };
    serve(app, listener, limits, until).await;
    quota.stop().await;
    shutdown().await;
    tracing::info!("stopped");
    guard.flush(FLUSH_DEADLINE).await;
    ExitCode::SUCCESS
}

/// Puts the paths of a service together; what [`run`] serves, and what tests serve in their own process.
pub fn assemble(
    settings: &Settings,
    offer: impl Into<Offer>,
    quota: Quota,
    telemetry: Telemetry,
    readiness: Readiness,
) -> axum::Router {
    let endpoint = Arc::new(Endpoint::new(settings, offer.into(), quota, telemetry.clone(), readiness.clone()));
    ops::router(settings, endpoint, telemetry, readiness)
}

/// Speaks HTTP/1.0 by hand: a health check that starts a runtime costs more than what it checks.
fn healthcheck(listen: SocketAddr) -> Result<(), String> {
    let mut address = listen;
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
    stream.take(4_096).read_to_string(&mut reply).map_err(text)?;
    if reply.split_whitespace().nth(1) == Some("200") {
        return Ok(());
    }
    Err(format!("`{address}` is not ready: {}", reply.lines().last().unwrap_or("no reply")))
}

fn settings_text(error: &SettingsError) -> String {
    format!("{error}\nhint: every variable is described in docs/mcp/OPERATIONS.md")
}

fn fail(service: Service, code: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}: {why}", service.binary());
    ExitCode::from(code)
}
