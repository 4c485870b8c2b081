//! The type of a check: its name, its description in docs/CHECKS.md, and the function that judges.

use super::Criteria;
use super::builder::FindingBuilder;
use crate::experiment::{Experiment, Promises};
use crate::finding::Finding;
use crate::history::{Doubt, History};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name, as in findings and in the folders of fixtures.
    pub name: &'static str,
    /// What a `pass` proves: one sentence without a full stop at its end.
    pub proves: &'static str,
    /// What a `pass` does not exclude, in whole sentences.
    pub blind_to: &'static [&'static str],
    /// What the record of a run must have for the check to decide. Without it the finding is `unknown`.
    pub evidence: &'static str,
    pub(super) rule: Rule,
}

/// The function that judges. It counts in the builder and returns the summary, or `None` if the run promised nothing that the check judges.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Judges records that are written and read, in every run that has any.
    Records(fn(&History, &mut FindingBuilder) -> String),
    /// Judges every run that has calls of its kind.
    Standing(fn(&History, &mut FindingBuilder) -> String),
    /// Judges lists and searches of records, in every run that has any.
    Lists(fn(&History, &Criteria, &mut FindingBuilder) -> String),
    /// Judges what the criteria of the run name.
    Criteria(fn(&History, &Criteria, &mut FindingBuilder) -> Option<String>),
    /// Judges what an experiment promised.
    Experiment(fn(&ExperimentRun<'_>, &mut FindingBuilder) -> Option<String>),
    /// Like `Criteria`, for a [`Property::Bound`].
    Bound(fn(&History, &Criteria, &mut FindingBuilder) -> Option<String>),
    /// Like `Experiment`, for a [`Property::Bound`].
    ExperimentBound(fn(&ExperimentRun<'_>, &mut FindingBuilder) -> Option<String>),
    /// Like `Bound`. The function does not judge what overlaps a stall, so that it can judge a run again without its disturbed spans.
    TimedBound(fn(&History, &Criteria, &mut FindingBuilder) -> Option<String>),
    /// Like `ExperimentBound`, with a function as that of `TimedBound`.
    ExperimentTimedBound(fn(&ExperimentRun<'_>, &mut FindingBuilder) -> Option<String>),
}

/// The kind of property that a check judges (decision 0027).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// What must never happen, such as a lost or leaked record. A violation is *fail*, whatever else happened.
    Safety,
    /// A bound on time, rate, readiness or recovery. While the evidence is in doubt, a broken one is *unknown*.
    Bound,
}

impl Property {
    /// What a violation means, as a sentence.
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::Safety => "Safety: a violation is always *fail*.",
            Self::Bound => "A bound: if it is broken while the evidence is in doubt, the finding is *unknown*.",
        }
    }
}

/// An experiment as it was recorded, and what it promised.
pub(super) struct ExperimentRun<'a> {
    pub(super) history: &'a History,
    pub(super) experiment: &'a Experiment,
    pub(super) promises: &'a Promises,
}

impl Check {
    /// Judges a history. Returns `None` if the criteria promise nothing of this kind, and an unknown finding if the check panics.
    pub fn run(&self, history: &History, criteria: &Criteria) -> Option<Finding> {
        self.try_run(history, criteria).unwrap_or_else(Some)
    }

    /// Returns true if the check applies to every run; its unknown findings are dropped unless the criteria require it.
    pub const fn is_standing(&self) -> bool {
        matches!(self.rule, Rule::Records(_) | Rule::Standing(_) | Rule::Lists(_))
    }

    /// Returns true if the check judges records that are written and read.
    pub const fn is_about_records(&self) -> bool {
        matches!(self.rule, Rule::Records(_))
    }

    /// The kind of property that it judges.
    pub const fn property(&self) -> Property {
        match self.rule {
            Rule::Records(_) | Rule::Standing(_) | Rule::Lists(_) | Rule::Criteria(_) | Rule::Experiment(_) => {
                Property::Safety
            }
            Rule::Bound(_) | Rule::ExperimentBound(_) | Rule::TimedBound(_) | Rule::ExperimentTimedBound(_) => {
                Property::Bound
            }
        }
    }

    /// When the check applies, as a sentence.
    pub const fn applies(&self) -> &'static str {
        match self.rule {
            Rule::Records(_) => "In every run that writes and reads records.",
            Rule::Standing(_) => "In every run that has such calls.",
            Rule::Lists(_) => "In every run that lists records, or searches for single ones.",
            Rule::Criteria(_) | Rule::Bound(_) | Rule::TimedBound(_) => {
                "If the load, scenario or experiment sets a value for it."
            }
            Rule::Experiment(_) | Rule::ExperimentBound(_) | Rule::ExperimentTimedBound(_) => "In experiments.",
        }
    }

    /// Judges a history; the error is the finding of a check that panicked.
    pub(super) fn try_run(&self, history: &History, criteria: &Criteria) -> Result<Option<Finding>, Finding> {
        // The builder lives inside, so that nothing half-counted survives a panic.
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let mut builder = FindingBuilder::default();
            let mut summary = self.summary(history, criteria, &mut builder)?;
            if self.property() == Property::Bound
                && builder.is_excusable()
                && let Some(Doubt { why, rest, is_slight }) = history.doubt()
                && (self.omits_stalls() || !is_slight)
            {
                if rest.is_some_and(|rest| self.is_broken_in(&rest, criteria)) {
                    if !is_slight {
                        summary.push_str(&format!("; {why}, and the bound is broken without them too"));
                    }
                } else {
                    builder.excuse(&why);
                    summary.push_str(&format!("; counted as unknown, because {why}"));
                }
            }
            Some(builder.build(self.name, summary))
        }));
        judged.map_err(|panic| {
            let mut builder = FindingBuilder::default();
            let summary = builder
                .unknown(&format!("the check itself failed, which is a bug of the harness: {}", message(&*panic)));
            builder.build(self.name, summary)
        })
    }

    /// Returns true if the check does not judge what overlaps a stall.
    const fn omits_stalls(&self) -> bool {
        matches!(self.rule, Rule::TimedBound(_) | Rule::ExperimentTimedBound(_))
    }

    /// Returns true if the check finds a violation in what was not disturbed.
    fn is_broken_in(&self, rest: &History, criteria: &Criteria) -> bool {
        let mut builder = FindingBuilder::default();
        self.omits_stalls() && self.summary(rest, criteria, &mut builder).is_some() && builder.violations > 0
    }

    fn summary(&self, history: &History, criteria: &Criteria, builder: &mut FindingBuilder) -> Option<String> {
        match self.rule {
            Rule::Records(judge) | Rule::Standing(judge) => Some(judge(history, builder)),
            Rule::Lists(judge) => Some(judge(history, criteria, builder)),
            Rule::Criteria(judge) | Rule::Bound(judge) | Rule::TimedBound(judge) => judge(history, criteria, builder),
            Rule::Experiment(judge) | Rule::ExperimentBound(judge) | Rule::ExperimentTimedBound(judge) => {
                let promises = criteria.experiment.as_ref()?;
                let Some(experiment) = history.experiment() else {
                    return Some(builder.unknown("the experiment was not recorded"));
                };
                judge(&ExperimentRun { history, experiment, promises }, builder)
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
