//! What can be wrong with a profile, told so that it can be mended at once.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File and line, such as `my.toml:7`, or `command line`.
    pub place: String,
    /// The key, such as `mix.store_memory`, or the option.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub allowed: String,
}

/// Why there is no workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileError {
    /// No workload has that name.
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The profile or the overrides are wrong.
    Problems {
        /// Name of the profile.
        name: String,
        /// All of them, in the order of the file.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, known } => {
                write!(f, "there is no workload `{name}`\nhint: ")?;
                if let Some(near) = nearest(name, known.iter().copied()) {
                    write!(f, "did you mean `{near}`? ")?;
                }
                write!(
                    f,
                    "known workloads: `{}`; or give the path of a profile ending with `.toml`",
                    known.join("`, `")
                )
            }
            Self::Unreadable { file, why } => {
                write!(f, "cannot read the profile `{file}`: {why}\nhint: check the path")
            }
            Self::Problems { name, problems } => {
                write!(f, "the profile `{name}` cannot be used")?;
                for Problem { place, key, what, allowed } in problems {
                    write!(f, "\n  {place}: `{key}`: {what}\n      allowed: {allowed}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ProfileError {}

/// The known name that is most like `name`, if one is near enough to be a slip.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
