//! Finds experiments: in the built-in catalogue, and in files of the user.

use super::Experiment;
use super::parser;
use crate::plan::data_file::{Problem, nearest, problem_lines};
use std::fmt;
use std::path::{Path, PathBuf};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        /// The experiments that are built in: name, file, text.
        pub const BUILT_IN: &[(&str, &str, &str)] = &[$((
            $name,
            concat!("chaos/experiments/", $name, ".toml"),
            include_str!(concat!("../../../../../chaos/experiments/", $name, ".toml")),
        )),+];
    };
}

// Listed by name, because a macro cannot list a folder. A test compares the list with the folder.
built_in! {
    "redis-outage",
    "redis-hang",
    "redis-reset",
    "redis-slow-over",
    "redis-slow-under",
    "redis-loading",
    "redis-readonly",
    "redis-oom",
    "redis-busy",
    "redis-scripts-flushed",
    "redis-counters-lost",
    "redis-full",
    "redis-garbage",
    "redis-flap",
    "redis-auth",
    "guardrail-kill",
    "guardrail-hang",
    "guardrail-half",
    "verdict-late",
    "verdict-forged",
    "policy-change",
    "memory-kill",
    "commit-then-cut",
    "memory-pause",
    "memory-drain",
    "tenant-mix",
    "reply-cut",
    "patterns-kill",
    "stale-pattern",
    "orchestrator-kill",
    "slow-leg",
    "session-lost",
    "retry-storm",
    "disk-full",
    "database-locked",
    "power-loss",
    "commit-answer-cut",
    "postgres-kill",
    "postgres-pause",
    "instance-kill",
    "double-outage",
    "swizzle-clog",
    "surge-in-fault",
    "outbox-kill",
    "outbox-full-disk",
    "redis-outage-full",
    "redis-down-at-start",
    "crowd-kill",
    "guardrails-clients-cut",
    "patterns-clients-cut",
    "orchestrator-clients-cut",
    "thin-pipe",
    "sliced-bytes",
    "redis-blackhole",
    "requests-truncated",
    "late-close",
    "redis-errors",
    "cpu-squeeze",
    "memory-squeeze",
    "redis-tls",
    "any-latency",
    "any-reset",
    "any-kill",
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentError {
    Unknown { name: String, known: Vec<String> },
    Unreadable { path: PathBuf, why: String },
    Problems(Vec<Problem>),
}

impl fmt::Display for ExperimentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, known } => {
                write!(f, "there is no experiment `{name}`\nhint: ")?;
                if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
                    write!(f, "did you mean `{near}`? ")?;
                }
                write!(f, "known: `{}`; or pass the path of a file that ends with `.toml`", known.join("`, `"))
            }
            Self::Unreadable { path, why } => {
                write!(f, "cannot read `{}`: {why}\nhint: check the path", path.display())
            }
            Self::Problems(problems) => write!(f, "the experiment cannot be used:{}", problem_lines(problems)),
        }
    }
}

impl std::error::Error for ExperimentError {}

/// Reads an experiment from its text; `file` is only for messages.
///
/// # Errors
/// Returns every problem of the text.
pub fn read(name: &str, file: &str, text: &str) -> Result<Experiment, ExperimentError> {
    parser::read(name, file, text).map_err(ExperimentError::Problems)
}

/// Returns every experiment: the built-in ones, then those of the user's folder. A file with the name of a built-in one replaces it.
///
/// # Errors
/// Fails if the folder cannot be read, or if files have problems. The error has the problems of all files.
pub fn all(folder: Option<&Path>) -> Result<Vec<Experiment>, ExperimentError> {
    let mut texts: Vec<(String, String, String)> =
        BUILT_IN.iter().map(|(name, file, text)| ((*name).into(), (*file).into(), (*text).into())).collect();
    for path in folder.map(files).transpose()?.unwrap_or_default() {
        let text = read_file(&path)?;
        let name = stem(&path);
        texts.retain(|(known, _, _)| *known != name);
        texts.push((name, path.display().to_string(), text));
    }
    let (mut experiments, mut problems) = (Vec::new(), Vec::new());
    for (name, file, text) in &texts {
        match parser::read(name, file, text) {
            Ok(experiment) => experiments.push(experiment),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(experiments) } else { Err(ExperimentError::Problems(problems)) }
}

/// Returns the experiment with this name, or in this file if the name ends with `.toml`.
///
/// # Errors
/// Fails if the experiment does not exist, cannot be read, or has problems.
pub fn find(name: &str, folder: Option<&Path>) -> Result<Experiment, ExperimentError> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "toml") {
        return read(&stem(path), name, &read_file(path)?);
    }
    let own = folder.map(files).transpose()?.unwrap_or_default();
    if let Some(path) = own.iter().find(|path| stem(path) == name) {
        return read(name, &path.display().to_string(), &read_file(path)?);
    }
    if let Some((name, file, text)) = BUILT_IN.iter().find(|(known, _, _)| *known == name) {
        return read(name, file, text);
    }
    let known = BUILT_IN.iter().map(|(name, _, _)| (*name).to_owned()).chain(own.iter().map(|path| stem(path)));
    Err(ExperimentError::Unknown { name: name.to_owned(), known: known.collect() })
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_file(path: &Path) -> Result<String, ExperimentError> {
    std::fs::read_to_string(path)
        .map_err(|error| ExperimentError::Unreadable { path: path.to_owned(), why: error.to_string() })
}

/// Returns the files of a folder that are experiments, sorted by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ExperimentError> {
    let unreadable =
        |error: std::io::Error| ExperimentError::Unreadable { path: folder.to_owned(), why: error.to_string() };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    // `read_dir` returns files in no fixed order, and the order of the runs must not depend on the machine.
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, ExperimentError, all, files, find, read, stem};
    use crate::fault::FaultKind;
    use std::collections::{BTreeSet, HashSet};
    use std::path::Path;

    #[test]
    fn every_file_of_the_catalogue_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../chaos/experiments");
        let there: BTreeSet<String> = files(&folder).unwrap().iter().map(|path| stem(path)).collect();
        assert_eq!(BUILT_IN.iter().map(|(name, _, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn every_built_in_experiment_can_be_used_and_has_a_number_of_its_own() {
        let experiments = all(None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(experiments.len(), BUILT_IN.len());
        let mut ids = HashSet::new();
        for experiment in &experiments {
            assert!(ids.insert(experiment.id.clone()), "{} is there twice", experiment.id);
            assert!(experiment.length().as_secs() < 60, "`{}` takes a minute or more", experiment.name);
        }
    }

    #[test]
    fn every_kind_of_fault_and_every_toxic_has_an_experiment() {
        // Each kind of fault is a file with this text; `network` has the kind of its toxic.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fault");
        let mut kinds: BTreeSet<String> = chaos_proxy::toxic::ALL.iter().map(|toxic| toxic.name.to_owned()).collect();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() && std::fs::read_to_string(&path).unwrap().contains("\nimpl Fault for ") {
                kinds.insert(stem(&path));
            }
        }
        assert!(kinds.len() > chaos_proxy::toxic::ALL.len() && kinds.remove("network"), "{kinds:?}");
        let experiments = all(None).unwrap_or_else(|error| panic!("{error}"));
        for scheduled in experiments.iter().flat_map(|experiment| &experiment.faults) {
            let is_state = matches!(scheduled.fault, FaultKind::Redis(_));
            kinds.remove(if is_state { "redis" } else { scheduled.fault.kind() });
        }
        assert!(kinds.is_empty(), "no experiment of the catalogue uses {kinds:?}");
    }

    #[test]
    fn a_misspelled_name_is_answered_with_the_nearest_one() {
        let error = find("redis-outge", None).unwrap_err();
        assert!(error.to_string().contains("did you mean `redis-outage`"), "{error}");
    }

    #[test]
    fn tables_in_one_line_mean_the_same_and_any_other_type_is_reported() {
        let one_line = |load: &str, abort: &str| {
            format!(
                "id = \"X\"\nabout = \"x\"\nload = {load}\nabort = {abort}\nsurge = {{ times = 3, lasts = \"2s\" }}\n\
                 fault = [{{ kind = \"kill\", part = \"redis\", lasts = \"2s\" }}]\nexpect = {{ least_hits = 7 }}\n"
            )
        };
        let text = one_line("{ rate = 20, mix = { store_memory = 1 } }", "{ error_share = 0.5 }");
        let experiment = read("x", "x.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((experiment.load.rate, experiment.promises.least_hits, experiment.faults.len()), (20.0, 7, 1));
        assert_eq!((experiment.abort.error_share, experiment.load.surge.unwrap().times), (0.5, 3.0));
        let problems = read("x", "x.toml", &one_line("7", "[]")).unwrap_err().to_string();
        assert!(
            problems.contains("x.toml:3: `load`: `7` is not a table") && problems.contains("x.toml:4: `abort`"),
            "{problems}"
        );
    }

    #[test]
    fn a_file_of_the_users_own_replaces_one_of_the_catalogue() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _, text) = BUILT_IN.iter().find(|(name, _, _)| *name == "redis-outage").unwrap();
        let mine = text.replace("about = \"", "about = \"mine: ");
        std::fs::write(folder.path().join("redis-outage.toml"), mine).unwrap();
        let found = find("redis-outage", Some(folder.path())).unwrap();
        assert!(found.about.starts_with("mine: "));
        assert_eq!(all(Some(folder.path())).unwrap().len(), BUILT_IN.len());
        std::fs::write(folder.path().join("bad.toml"), "x = 1\ny = 2\n").unwrap();
        let Err(ExperimentError::Problems(problems)) = all(Some(folder.path())) else { panic!("no problem") };
        assert!(problems.len() > 2 && problems[0].place.contains("bad.toml:1"), "{problems:?}");
    }
}
