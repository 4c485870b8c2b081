//! The report of a trial, which runs each experiment against each lie that it names. The report shows which lies were
//! caught.

use super::template::render_template;
use super::{ReportError, html};
use crate::plan::run_dir;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The page, in the folder of the runs.
pub const PAGE: &str = "trial.html";
/// The Markdown file beside it.
pub const MARKDOWN: &str = "trial.md";

/// An experiment against a lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    pub experiment: String,
    /// The lie, as `service=lie`.
    pub lie: String,
    pub outcome: TrialOutcome,
    pub because: String,
    /// Name of the run, if there was one.
    pub run: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOutcome {
    /// The run failed, so the lie was caught.
    Caught,
    /// The run passed, so the lie was missed.
    Missed,
    /// The run was *unknown*, so it proved nothing about the lie.
    Unknown,
}

impl TrialOutcome {
    /// Returns the word for tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Missed => "missed",
            Self::Unknown => "proved nothing",
        }
    }

    const fn tone(self) -> &'static str {
        match self {
            Self::Caught => "pass",
            Self::Missed => "fail",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Serialize)]
struct Row<'t> {
    trial: &'t Trial,
    word: &'static str,
    tone: &'static str,
    report: Option<String>,
}

/// Returns the number of caught lies.
pub fn caught(trials: &[Trial]) -> usize {
    trials.iter().filter(|trial| trial.outcome == TrialOutcome::Caught).count()
}

/// Writes the table as a page and as Markdown. Returns the path of the page.
///
/// # Errors
/// A file cannot be written.
pub fn write(runs: &Path, trials: &[Trial]) -> Result<PathBuf, ReportError> {
    let rows: Vec<Row<'_>> = trials.iter().map(row).collect();
    let of = |outcome| trials.iter().filter(|trial| trial.outcome == outcome).count();
    let (missed, unknown) = (of(TrialOutcome::Missed), of(TrialOutcome::Unknown));
    let tone = if missed > 0 {
        "fail"
    } else if unknown > 0 || trials.is_empty() {
        "unknown"
    } else {
        "pass"
    };
    let values = context! {
        rows => Value::from(Serde(&rows)), tone, caught => caught(trials), missed, unknown, count => trials.len(),
        style => html::STYLE,
    };
    let markdown = render_template(MARKDOWN, include_str!("trial/report.md.j2"), values.clone())?;
    let page = render_template(PAGE, include_str!("trial/report.html.j2"), values)?;
    super::write_files(runs, [(MARKDOWN, markdown), (PAGE, page)])?;
    Ok(runs.join(PAGE))
}

fn row(trial: &Trial) -> Row<'_> {
    let report = trial.run.as_ref().map(|run| format!("{run}/{}", run_dir::REPORT_HTML));
    Row { trial, word: trial.outcome.word(), tone: trial.outcome.tone(), report }
}

#[cfg(test)]
mod tests {
    use super::{MARKDOWN, PAGE, Trial, TrialOutcome, write};

    fn trial(lie: &str, outcome: TrialOutcome) -> Trial {
        let (experiment, because) = ("redis-outage".to_owned(), "a | <b>\nc".to_owned());
        Trial { experiment, lie: lie.to_owned(), outcome, because, run: Some("r1".to_owned()) }
    }

    fn written(trials: &[Trial]) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), trials).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        (read(PAGE), read(MARKDOWN))
    }

    #[test]
    fn a_table_has_a_line_for_each_trial_and_says_which_lie_was_missed() {
        let trials =
            [trial("memory=bypass-hidden", TrialOutcome::Caught), trial("memory=trace-dropped", TrialOutcome::Missed)];
        let (page, markdown) = written(&trials);
        assert!(markdown.contains("1 of 2 lies caught"), "{markdown}");
        assert!(
            markdown.contains(
                "| redis-outage | `memory=bypass-hidden` | caught | a \\| &lt;b&gt; c | [r1](r1/report.html) |"
            ),
            "{markdown}"
        );
        assert!(markdown.contains("| `memory=trace-dropped` | **missed** |"), "{markdown}");
        assert!(page.contains("verdict fail") && page.contains("1 of 2 lies caught"), "{page}");
        assert!(page.contains("href=\"r1&#x2f;report.html\"") && page.contains("a | &lt;b&gt;"), "{page}");
    }

    #[test]
    fn a_trial_that_proved_nothing_is_no_success() {
        let (page, markdown) = written(&[trial("memory=half-event", TrialOutcome::Unknown)]);
        assert!(page.contains("verdict unknown") && markdown.contains("**proved nothing**"), "{page} {markdown}");
        assert!(written(&[]).0.contains("verdict unknown"));
        assert!(written(&[trial("memory=half-event", TrialOutcome::Caught)]).0.contains("verdict pass"));
    }
}
