//! Where the bearer token of a target comes from. The plan names the place and never contains the token.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A place from which the token is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BearerSource {
    /// The environment variable with this name.
    Variable(String),
    /// The first line of this file. It is read again when it changes, and after the server has refused the token.
    File(PathBuf),
}

impl std::fmt::Display for BearerSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
        }
    }
}
