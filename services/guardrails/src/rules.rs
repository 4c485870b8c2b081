//! Rules as data: how they are written, read, proved, joined and asked. Pure but for `folder`, which reads files; knows no tool, no
//! token and no caller but a plan.

pub mod baseline;
mod check;
pub mod folder;
mod library;
mod model;
mod pattern;
mod proof;
mod read;
mod read_condition;
mod scan;
pub mod schema;
mod set;
mod subject;
mod words;

pub use library::{Library, MAX_RULES, Origin, Rules, Source};
pub use model::{Case, Condition, Proofs, Rule, RuleFile, Size, SubjectKind};
pub use set::{Broken, Compiled, InForce, MAX_PLACES, RuleSet};
pub use subject::{Subject, is_production};
