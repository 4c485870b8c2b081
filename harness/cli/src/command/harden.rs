//! `harness harden`: makes the hardening checks against a stack, or lists them.

use super::load::with_lies_and_delays;
use super::play::{self, Folder, command_line};
use super::target;
use crate::arguments::HardenArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::names::unknown;
use crate::settings;
use harness_core::drive::{Plan, PlanRequest, RunPurpose};
use harness_core::plan::Backend;
use harness_core::plan::hardening::{Hardening, OmittedCheck, Severity};
use harness_core::plan::topology::Topology;
use harness_harden::{ALL, HardeningCheck};
use harness_history::counted;
use mcp_contracts::env;
use owo_colors::OwoColorize;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Maximum duration of all checks together.
const DEADLINE: Duration = Duration::from_secs(240);

pub(crate) fn run(arguments: &HardenArguments, context: &Context) -> Result<Exit, Failure> {
    if arguments.list {
        let chosen = chosen(arguments)?;
        let least = arguments.min_severity.map_or(Severity::Low, Severity::from);
        chosen.into_iter().filter(|check| Severity::of(check.score) >= least).for_each(|check| list(check, context));
        return Ok(Exit::Pass);
    }
    let (plan, secret) = resolve(arguments, context)?;
    let folder = Folder::open(&arguments.record.runs, &settings::load(None)?)?;
    let about = "requests that a stack must refuse";
    let played = play::one("hardening", "harden", about, plan, secret, folder.path(), context);
    play::conclude(vec![played], false, &folder, context)
}

/// Resolves arguments into a plan, and reports all problems together. Starts nothing.
pub(crate) fn resolve(arguments: &HardenArguments, context: &Context) -> Result<(Plan, String), Failure> {
    let selected = !arguments.only.is_empty() || arguments.repeat.is_some();
    let name = if selected { "selection" } else { "catalogue" };
    resolve_from(name, &chosen(arguments)?, arguments, command_line(), context)
}

/// Resolves a plan of these checks.
pub(crate) fn resolve_from(
    name: &str,
    chosen: &[&'static HardeningCheck],
    arguments: &HardenArguments,
    command: String,
    context: &Context,
) -> Result<(Plan, String), Failure> {
    let (backend, secret) = match target::server(&arguments.server)? {
        Some(target) => (Backend::Target(Box::new(target)), String::new()),
        None => context.backend(&arguments.place)?,
    };
    if let Some(folder) = arguments.repository.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::usage(format!(
            "`{}` is not a folder\nhint: `--repository` is the folder of the sources",
            folder.display()
        )));
    }
    target::require_ownership(&backend, &arguments.ownership.i_own_this_host)?;
    let topology = with_lies_and_delays(topology(&backend), &arguments.lies.lie, &[]);
    let hardening = hardening_of(name, chosen, arguments, &topology, &backend);
    if hardening.checks.is_empty() {
        return Err(Failure::usage(format!("no check is left to run:{}", reasons(&hardening.omitted))));
    }
    let request = PlanRequest {
        command,
        seed: arguments.record.seed,
        backend,
        topology,
        subject: RunPurpose::Hardening(hardening),
    };
    Ok((Plan::resolve(request)?, secret))
}

/// Returns all four services, or those of a running stack that the user names.
fn topology(backend: &Backend) -> Topology {
    match backend {
        Backend::External { urls, .. } => Topology::full().with_only(|service| urls.contains_key(service.name())),
        Backend::Target(_) => Topology::target(),
        // On a busy machine Redis may answer after its default deadline, and the fallback would admit calls beyond a limit.
        Backend::Process | Backend::Docker => Topology::full().with_setting_everywhere(env::REDIS_DEADLINE_MS, 5_000),
    }
}

fn hardening_of(
    name: &str,
    chosen: &[&'static HardeningCheck],
    arguments: &HardenArguments,
    topology: &Topology,
    backend: &Backend,
) -> Hardening {
    let least = arguments.min_severity.map_or(Severity::Low, Severity::from);
    let (mut checks, mut omitted) = (Vec::new(), Vec::new());
    for check in chosen {
        let skipped = arguments.skip.iter().find(|(id, _)| id == check.id).map(|(_, reason)| reason.clone());
        let severity = Severity::of(check.score);
        let minor = (severity < least).then(|| format!("its severity is {}; lower `--min-severity`", severity.name()));
        let (why, by_user) = match skipped.or(minor) {
            Some(why) => (Some(why), true),
            None => (check.missing(topology, backend, arguments.repository.as_deref()), false),
        };
        match why {
            Some(why) => omitted.push(OmittedCheck {
                id: check.id.to_owned(),
                title: check.title.to_owned(),
                skipped: by_user,
                why,
            }),
            None => checks.push(harness_harden::texts(check, backend, arguments.repository.as_deref())),
        }
    }
    let about = format!("requests that a stack must refuse, by {}", counted(checks.len(), "check", "checks"));
    Hardening {
        name: name.to_owned(),
        about,
        deadline: DEADLINE,
        checks,
        omitted,
        repository: arguments.repository.clone(),
        profile: arguments.server.profile.as_ref().map(|path| profile_options(path, arguments)),
    }
}

/// Returns the options that name the server of a profile, for the command that repeats a check.
fn profile_options(path: &Path, arguments: &HardenArguments) -> String {
    let mut words = vec![format!("--profile {}", play::quoted(&path.display().to_string()))];
    words.extend(target::command_words(&arguments.server.options()));
    words.extend(arguments.ownership.i_own_this_host.iter().map(|host| format!("--i-own-this-host {host}")));
    words.join(" ")
}

fn reasons(omitted: &[OmittedCheck]) -> String {
    omitted.iter().map(|omitted| format!("\n  {}: {}", omitted.id, omitted.why)).collect()
}

/// Returns the checks that the arguments name, in the order of the catalogue; all if they name none.
fn chosen(arguments: &HardenArguments) -> Result<Vec<&'static HardeningCheck>, Failure> {
    let ids: Vec<&str> = ALL.iter().map(|check| check.id).collect();
    let mut families: Vec<&str> = ALL.iter().filter_map(family).collect();
    families.dedup();
    let named: Vec<&String> = arguments.only.iter().chain(&arguments.repeat).collect();
    let is_known = |name: &str| ids.contains(&name) || (arguments.repeat.is_none() && families.contains(&name));
    let wrong = named.iter().filter(|name| !is_known(name)).map(|name| name.as_str());
    let wrong: Vec<&str> =
        wrong.chain(arguments.skip.iter().map(|(id, _)| id.as_str()).filter(|id| !ids.contains(id))).collect();
    if !wrong.is_empty() {
        let known: Vec<&str> = ids.iter().chain(&families).copied().collect();
        let problems: Vec<String> = wrong.iter().map(|name| unknown("check", name, &known)).collect();
        return Err(Failure::usage(problems.join("\n")));
    }
    let is_chosen = |check: &&HardeningCheck| {
        named.is_empty() || named.iter().any(|name| *name == check.id || family(check) == Some(name.as_str()))
    };
    Ok(ALL.iter().filter(is_chosen).collect())
}

/// Returns the family in an id: `AUTH` of `MCP-AUTH-03`.
fn family(check: &HardeningCheck) -> Option<&'static str> {
    check.id.split('-').nth(1)
}

fn list(check: &HardeningCheck, context: &Context) {
    let needs: Vec<String> = check.needs.iter().map(|need| need.name()).collect();
    let severity = Severity::of(check.score).name();
    if context.output.json {
        let texts = check.texts();
        return context.print_json(&json!({
            "id": texts.id, "title": texts.title, "severity": severity, "score": texts.score, "why": texts.why, "sources": texts.sources,
            "needs": needs, "how": texts.how, "remedy": texts.remedy, "mend": texts.mend, "follows": texts.follows,
        }));
    }
    context.print(&format!("{:<12} {severity:<8} {}", check.id.bold(), check.title));
    let needs = if needs.is_empty() { "a URL".to_owned() } else { needs.join(", ") };
    context.print(&format!("{:<12} {:<8} needs {needs}", "", ""));
}
