//! Records the calls and expectations of a stage immediately: operations in `history.jsonl`, expectations in `expectations.jsonl`.

use crate::drive::token::Grant;
use crate::observe::clock::monotonic_us;
use crate::observe::record::{RecordError, Recorder};
use crate::plan::run_dir::EXPECTATIONS;
use crate::stack::view::{Event, View};
use harness_history::{Effect, Expectation, Op, Outcome, Quota, Verdict};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest text of an observation, in characters.
const MAX_SEEN: usize = 600;

pub(super) struct StageRecorder {
    history: Recorder,
    recorded: Mutex<u64>,
    expectations: Mutex<Expectations>,
    /// By organisation and id.
    written: Mutex<BTreeMap<(String, Arc<str>), Written>>,
    quotas: Mutex<Vec<Quota>>,
    epoch_us: u64,
    view: Arc<dyn View>,
}

struct Expectations {
    path: PathBuf,
    file: File,
    failure: Option<String>,
}

/// A record, its writer and its tags, for deletions by tag.
struct Written {
    grant: Grant,
    tags: Vec<String>,
    deleted: bool,
}

impl StageRecorder {
    pub(super) fn open(run_dir: &Path, epoch_us: u64, view: Arc<dyn View>) -> Result<Self, RecordError> {
        let path = run_dir.join(EXPECTATIONS);
        let file = File::create_new(&path).map_err(|error| RecordError {
            path: path.clone(),
            why: error.to_string(),
            recorded: 0,
        })?;
        Ok(Self {
            history: Recorder::create(run_dir)?,
            recorded: Mutex::new(0),
            expectations: Mutex::new(Expectations { path, file, failure: None }),
            written: Mutex::default(),
            quotas: Mutex::default(),
            epoch_us,
            view,
        })
    }

    /// Returns the current time, in microseconds of the run's clock.
    pub(super) fn now_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.epoch_us)
    }

    /// Value of the monotonic clock that is time 0 of the run.
    pub(super) const fn epoch_us(&self) -> u64 {
        self.epoch_us
    }

    /// Records an operation and returns its position in the history.
    pub(super) fn record(&self, op: &Op) -> u64 {
        let mut recorded = self.recorded.lock();
        self.history.record(op);
        *recorded += 1;
        *recorded - 1
    }

    /// Records an expectation with its verdict, and shows both to the user.
    pub(super) fn expect(&self, expected: &str, verdict: Verdict, seen: &str, ops: Vec<u64>) {
        self.note(Expectation {
            at_us: self.now_us(),
            expected: expected.to_owned(),
            verdict,
            timed: false,
            seen: shown(seen),
            ops,
        });
    }

    /// Like [`StageRecorder::expect`], for an expectation with a deadline.
    pub(super) fn expect_in_time(&self, expected: &str, verdict: Verdict, seen: &str, ops: Vec<u64>) {
        self.note(Expectation {
            at_us: self.now_us(),
            expected: expected.to_owned(),
            verdict,
            timed: true,
            seen: shown(seen),
            ops,
        });
    }

    fn note(&self, expectation: Expectation) {
        let mut expectations = self.expectations.lock();
        let mut line = serde_json::to_vec(&expectation).expect("an expectation is always valid JSON");
        line.push(b'\n');
        if let Err(error) = expectations.file.write_all(&line) {
            // The scenario continues; `close` returns the first error.
            expectations.failure.get_or_insert(error.to_string());
        }
        drop(expectations);
        self.view.show(Event::Expectation(expectation));
    }

    /// Stores which records a call wrote or deleted, for [`StageRecorder::written_with_tags`].
    pub(super) fn note_written(&self, grant: &Grant, tags: Vec<String>, outcome: &Outcome, effect: &Effect) {
        if *outcome != Outcome::Ok {
            return;
        }
        let mut written = self.written.lock();
        for key in effect.contents().filter_map(|(key, _, _)| key) {
            let record = || Written { grant: grant.clone(), tags: tags.clone(), deleted: false };
            written.entry((grant.organisation.clone(), Arc::clone(key))).or_insert_with(record);
        }
        let deleted = match effect {
            Effect::Delete { key } => std::slice::from_ref(key),
            Effect::Deletes { keys } => keys,
            _ => &[],
        };
        for key in deleted {
            if let Some(record) = written.get_mut(&(grant.organisation.clone(), Arc::clone(key))) {
                record.deleted = true;
            }
        }
    }

    /// Returns the records that this user has written with these tags and has not deleted.
    pub(super) fn written_with_tags(&self, grant: &Grant, tags: &[String], all: bool) -> Vec<Arc<str>> {
        let whose = |other: &Grant| {
            (&other.organisation, &other.user, &other.workspace) == (&grant.organisation, &grant.user, &grant.workspace)
        };
        let matches = |record: &Written| {
            let mut found = tags.iter().map(|tag| record.tags.contains(tag));
            if all { found.all(|found| found) } else { found.any(|found| found) }
        };
        let written = self.written.lock();
        let mine = written.iter().filter(|(_, record)| !record.deleted && whose(&record.grant) && matches(record));
        mine.map(|((_, key), _)| Arc::clone(key)).collect()
    }

    /// Writes everything recorded so far to the history.
    pub(super) fn flush(&self) -> Result<(), RecordError> {
        self.history.flush()
    }

    pub(super) fn add_quota(&self, quota: Quota) {
        self.quotas.lock().push(quota);
    }

    pub(super) fn quotas(&self) -> Vec<Quota> {
        self.quotas.lock().clone()
    }

    /// Waits until everything is written.
    pub(super) fn close(self) -> Result<(), RecordError> {
        let recorded = self.history.finish()?;
        let expectations = self.expectations.into_inner();
        match expectations.failure {
            Some(why) => Err(RecordError { path: expectations.path, why, recorded }),
            None => Ok(()),
        }
    }
}

/// Returns an observation with its tokens masked, and cut to [`MAX_SEEN`] characters.
fn shown(seen: &str) -> String {
    let words = seen.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    // Every JWT begins with `eyJ`, which is the Base64 of `{"`.
    let masked = words.map(|word| if word.starts_with("eyJ") && word.contains('.') { "(token)" } else { word });
    let text: String = masked.collect();
    match text.char_indices().nth(MAX_SEEN) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_observation_is_short_and_without_tokens() {
        let text = shown(r#"{"verdictToken":"eyJhbGciOiJIUzI1NiJ9.eyJvcmdJZCI6.c2ln","verdict":"allow"}"#);
        assert!(!text.contains("eyJ") && text.contains("(token)") && text.contains("allow"), "{text}");
        assert!(shown(&"word ".repeat(1_000)).chars().count() < 620);
    }
}
