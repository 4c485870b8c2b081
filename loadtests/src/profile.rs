//! Profiles: reads a workload from TOML, applies the overrides of the command line, and returns a core [`Workload`]. All problems are reported
//! together, each with its file, line, key and the allowed values.

mod error;
mod parser;
mod target;

pub use error::ProfileError;
pub use harness_core::plan::data_file::Problem;

use harness_core::plan::data_file::{STAGES_TEXT, THRESHOLD_TEXT, range_text, stages, threshold};
use harness_core::plan::target::Target;
use harness_core::plan::target_form::has_target;
use harness_core::plan::workload::{Model, RateStage, SideArrivals, Workload};
use std::path::Path;
use std::time::Duration;

macro_rules! built_in {
    ($($name:literal),+) => {
        &[$((
            $name,
            concat!("loadtests/profiles/", $name, ".toml"),
            include_str!(concat!("../profiles/", $name, ".toml")),
        )),+]
    };
}

/// The profiles that are built in: name, file, text.
const BUILT_IN: &[(&str, &str, &str)] =
    built_in!["memory", "memory-classic", "guardrails", "patterns", "workflow", "full", "smoke"];

/// Arrivals that a threshold on p99 needs: ten beyond it.
const ARRIVALS_OF_P99: f64 = 1_000.0;

/// Values of the command line that override those of a profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    pub users: Option<u32>,
    pub organisations: Option<u32>,
    /// Duration of the measured phase. It cannot be combined with `stages`, because the sum of the stages is the
    /// duration.
    pub duration: Option<Duration>,
    /// Duration of the load before the measured phase.
    pub warmup: Option<Duration>,
    /// Pause of a user between two calls. If it is set, the model is closed.
    pub think_time: Option<Duration>,
    /// Arrivals per second beside the users of a closed model; 0 for none.
    pub arrivals: Option<f64>,
    /// Arrivals per second. If it is set, the model is open.
    pub rate: Option<f64>,
    /// Arrival schedule such as `10s:100,20s:100-1000`. If it is set, the model is open.
    pub stages: Option<String>,
    /// Thresholds such as `p99<500ms` or `store_memory:error_rate<1%`. They replace all thresholds of the profile.
    pub thresholds: Vec<String>,
}

/// Returns the names of the built-in workloads.
pub fn known_workloads() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _, _)| *name).collect()
}

/// A load: what is called and how, and the target if it is not a stack of this product.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    pub workload: Workload,
    pub target: Option<Target>,
}

/// Reads a load by its name, or from a file if `name` ends with `.toml`.
///
/// # Errors
/// The name is unknown, the file cannot be read, or the profile together with the overrides has problems.
pub fn load(name: &str, overrides: &Overrides) -> Result<Load, ProfileError> {
    if let Some((name, file, text)) = BUILT_IN.iter().find(|(known, _, _)| *known == name) {
        return read(name, file, text, overrides);
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Err(ProfileError::Unknown { name: name.to_owned(), known: known_workloads() });
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| ProfileError::Unreadable { file: name.to_owned(), why: error.to_string() })?;
    let stem = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    read(&stem, name, &text, overrides)
}

/// Reads the workload of a load; see [`load`].
///
/// # Errors
/// See [`load`].
pub fn workload(name: &str, overrides: &Overrides) -> Result<Workload, ProfileError> {
    load(name, overrides).map(|load| load.workload)
}

/// Reads a load from the text of a profile. `file` is used only in messages.
///
/// # Errors
/// Every problem of the profile and of the overrides.
pub fn read(name: &str, file: &str, text: &str, overrides: &Overrides) -> Result<Load, ProfileError> {
    let failed = |problems| ProfileError::Problems { name: name.to_owned(), problems };
    let (workload, target, problems) = if has_target(text) {
        let (workload, target, problems) = target::parse(name, file, text).map_err(failed)?;
        (workload, Some(target), problems)
    } else {
        let (workload, problems) = parser::parse(name, file, text).map_err(failed)?;
        (workload, None, problems)
    };
    finish(workload, target, overrides, problems)
}

/// Returns the load on a target that makes these calls, such as `search {"q":"{{word}}"}:4`.
///
/// # Errors
/// Every problem of the calls and of the overrides.
pub fn of_calls(target: Target, calls: &[String], overrides: &Overrides) -> Result<Load, ProfileError> {
    let workload = target::from_calls(&target, calls)?;
    let Load { workload, target } = finish(workload, Some(target), overrides, Vec::new())?;
    Ok(Load { workload: target::with_error_rate(workload), target })
}

fn finish(
    workload: Workload,
    target: Option<Target>,
    overrides: &Overrides,
    mut problems: Vec<Problem>,
) -> Result<Load, ProfileError> {
    let workload = overridden(workload, overrides, &mut problems);
    if let Some(target) = &target {
        target::check(&workload, target, overrides, &mut problems);
    }
    if problems.is_empty() {
        return Ok(Load { workload, target });
    }
    Err(ProfileError::Problems { name: workload.name, problems })
}

/// Returns the schema of a profile (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    harness_core::plan::data_file::form::schema::<parser::Profile>()
}

/// Returns the schema of a profile with a target (JSON Schema 2020-12).
pub fn target_schema() -> serde_json::Value {
    harness_core::plan::data_file::form::schema::<target::TargetProfile>()
}

fn overridden(mut workload: Workload, overrides: &Overrides, problems: &mut Vec<Problem>) -> Workload {
    let mut refuse = |key: &str, what: String, allowed: &str| problems.push(refused(key, what, allowed));
    match overrides.users {
        Some(users) if !parser::USERS.contains(&users) => {
            refuse("--users", format!("`{users}` is out of range"), &range_text(&parser::USERS));
        }
        Some(users) => {
            workload.users = users;
            // An organisation without a user would make no call.
            workload.organisations = workload.organisations.min(users);
        }
        None => {}
    }
    match overrides.organisations {
        Some(count) if !(1..=workload.users).contains(&count) => {
            refuse("--organisations", format!("`{count}` is out of range"), "1 to the number of users");
        }
        Some(count) => workload.organisations = count,
        None => {}
    }
    if let Some(warmup) = overrides.warmup {
        workload.warmup = warmup;
    }
    if let Some(duration) = overrides.duration {
        if !parser::DURATION.contains(&duration) {
            refuse("--duration", format!("`{duration:?}` is out of range"), "1s to 24h");
        } else if overrides.stages.is_some() {
            refuse(
                "--duration",
                "the stages decide how long is measured".to_owned(),
                "remove `--duration` or `--stages`",
            );
        } else {
            workload.duration = duration;
            if let Model::Open { stages } = &mut workload.model {
                stretch(stages, duration);
            }
        }
    }
    match overrides.arrivals {
        Some(0.0) => workload.beside = None,
        Some(rate) if !parser::RATE.contains(&rate) => {
            refuse("--arrivals", format!("`{rate}` is out of range"), parser::RATE_TEXT);
        }
        Some(rate) => workload.beside.get_or_insert(SideArrivals { rate, users: parser::ARRIVAL_USERS }).rate = rate,
        // Too few arrivals for a p99, so that all calls are judged, as in a load without arrivals.
        None if overrides.duration.is_some()
            && workload
                .beside
                .as_ref()
                .is_some_and(|beside| beside.rate * workload.duration.as_secs_f64() < ARRIVALS_OF_P99) =>
        {
            workload.beside = None;
        }
        None => {}
    }
    // After the duration, because `--rate` becomes a schedule of that length.
    override_model(&mut workload, overrides, &mut refuse);
    // Replaced and not added to, because otherwise a threshold of the profile could not be relaxed.
    if !overrides.thresholds.is_empty() {
        workload.thresholds.clear();
    }
    for text in &overrides.thresholds {
        match threshold(text) {
            Ok(threshold) => workload.thresholds.push(threshold),
            Err(what) => refuse("--threshold", what, THRESHOLD_TEXT),
        }
    }
    workload
}

fn override_model(workload: &mut Workload, overrides: &Overrides, refuse: &mut impl FnMut(&str, String, &str)) {
    let models = [overrides.think_time.is_some(), overrides.rate.is_some(), overrides.stages.is_some()];
    if models.iter().filter(|set| **set).count() > 1 {
        refuse("--rate", "it cannot be combined with `--stages` or `--think-time`".to_owned(), "one of the three");
    } else if let Some(think_time) = overrides.think_time {
        workload.model = Model::Closed { think_time };
    } else if let Some(rate) = overrides.rate {
        if parser::RATE.contains(&rate) {
            workload.beside = None;
            workload.model = parser::constant(rate, workload.duration);
        } else {
            refuse("--rate", format!("`{rate}` is out of range"), parser::RATE_TEXT);
        }
    } else if let Some(text) = &overrides.stages {
        match stages(text) {
            Ok(stages) => {
                workload.duration = stages.iter().map(|stage| stage.duration).sum();
                workload.model = Model::Open { stages };
                workload.beside = None;
            }
            Err(what) => refuse("--stages", what, STAGES_TEXT),
        }
    }
}

fn refused(key: &str, what: String, allowed: &str) -> Problem {
    Problem { place: "command line".to_owned(), key: key.to_owned(), what, allowed: allowed.to_owned() }
}

/// Multiplies the length of each stage by the same factor, so that their sum is `duration`.
fn stretch(stages: &mut [RateStage], duration: Duration) {
    let sum: f64 = stages.iter().map(|stage| stage.duration.as_secs_f64()).sum();
    for stage in stages {
        stage.duration = stage.duration.mul_f64(duration.as_secs_f64() / sum);
    }
}

#[cfg(test)]
mod tests;
