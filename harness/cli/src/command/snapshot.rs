//! `harness snapshot`: writes the tool surface of a server, or compares a server with what was written.

use super::target;
use crate::arguments::SnapshotArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::drive::client::{Client, ClientOptions};
use harness_core::drive::surface::{Surface, SurfaceChange};
use harness_core::drive::target::TargetAccess;
use harness_core::drive::token::{Grant, Minter};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::run::RunError;
use harness_core::stack::{IMAGE_TAG, Stack, StackRequest};
use harness_history::counted;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum number of changes of one server that are printed.
const MOST_SHOWN: usize = 50;

pub(crate) fn run(arguments: &SnapshotArguments, context: &Context) -> Result<Exit, Failure> {
    let (backend, secret) = match target::server(&arguments.server)? {
        Some(target) => (Backend::Target(Box::new(target)), String::new()),
        None => context.backend(&arguments.place)?,
    };
    let surfaces = surfaces(backend, &secret, context)?;
    match (&arguments.check, &arguments.out) {
        (Some(path), _) => check(path, &surfaces, context),
        (None, Some(path)) => write(path, &surfaces, context),
        (None, None) => {
            surfaces.values().for_each(|surface| context.print(surface.text().trim_end()));
            Ok(Exit::Pass)
        }
    }
}

/// Returns the surface of each server: of the target, of the services of a running stack, or of a stack that is started for it.
pub(crate) fn surfaces(
    backend: Backend,
    secret: &str,
    context: &Context,
) -> Result<BTreeMap<String, Surface>, Failure> {
    let topology = match &backend {
        Backend::Target(_) => Topology::target(),
        Backend::External { urls, .. } => Topology::full().with_only(|service| urls.contains_key(service.name())),
        // No surface depends on Redis.
        Backend::Process | Backend::Docker => Topology::full().without_redis(),
    };
    let dir = std::env::temp_dir().join(format!("harness-snapshot-{}", uuid::Uuid::new_v4().simple()));
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(dir.join(sub))?;
    }
    let request = StackRequest {
        backend,
        topology,
        dir: dir.clone(),
        secret: secret.to_owned(),
        executable: context.executable.clone(),
        detached: false,
        fixtures: Vec::new(),
        image_tag: IMAGE_TAG.to_owned(),
        seed: 0,
    };
    let read = context.runtime.block_on(async {
        let stack = Stack::start(&request, &context.view, &context.cancel)
            .await
            .map_err(|error| Failure::from(RunError::from(error)))?;
        let read = Box::pin(read(&stack, secret)).await;
        // The stack is stopped after an error too, so that no part of it outlives the command.
        let stopped = stack.stop().await;
        let surfaces = read?;
        stopped.map(|()| surfaces).map_err(Failure::internal)
    });
    let _ = std::fs::remove_dir_all(dir);
    read
}

async fn read(stack: &Stack, secret: &str) -> Result<BTreeMap<String, Surface>, Failure> {
    if let Some(access) = TargetAccess::of(stack) {
        // The first contact says why a URL is no MCP server, which a list that was refused does not.
        access.tools(ClientOptions::default()).await.map_err(target::failed)?;
    }
    let urls = stack.endpoints();
    let mut surfaces = BTreeMap::new();
    for (name, mut client) in clients(stack, secret)? {
        let surface = Surface::read(&mut client).await;
        let _ = client.end().await;
        let place = urls.get(&name).map(|url| format!(" at `{url}`")).unwrap_or_default();
        let hint = "check that the URL is that of this service, and that `JWT_SECRET` is its key";
        let stack_failure = |error| Failure::new(Exit::Stack, format!("`{name}`{place}: {error}\nhint: {hint}"));
        surfaces.insert(name.clone(), surface.map_err(stack_failure)?);
    }
    Ok(surfaces)
}

/// Returns a client for each server.
fn clients(stack: &Stack, secret: &str) -> Result<Vec<(String, Client)>, Failure> {
    if let Some(access) = TargetAccess::of(stack) {
        let endpoint = Arc::new(access.endpoint().map_err(Failure::usage)?);
        let mut client = Client::negotiating(endpoint, ClientOptions::default());
        if let Some(bearer) = access.bearers().map_err(Failure::usage)?.into_iter().flatten().next() {
            client.set_bearer(bearer);
        }
        return Ok(vec![("target".to_owned(), client)]);
    }
    let token = Minter::new(secret).mint(&Grant::everything("snapshot", "ann")).map_err(Failure::internal)?;
    let client = |(name, url): (String, String)| {
        let mut client = Client::new(Arc::new(url.parse().map_err(Failure::internal)?), ClientOptions::default());
        client.set_token(&token);
        Ok((name, client))
    };
    stack.endpoints().into_iter().map(client).collect()
}

fn write(path: &Path, surfaces: &BTreeMap<String, Surface>, context: &Context) -> Result<Exit, Failure> {
    let in_folder = surfaces.len() > 1 || path.is_dir();
    if in_folder {
        std::fs::create_dir_all(path)?;
    }
    for (name, surface) in surfaces {
        let file = if in_folder { file_of(path, name) } else { path.to_owned() };
        std::fs::write(&file, surface.text())?;
        context.print_note(&format!(
            "{}: {}, {}",
            file.display(),
            counted(surface.len(), "tool", "tools"),
            surface.sha256()
        ));
    }
    Ok(Exit::Pass)
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn check(path: &Path, surfaces: &BTreeMap<String, Surface>, context: &Context) -> Result<Exit, Failure> {
    if surfaces.len() > 1 && !path.is_dir() {
        return Err(Failure::usage(format!(
            "`{}` is not a folder with one file for each of the {} services\nhint: `harness snapshot --out FOLDER` writes them",
            path.display(),
            surfaces.len()
        )));
    }
    let mut is_unchanged = true;
    for (name, surface) in surfaces {
        let file = if path.is_dir() { file_of(path, name) } else { path.to_owned() };
        let changes = changes(&file, surface)?;
        is_unchanged &= changes.is_empty();
        show(name, &file, surface, &changes, context);
    }
    Ok(if is_unchanged { Exit::Pass } else { Exit::Fail })
}

/// Returns what a server has changed since its file was written.
pub(crate) fn changes(file: &Path, surface: &Surface) -> Result<Vec<SurfaceChange>, Failure> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!(
            "the snapshot `{shown}` cannot be read: {error}\nhint: `harness snapshot --out {shown}` writes it"
        ))
    })?;
    Ok(Surface::parse(&shown, &text).map_err(Failure::usage)?.changes(surface))
}

fn show(name: &str, file: &Path, surface: &Surface, changes: &[SurfaceChange], context: &Context) {
    if context.output.json {
        let file = file.display().to_string();
        return context.print_json(&json!({
            "event": "snapshot", "server": name, "file": file, "sha256": surface.sha256(), "changes": changes,
        }));
    }
    if !context.output.quiet {
        changes.iter().take(MOST_SHOWN).for_each(|change| context.print(&format!("{name}: {change}")));
        if changes.len() > MOST_SHOWN {
            context.print(&format!(
                "{name}: {}",
                counted(changes.len() - MOST_SHOWN, "further change", "further changes")
            ));
        }
    }
    let state = match changes.len() {
        0 => "unchanged".to_owned(),
        count => format!("{} that the snapshot does not have", counted(count, "change", "changes")),
    };
    context.print(&format!("{name}: {}, {state}", counted(surface.len(), "tool", "tools")));
}
