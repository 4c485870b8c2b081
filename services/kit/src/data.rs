//! Data files of a service, such as its rules or its catalogue: reading a folder of YAML files, reporting every problem with its file and
//! line, and following changes while the service runs. The service defines what the files mean.

pub mod folder;
mod problem;
mod reader;
mod reload;
mod suggest;
pub mod yaml;

pub use folder::DataFile;
pub use problem::{Problem, Problems};
pub use reader::{Fields, ValueReader};
pub use reload::{FolderData, Live, ReloadOutcome, Reloader};
pub use suggest::{did_you_mean, expected_one_of, nearest};
