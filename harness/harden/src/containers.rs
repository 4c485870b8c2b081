//! Containers: how images are built, and with which rights and bounds containers run. The checks read the Dockerfile and the compose file.

pub(crate) mod compose;
pub(crate) mod dockerfile;
pub(crate) mod image;
pub(crate) mod runtime;

use harness_core::drive::hardening::{FileCase, Need, Probe};

const NEEDS: &[Need] = &[Need::Repository];

/// A rule about one service or stage: whether it holds, what the file says, and what happens if it does not hold.
struct Rule<'a> {
    what: &'a str,
    holds: bool,
    fact: &'a str,
    effect: &'a str,
}

/// Judges the rules of one service or stage.
fn judge(probe: &Probe<'_>, file: &str, name: &str, excerpt: &str, rules: &[Rule<'_>]) {
    for rule in rules {
        probe.judge_file(FileCase {
            file,
            case: &format!("{name}: {}", rule.what),
            holds: rule.holds,
            fact: rule.fact,
            effect: rule.effect,
            excerpt,
        });
    }
}
