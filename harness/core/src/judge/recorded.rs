//! Reads the record of a run into a [`Recorded`], which the checks and every report use. Each file is read once: it is hashed while it is parsed. An
//! operation of the history is packed as soon as its line is parsed (decision 0045).

use super::{JudgeMemory, evidence, hits};
use crate::drive::experiment::Experiment;
use crate::drive::hardening::CheckRecord;
use crate::drive::scenario::ScenarioReport;
use crate::drive::{DriverReport, Plan, RunPurpose};
use crate::observe::sample::{Sample, Surroundings};
use crate::plan::hardening::Hardening;
use crate::plan::seal::{Checksums, HashedFile, Integrity};
use crate::plan::{history_files, run_dir};
use harness_history::experiment::Span;
use harness_history::{Conditions, Expectation, History, HistoryBuilder, Op, OpRef};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The record of a run, as read from its directory.
pub struct Recorded {
    pub run_dir: PathBuf,
    pub plan: Plan,
    pub history: History,
    /// Report of the driver; `None` if the driver did not write it.
    pub driver: Option<DriverReport>,
    /// The report that a scenario or an experiment writes at its end; `None` for a load, or if the run was cut off.
    pub scenario: Option<ScenarioReport>,
    pub expectations: Vec<Expectation>,
    /// Results of a hardening run, in the order of its plan.
    pub hardening: Vec<CheckRecord>,
    pub samples: Vec<Sample>,
    pub surroundings: Surroundings,
    /// True if the last line of the history is incomplete.
    pub torn: bool,
    /// Why the history was not read; `None` if it was. It is then empty, and nothing may be concluded from it.
    pub oversize: Option<String>,
    pub integrity: Integrity,
}

/// Why a run directory cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error("`{}` cannot be read: {why}\nhint: pass the directory of a run, such as `runs/<id>`", path.display())]
    Read { path: PathBuf, why: String },
    #[error("`{}` cannot be written: {why}", path.display())]
    Write { path: PathBuf, why: String },
    #[error("`{}` line {line} is not a valid record: {why}", path.display())]
    Content {
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        why: String,
    },
}

impl JudgeError {
    pub(crate) fn write(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Write { path: path.to_owned(), why: error.to_string() }
    }
}

impl Recorded {
    /// Reads a run directory and compares it with its manifest. The history is read only if it can be judged in this memory.
    ///
    /// # Errors
    /// The directory is not that of a run.
    pub fn read(run_dir: &Path, memory: JudgeMemory) -> Result<Self, JudgeError> {
        let mut files = RecordFiles::new(run_dir, memory);
        let recorded = files.parse()?;
        Ok(Self { integrity: files.checksums.verify(run_dir), ..recorded })
    }

    /// Reads the record of a run that has just ended, and seals it. See [`Recorded::read`].
    ///
    /// # Errors
    /// A file cannot be parsed, or the manifest cannot be written.
    pub fn read_and_seal(run_dir: &Path, memory: JudgeMemory) -> Result<Self, JudgeError> {
        let mut files = RecordFiles::new(run_dir, memory);
        let recorded = files.parse();
        // The run is sealed even if its record cannot be parsed: it did end, so it must not be listed as cut off.
        let sealed = files.checksums.seal(run_dir);
        sealed.map_err(|error| JudgeError::write(&run_dir.join(run_dir::MANIFEST), &error))?;
        recorded
    }
}

/// The files of a run directory, and the checksums of those that were read to their end.
struct RecordFiles<'d> {
    run_dir: &'d Path,
    memory: JudgeMemory,
    checksums: Checksums,
}

/// The operations of a run.
#[derive(Default)]
struct ReadHistory {
    history: History,
    torn: bool,
    oversize: Option<String>,
}

impl<'d> RecordFiles<'d> {
    fn new(run_dir: &'d Path, memory: JudgeMemory) -> Self {
        Self { run_dir, memory, checksums: Checksums::default() }
    }

    fn parse(&mut self) -> Result<Recorded, JudgeError> {
        let ReadHistory { history, torn, oversize } = self.history()?;
        let plan: Plan = self.document(run_dir::PLAN)?;
        // From here on a missing file is no error: a run that was cut off has no reports, but its calls can still be judged.
        let driver = self.document(run_dir::DRIVER).ok();
        let happened = match &plan.subject {
            RunPurpose::Experiment(_) => self.document(run_dir::EXPERIMENT).ok(),
            RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Hardening(_) => None,
        };
        let conditions = self.conditions(&plan.subject, driver.as_ref(), happened.as_ref());
        let history = history.with_conditions(conditions);
        let history = match (&plan.subject, happened) {
            (RunPurpose::Experiment(experiment), Some(happened)) => add_experiment(experiment, happened, history),
            _ => history,
        };
        // A load records no expectations.
        let has_expectations = self.run_dir.join(run_dir::EXPECTATIONS).exists();
        let expectations = if has_expectations { self.lines(run_dir::EXPECTATIONS)?.0 } else { Vec::new() };
        let hardening = match &plan.subject {
            RunPurpose::Hardening(hardening) => self.checks(hardening)?,
            RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Experiment(_) => Vec::new(),
        };
        Ok(Recorded {
            run_dir: self.run_dir.to_owned(),
            plan,
            history,
            driver,
            scenario: self.document(run_dir::SCENARIO).ok(),
            expectations,
            hardening,
            samples: self.lines(run_dir::SAMPLES).map(|(samples, _)| samples).unwrap_or_default(),
            surroundings: self.document(run_dir::SURROUNDINGS).unwrap_or_default(),
            torn,
            oversize,
            integrity: Integrity::Intact,
        })
    }

    /// Reads the results of the checks. A check without a result, because the run was cut off, has none here either.
    fn checks(&mut self, hardening: &Hardening) -> Result<Vec<CheckRecord>, JudgeError> {
        if !self.run_dir.join(run_dir::HARDENING).exists() {
            return Ok(Vec::new());
        }
        let mut records: Vec<CheckRecord> = self.lines(run_dir::HARDENING)?.0;
        let place = |id: &str| hardening.checks.iter().position(|texts| texts.id == id);
        records.sort_by_key(|record| place(&record.id));
        Ok(records)
    }

    /// Returns the conditions of the run. The calls of a load are made by its driver, those of scenarios and experiments by the harness, so that a stall of
    /// the other process disturbs none.
    fn conditions(
        &mut self,
        subject: &RunPurpose,
        driver: Option<&DriverReport>,
        experiment: Option<&harness_history::experiment::Experiment>,
    ) -> Conditions {
        let recorded: Conditions = self.document(run_dir::CONDITIONS).unwrap_or_default();
        match (subject, driver) {
            (RunPurpose::Load(_), None) => Conditions {
                stalls: Vec::new(),
                limits: vec!["the driver wrote no report, so that its stalls are not known".to_owned()],
                unobserved: true,
                ..recorded
            },
            (RunPurpose::Load(_), Some(driver)) => {
                let measured = Span { from_us: driver.measured_from_us, until_us: driver.measured_until_us };
                let limits = evidence::limits(driver);
                Conditions {
                    measured: Some(measured),
                    stalls: driver.stalls.clone(),
                    limits,
                    sampled: driver.final_sample,
                    saturated: evidence::is_saturated(driver),
                    ..recorded
                }
            }
            // Older versions recorded crowded spans only in the experiment.
            (RunPurpose::Scenario(_) | RunPurpose::Experiment(_) | RunPurpose::Hardening(_), _) => match experiment {
                Some(experiment) => Conditions { crowded: experiment.crowded.clone(), ..recorded },
                None => recorded,
            },
        }
    }

    fn document<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, JudgeError> {
        let path = self.run_dir.join(name);
        let unreadable = |error| unreadable(&path, &error);
        let (mut text, mut file) = (Vec::new(), HashedFile::open(&path).map_err(unreadable)?);
        file.read_to_end(&mut text).map_err(unreadable)?;
        self.checksums.insert(name, file);
        serde_json::from_slice(&text).map_err(|error| JudgeError::Content {
            path,
            line: error.line(),
            why: error.to_string(),
        })
    }

    /// Reads the files of the history, one after the other.
    fn history(&mut self) -> Result<ReadHistory, JudgeError> {
        let files = history_files::whole(self.run_dir).map_err(|error| unreadable(self.run_dir, &error))?;
        let mut builder = HistoryBuilder::within(self.memory.most_history_bytes());
        let (mut torn, mut full) = (false, None);
        for name in files {
            torn |= self.each_line(&name, |op: Op| match builder.push(&op) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    full = Some(error);
                    ControlFlow::Break(())
                }
            })?;
            if let Some(full) = full {
                // The operations that fit are not judged: without the final read, every write would be lost.
                return Ok(ReadHistory { oversize: Some(self.memory.exceeded_by(full)), ..ReadHistory::default() });
            }
        }
        Ok(ReadHistory { history: builder.finish(), torn, oversize: None })
    }

    /// Reads one value per line. Also returns true if the last line is incomplete, because the recorder was killed.
    fn lines<T: DeserializeOwned>(&mut self, name: &str) -> Result<(Vec<T>, bool), JudgeError> {
        let mut values = Vec::new();
        let torn = self.each_line(name, |value| {
            values.push(value);
            ControlFlow::Continue(())
        })?;
        Ok((values, torn))
    }

    /// Passes the value of each line on, until `take` breaks off. Returns true if the last line is incomplete.
    fn each_line<T: DeserializeOwned>(
        &mut self,
        name: &str,
        mut take: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<bool, JudgeError> {
        let path = self.run_dir.join(name);
        let unreadable = |error| unreadable(&path, &error);
        let mut reader = BufReader::with_capacity(1 << 16, HashedFile::open(&path).map_err(unreadable)?);
        let (mut number, mut line, mut torn) = (0, Vec::new(), false);
        while reader.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            match serde_json::from_slice(&line) {
                Ok(value) => {
                    if take(value).is_break() {
                        return Ok(false);
                    }
                }
                Err(_) if line.last() != Some(&b'\n') => torn = true,
                Err(error) => {
                    return Err(JudgeError::Content { path, line: number + 1, why: error.to_string() });
                }
            }
            number += 1;
            line.clear();
        }
        self.checksums.insert(name, reader.into_inner());
        Ok(torn)
    }
}

/// Adds the events of an experiment to its history, and completes them with two numbers that only the calls show: the requests that a fault hit, and
/// the calls that use an edge.
fn add_experiment(
    experiment: &Experiment,
    mut happened: harness_history::experiment::Experiment,
    history: History,
) -> History {
    let steady = happened.steady;
    for fault in happened.faults.iter_mut().filter(|fault| fault.hits.is_none()) {
        if let Some((hits, by)) = hits::shown_by_calls(fault, experiment, &history, steady) {
            fault.hits = Some(hits);
            by.clone_into(&mut fault.counted_by);
        }
    }
    for edge in &mut happened.ways {
        let promise = experiment.ways.iter().find(|promise| (&promise.from, &promise.to) == (&edge.from, &edge.to));
        let Some(promise) = promise else { continue };
        let uses =
            |op: &OpRef<'_>| promise.operations.iter().any(|name| name == op.name()) && edge.span.holds(op.invoke_us());
        let calls = history.calls().filter(|(_, op)| uses(op)).count() as u64;
        edge.calls = calls * u64::from(promise.each);
    }
    history.with_experiment(happened)
}

fn unreadable(path: &Path, error: &std::io::Error) -> JudgeError {
    JudgeError::Read { path: path.to_owned(), why: error.to_string() }
}
