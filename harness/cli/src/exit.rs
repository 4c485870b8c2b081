//! The exit codes of the program, and the mapping from each error to one of them.

use harness_core::judge::JudgeError;
use harness_core::plan::PlanError;
use harness_core::report::ReportError;
use harness_core::run::RunError;
use harness_core::run::runs::RunsError;
use harness_core::stack::StackError;
use harness_core::stack::state::StateError;
use harness_history::Verdict;
use std::io::Write;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Pass,
    Fail,
    /// The verdict is unknown: the run proves nothing.
    Unknown,
    /// Bad arguments or a bad plan; nothing was started.
    Usage,
    /// The stack did not start.
    Stack,
    /// A bug of the harness, or an error of the operating system such as a file that cannot be written.
    Internal,
    /// Stopped by a signal.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    pub(crate) const fn number(self) -> u8 {
        // 64 to 70 are those of `sysexits.h`, far from the verdicts. A shell reports 130 for a program that SIGINT
        // ended.
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Unknown => 2,
            Self::Usage => 64,
            Self::Stack => 69,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// Returns the worst exit of several runs. The order from the worst is: interrupted, fail, an error, unknown, pass. Without any run the result is
    /// unknown, because nothing was proven.
    pub(crate) fn merge(exits: impl IntoIterator<Item = Self>) -> Self {
        let weight = |exit: &Self| match exit {
            Self::Pass => 0,
            Self::Unknown => 1,
            Self::Usage => 2,
            Self::Internal => 3,
            Self::Stack => 4,
            Self::Fail => 5,
            Self::Interrupted => 6,
        };
        exits.into_iter().max_by_key(weight).unwrap_or(Self::Unknown)
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Usage | Self::Stack | Self::Internal => "error",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail => Self::Fail,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

/// An error, and the exit code that it causes.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    pub(crate) fn usage(text: impl ToString) -> Self {
        Self { exit: Exit::Usage, text: text.to_string() }
    }

    pub(crate) fn unknown(text: impl ToString) -> Self {
        Self { exit: Exit::Unknown, text: text.to_string() }
    }

    pub(crate) fn internal(text: impl ToString) -> Self {
        Self { exit: Exit::Internal, text: text.to_string() }
    }

    pub(crate) fn new(exit: Exit, text: impl ToString) -> Self {
        Self { exit, text: text.to_string() }
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Writes the error to stderr and returns its exit.
    pub(crate) fn report(&self) -> Exit {
        let _ = writeln!(std::io::stderr(), "harness: {}", self.text);
        self.exit
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match &error {
            RunError::Stack(StackError::Interrupted) => Exit::Interrupted,
            RunError::InvalidCalls(_) | RunError::Plan(_) => Exit::Usage,
            RunError::Stack(StackError::TargetOutOfReach { .. }) => Exit::Usage,
            RunError::Access(error) if error.is_plan_error() => Exit::Usage,
            RunError::Stack(_) | RunError::Access(_) | RunError::Limits(_) => Exit::Stack,
            // The run started, but its record is incomplete, so it proves nothing.
            RunError::Unrecorded { .. } | RunError::Record(_) => Exit::Unknown,
            RunError::RunDir { .. }
            | RunError::Driver { .. }
            | RunError::NoScenario(_)
            | RunError::NoCheck(_)
            | RunError::Report(_) => Exit::Internal,
        };
        Self { exit, text: error.to_string() }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let exit = match &error {
            StateError::Stack(StackError::Interrupted) => Exit::Interrupted,
            StateError::Stack(_) => Exit::Stack,
            StateError::None | StateError::Already => Exit::Usage,
            StateError::File { .. } => Exit::Internal,
        };
        Self { exit, text: error.to_string() }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::usage(error)
    }
}

impl From<JudgeError> for Failure {
    fn from(error: JudgeError) -> Self {
        // The user passed the directory, and it is not that of a run.
        Self::usage(error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Judge(error) => error.into(),
            ReportError::Write { .. } | ReportError::Render(_) => Self::internal(error),
        }
    }
}

impl From<RunsError> for Failure {
    fn from(error: RunsError) -> Self {
        Self::internal(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_exit_code_of_several_runs_is_that_of_the_worst() {
        assert_eq!(Exit::merge([]), Exit::Unknown);
        assert_eq!(Exit::merge([Exit::Pass, Exit::Pass]), Exit::Pass);
        assert_eq!(Exit::merge([Exit::Unknown, Exit::Pass]), Exit::Unknown);
        assert_eq!(Exit::merge([Exit::Stack, Exit::Unknown]), Exit::Stack);
        assert_eq!(Exit::merge([Exit::Stack, Exit::Fail, Exit::Pass]), Exit::Fail);
        assert_eq!(Exit::merge([Exit::Fail, Exit::Interrupted]), Exit::Interrupted);
    }
}
