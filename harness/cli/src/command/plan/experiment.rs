//! Renders an experiment: which parts and edges its faults act on, and what must hold.

use harness_core::drive::experiment::Experiment;
use harness_core::plan::topology::Part;
use harness_core::plan::workload::people;
use harness_history::{Threshold, counted};

/// Returns lines with the faults and their targets, the parts that depend on the targets, and the conditions that must
/// hold.
pub(super) fn lines(experiment: &Experiment, stack: String) -> Vec<String> {
    let load = &experiment.load;
    let mix: Vec<String> = load.mix.iter().map(|(name, weight)| format!("{weight} {name}")).collect();
    let mut lines = vec![
        format!("experiment   {} ({})", experiment.name, experiment.id),
        format!("shows        {}", experiment.about),
        stack,
        format!("load         {}/s by {}", load.rate, people(load.users, load.organisations)),
        format!("mix          {}", mix.join(", ")),
    ];
    lines.extend(load.limited.iter().map(|limited| {
        let (name, limit, rate) = (&limited.organisation, limited.limit, limited.rate);
        format!("limited      `{name}` may make {} and sends {rate} a second", counted(limit, "call", "calls"))
    }));
    lines.extend(
        load.surge.iter().map(|surge| format!("surge        {} x the rate for {:?}", surge.times, surge.lasts)),
    );
    lines.extend(
        experiment.given.iter().map(|given| format!("given        {} of {}", given.file, given.service.name())),
    );
    lines.push(format!("steady       {} s", experiment.steady.as_secs()));
    lines.extend(experiment.faults.iter().map(|scheduled| {
        let again = if scheduled.times > 1 {
            format!(", {} times, one every {:?}", scheduled.times, scheduled.every)
        } else {
            String::new()
        };
        let after = if scheduled.after.is_zero() { String::new() } else { format!(" after {:?}", scheduled.after) };
        format!("fault        {} for {:?}{after}{again}", scheduled.fault.name(), scheduled.lasts)
    }));
    let hit = hit(experiment);
    lines.push(format!("hit          {}", hit.join(", ")));
    let touched = touched(experiment, &hit);
    lines.push(format!(
        "touched      {}",
        if touched.is_empty() { "no other part".to_owned() } else { touched.join(", ") }
    ));
    let (recovery, within) = (experiment.recovery.as_secs(), experiment.promises.recovery_us / 1_000);
    lines.push(format!("recovery     {recovery} s; steady again within {within} ms"));
    lines.extend(thresholds_line("before", &experiment.promises.steady));
    lines.extend(thresholds_line("during", &experiment.promises.during));
    lines.extend(thresholds_line("after", &experiment.promises.after));
    let in_force = experiment.promises.in_force_us.iter();
    lines.extend(in_force.map(|us| format!("in force     within {} ms of a change", us / 1_000)));
    lines.extend(experiment.promises.withdrawn.iter().map(|pattern| format!("withdrawn    {pattern}")));
    let remembered = experiment.remembered.iter();
    lines.extend(remembered.map(|time| format!("remembered   within {} ms of the load", time.as_millis())));
    lines.extend(experiment.required.iter().map(|check| format!("required     {check}")));
    lines
}

fn thresholds_line(when: &str, thresholds: &[Threshold]) -> Option<String> {
    let texts: Vec<String> = thresholds.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| format!("{when:<12} {}", texts.join(", ")))
}

/// Returns the parts and edges that the faults act on.
fn hit(experiment: &Experiment) -> Vec<String> {
    let mut hit: Vec<String> = experiment.faults.iter().map(|scheduled| scheduled.fault.target()).collect();
    hit.sort_unstable();
    hit.dedup();
    hit
}

/// Returns the parts that use an affected edge or call an affected part, and are not affected themselves.
fn touched<'e>(experiment: &'e Experiment, hit: &[String]) -> Vec<&'e str> {
    let is_hit = |name: &str| hit.iter().any(|hit| hit == name);
    let goes = |part: &Part, to: &str| is_hit(to) || is_hit(&format!("{} to {to}", part.name));
    let parts = experiment.topology.parts.iter().filter(|part| part.kind.serves_clients() && !is_hit(&part.name));
    parts.filter(|part| part.edges.iter().any(|edge| goes(part, &edge.to))).map(|part| part.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::{hit, touched};
    use harness_core::drive::experiment::find;

    /// The targets of a built-in experiment, and the parts that depend on them.
    fn of(name: &str) -> (Vec<String>, Vec<String>) {
        let experiment = find(name, None).unwrap_or_else(|error| panic!("{error}"));
        let hit = hit(&experiment);
        let touched = touched(&experiment, &hit).into_iter().map(str::to_owned).collect();
        (hit, touched)
    }

    #[test]
    fn targets_and_dependents_are_listed_for_every_kind_of_fault() {
        let words = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(of("guardrail-kill"), (words(&["guardrails"]), words(&["orchestrator"])));
        assert_eq!(of("verdict-late"), (words(&["orchestrator to guardrails"]), words(&["orchestrator"])));
        assert_eq!(of("redis-oom"), (words(&["redis"]), words(&["memory"])));
        assert_eq!(of("stale-pattern"), (words(&["guardrails", "patterns"]), words(&["orchestrator"])));
        for (name, ..) in harness_core::drive::experiment::BUILT_IN {
            assert!(!of(name).0.is_empty(), "{name}");
        }
    }
}
