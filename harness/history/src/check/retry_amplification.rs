//! retry-amplification: a call of a client causes no more requests between parts than the experiment allows, so that retries do not keep an
//! overloaded part down.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;

pub(super) const CHECK: Check = Check {
    name: "retry-amplification",
    proves: "On every observed edge between two parts, the number of requests for each call that needs the edge is within the bound",
    blind_to: &[
        "It is a mean over the observed span, which is longer than the fault: a short burst of retries changes it only a little.",
        "The number of calls that need an edge follows from what the experiment declares for each operation.",
        "Only edges through a proxy of the harness are observed; connections are counted, not judged.",
    ],
    evidence: "Edges that requests or connections passed, and calls that need them.",
    rule: Rule::ExperimentBound(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let most = run.promises.most_amplification;
    let mut summary = Vec::new();
    for way in &run.experiment.ways {
        let name = way.name();
        if way.calls == 0 {
            summary.push(format!("no call needed `{name}`"));
            finding.doubt(format!("no call needed `{name}`"));
            continue;
        }
        // Requests of an edge that nothing passed were not counted, or took another way.
        if way.requests == 0 && way.connects == 0 {
            summary.push(format!("nothing passed `{name}`"));
            finding
                .doubt(format!("nothing passed `{name}`, although {} needed it", counted(way.calls, "call", "calls")));
            continue;
        }
        finding.judged += way.calls;
        let each = way.requests as f64 / way.calls as f64;
        let (requests, calls) = (counted(way.requests, "request", "requests"), counted(way.calls, "call", "calls"));
        summary.push(format!("`{name}`: {requests} for {calls} ({each:.2} each)"));
        if each > most {
            let what = || format!("`{name}` had {each:.2} requests for each call, at most {most} allowed");
            finding.violation(what, &[]);
        }
    }
    (!summary.is_empty()).then(|| format!("{}; at most {most} each allowed", summary.join("; ")))
}
