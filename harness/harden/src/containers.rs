//! Containers: how images are built, and with which rights and bounds containers run. The checks read the Dockerfile and the compose file.

pub(crate) mod compose;
pub(crate) mod dockerfile;
pub(crate) mod image;
mod layers;
pub(crate) mod runtime;
mod variables;

use harness_core::drive::hardening::{FileCase, Need, Probe};

const NEEDS: &[Need] = &[Need::Repository];

/// A rule about one service or stage.
struct Rule {
    what: &'static str,
    /// `None` if the file does not decide it, such as because a variable has no value in it.
    holds: Option<bool>,
    fact: &'static str,
    effect: &'static str,
    /// The words of the file that show the fact. A whole service or stage may have secrets.
    shows: String,
}

/// Judges the rules of one service or stage.
fn judge(probe: &Probe<'_>, file: &str, name: &str, rules: &[Rule]) {
    for rule in rules {
        let case = format!("{name}: {}", rule.what);
        let Some(holds) = rule.holds else {
            probe.doubt(file, &case, &format!("the file does not decide it: {}", rule.shows));
            continue;
        };
        probe.judge_file(FileCase {
            file,
            case: &case,
            holds,
            fact: rule.fact,
            effect: rule.effect,
            excerpt: &rule.shows,
        });
    }
}
