//! The context of every command: its view, its interrupt, its runtime, and the path of the program.

use crate::arguments::{BackendArguments, BackendChoice, Colour, Output, base_url};
use crate::exit::Failure;
use crate::settings;
use crate::stdout;
use crate::view;
use harness_core::plan::Backend;
use harness_core::plan::topology::client_variable;
use harness_core::stack::view::View;
use mcp_contracts::Service;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

pub(crate) struct Context {
    pub(crate) view: Arc<dyn View>,
    pub(crate) output: Output,
    /// Cancelled by SIGINT (Ctrl-C), SIGTERM and SIGHUP.
    pub(crate) cancel: CancellationToken,
    pub(crate) runtime: Runtime,
    /// Path of this program, for child processes.
    pub(crate) executable: PathBuf,
}

impl Context {
    pub(crate) fn new(output: &Output) -> Result<Self, Failure> {
        match output.color {
            Colour::Auto => anstream::ColorChoice::Auto,
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        let filter = tracing_subscriber::EnvFilter::new("warn");
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).try_init();
        let cancel = CancellationToken::new();
        handle_interrupts(&cancel)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let terminal = std::io::stderr().is_terminal();
        Ok(Self {
            view: view::choose(output, terminal),
            output: output.clone(),
            cancel,
            runtime,
            executable: std::env::current_exe()?,
        })
    }

    /// Writes a line of data to stdout.
    pub(crate) fn print(&self, line: &str) {
        stdout::write(&format!("{line}\n"));
    }

    /// Writes a line for people to stderr, unless `--quiet` or `--json` is set.
    pub(crate) fn print_note(&self, line: &str) {
        if !self.output.quiet && !self.output.json {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    pub(crate) fn print_json(&self, value: &impl serde::Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            self.print(&text);
        }
    }

    /// Returns the backend that the arguments name, and the key that signs tokens for it. A stack that the harness starts gets a random key.
    pub(crate) fn backend(&self, place: &BackendArguments) -> Result<(Backend, String), Failure> {
        let external = |urls| Ok::<_, Failure>(Backend::External { urls, hosts: settings::load(None)?.reach().hosts });
        let backend = match (place.backend, place.url.is_empty()) {
            (BackendChoice::Auto | BackendChoice::External, false) => external(place.url.iter().cloned().collect())?,
            (BackendChoice::External, true) => external(urls_from_env()?)?,
            (BackendChoice::Auto | BackendChoice::Process, true) => Backend::Process,
            (BackendChoice::Docker, true) => Backend::Docker,
            (BackendChoice::Process | BackendChoice::Docker, false) => {
                return Err(Failure::usage("`--url` names a running stack; remove `--backend`"));
            }
        };
        let secret = match &backend {
            Backend::Process | Backend::Docker => random_secret(),
            Backend::External { .. } => external_secret()?,
            // No token is minted for a target.
            Backend::Target(_) => String::new(),
        };
        Ok((backend, secret))
    }
}

/// Returns a random key for one stack.
pub(crate) fn random_secret() -> String {
    let halves = [(); 4].map(|()| uuid::Uuid::new_v4().simple().to_string());
    halves.concat()
}

/// Returns the URLs of services from environment variables.
fn urls_from_env() -> Result<BTreeMap<String, String>, Failure> {
    let url = |service: Service| {
        let url = std::env::var_os(client_variable(service))?.into_string().ok()?;
        // The value may list several instances. The first one is used.
        let first = url.split(',').map(str::trim).find(|url| !url.is_empty());
        first.map(|url| (service.name().to_owned(), base_url(service, url).to_owned()))
    };
    let urls: BTreeMap<String, String> = Service::ALL.into_iter().filter_map(url).collect();
    if urls.is_empty() {
        let names = Service::ALL.map(client_variable).join(", ");
        return Err(Failure::usage(format!(
            "`--backend external` needs the URL of a stack: add `--url memory=http://127.0.0.1:7420`, or set any of {names}"
        )));
    }
    Ok(urls)
}

fn external_secret() -> Result<String, Failure> {
    let secret = std::env::var_os("JWT_SECRET").and_then(|secret| secret.into_string().ok());
    secret.ok_or_else(|| Failure::usage("cannot sign tokens for that stack: set JWT_SECRET to its key"))
}

/// Installs the handler of SIGINT (Ctrl-C), SIGTERM and SIGHUP. The first one cancels the command, which then stops its stack. The second one
/// ends the process at once; the reaper then stops the stack.
fn handle_interrupts(cancel: &CancellationToken) -> Result<(), Failure> {
    let cancel = cancel.clone();
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            leave();
        }
        cancel.cancel();
    })
    .map_err(Failure::internal)
}

#[expect(clippy::exit, reason = "a second Ctrl-C ends at once; the reaper stops what was started")]
fn leave() {
    std::process::exit(130)
}
