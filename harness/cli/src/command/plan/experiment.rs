//! What an experiment would do to what.

use harness_core::experiment::Experiment;
use harness_core::topology::PartKind;
use harness_history::Threshold;

/// What would be done to which parts, who else depends on them, and what must hold.
pub(super) fn lines(experiment: &Experiment, stack: String) -> Vec<String> {
    let load = &experiment.load;
    let mix: Vec<String> = load.mix.iter().map(|(name, weight)| format!("{weight} {name}")).collect();
    let mut lines = vec![
        format!("experiment   {} ({})", experiment.name, experiment.id),
        format!("shows        {}", experiment.about),
        stack,
        format!("load         {}/s by {} users of {} organisations", load.rate, load.users, load.organisations),
        format!("mix          {}", mix.join(", ")),
    ];
    lines.extend(load.limited.iter().map(|limited| {
        let (name, limit, rate) = (&limited.organisation, limited.limit, limited.rate);
        format!("limited      `{name}` may {limit} calls and asks {rate} times a second")
    }));
    lines.extend(
        load.surge.iter().map(|surge| format!("surge        {} times the rate for {:?}", surge.times, surge.lasts)),
    );
    lines.push(format!("steady       {} s", experiment.steady.as_secs()));
    lines.extend(experiment.faults.iter().map(|order| {
        let again = if order.times > 1 {
            format!(", {} times, one every {:?}", order.times, order.every)
        } else {
            String::new()
        };
        format!("fault        {} for {:?} after {:?}{again}", order.fault.name(), order.lasts, order.after)
    }));
    let hit = hit(experiment);
    lines.push(format!("hit          {}", hit.join(", ")));
    lines.push(format!("touched      {}", touched(experiment, &hit).join(", ")));
    let (recovery, within) = (experiment.recovery.as_secs(), experiment.promises.recovery_us / 1_000);
    lines.push(format!("recovery     {recovery} s; steady again within {within} ms"));
    lines.extend(held("before", &experiment.promises.steady));
    lines.extend(held("during", &experiment.promises.during));
    lines.extend(held("after", &experiment.promises.after));
    lines.extend(experiment.required.iter().map(|check| format!("must decide  {check}")));
    lines
}

fn held(when: &str, thresholds: &[Threshold]) -> Option<String> {
    let texts: Vec<String> = thresholds.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| format!("{when:<12} {}", texts.join(", ")))
}

/// The parts that a fault acts on.
fn hit(experiment: &Experiment) -> Vec<&str> {
    let mut hit: Vec<&str> = experiment.faults.iter().flat_map(|order| order.fault.parts()).collect();
    hit.sort_unstable();
    hit.dedup();
    hit
}

/// The parts that talk to one that is hit, and are not hit themselves.
fn touched<'e>(experiment: &'e Experiment, hit: &[&str]) -> Vec<&'e str> {
    let is_hit = |name: &str| hit.contains(&name);
    let parts = experiment.topology.parts.iter().filter(|part| part.kind != PartKind::Redis && !is_hit(&part.name));
    parts.filter(|part| part.edges.iter().any(|edge| is_hit(&edge.to))).map(|part| part.name.as_str()).collect()
}
