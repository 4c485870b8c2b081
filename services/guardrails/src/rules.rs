//! Rules as data: their form, reading, tests, merging and matching. Pure except for `folder`, which reads files. Knows no tool, no token,
//! and of the caller only the plan.

pub mod baseline;
mod check;
pub mod folder;
mod library;
mod model;
mod pattern;
mod read;
mod read_condition;
mod rule_tests;
mod scan;
pub mod schema;
mod set;
mod source;
mod subject;
mod words;

pub use library::{Library, Rules};
pub use model::{Case, Condition, Proofs, Rule, RuleFile, Size, SubjectKind};
pub use set::{Compiled, EffectiveRule, MAX_PLACES, RuleSet, RuleViolation};
pub use source::{MAX_RULES, Origin, Source};
pub use subject::{Subject, is_production};
