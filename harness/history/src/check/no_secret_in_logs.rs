//! no-secret-in-logs: no line of a log has a key, a token or the content of a memory, also not a line that reports a failure.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;

pub(super) const CHECK: Check = Check {
    name: "no-secret-in-logs",
    proves: "No line of the logs of the stack contains the key that signs tokens, a token, or a content that the harness wrote",
    blind_to: &[
        "It searches for these three alone, in clear text: other secrets, encoded forms, and a content cut before its mark at the end pass.",
        "It searches logs, not traces or metrics; it does not run if the logs are not on this machine, or if a server of another maker has no token of at least 8 characters.",
        "Only the log lines that the services wrote in this run are searched.",
    ],
    evidence: "At least one line of a log.",
    rule: Rule::Experiment(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    if run.experiment.logs_elsewhere {
        return None;
    }
    finding.judged = run.experiment.log_lines;
    for secret in &run.experiment.secrets {
        finding.violation(|| format!("`{}` line {} has a {}", secret.log, secret.line, secret.what), &[]);
    }
    let lines = counted(finding.judged, "line", "lines");
    Some(format!("{lines} of logs searched, {} with a secret", finding.violations))
}
