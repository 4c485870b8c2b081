//! Exit codes and the errors that lead to them: one exhaustive match.

use harness_core::judge::JudgeError;
use harness_core::plan::PlanError;
use harness_core::report::ReportError;
use harness_core::run::RunError;
use harness_core::stack::StackError;
use harness_core::state::StateError;
use harness_history::Verdict;
use std::io::Write;
use std::process::ExitCode;

/// How the harness ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Proven good.
    Pass,
    /// Proven bad.
    Fail,
    /// Not proven either way.
    Unknown,
    /// The arguments or the plan cannot be used.
    Usage,
    /// The stack did not come up.
    Stack,
    /// Our own bug, or a machine that does not let us work.
    Internal,
    /// Stopped by somebody.
    Interrupted,
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Unknown => 2,
            Self::Usage => 64,
            Self::Stack => 69,
            Self::Internal => 70,
            Self::Interrupted => 130,
        })
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

/// An error and the code it ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// Bad arguments.
    pub(crate) fn usage(text: impl ToString) -> Self {
        Self { exit: Exit::Usage, text: text.to_string() }
    }

    /// Anything that should not happen.
    pub(crate) fn internal(text: impl ToString) -> Self {
        Self { exit: Exit::Internal, text: text.to_string() }
    }

    /// Says it on stderr.
    pub(crate) fn tell(&self) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "harness: {}", self.text);
        self.exit.code()
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match &error {
            RunError::Stack(StackError::Interrupted) => Exit::Interrupted,
            RunError::Stack(_) => Exit::Stack,
            RunError::RunDir { .. } | RunError::Driver { .. } | RunError::Judge(_) | RunError::Report(_) => {
                Exit::Internal
            }
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

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}
