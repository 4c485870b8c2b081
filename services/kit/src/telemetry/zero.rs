//! Counters that exist from the start of a service, with the value 0. Prometheus sees no increase in a counter that appears with its first event, so an
//! alert on it would miss that event, and a sum with it would have no value.

use crate::tool::ToolSet;
use mcp_contracts::{ErrorCode, Service, metric};

/// A label and the values with which the counter begins.
pub type ZeroLabel<'a> = (&'static str, &'a [&'static str]);

/// Creates a counter for each combination of the values.
pub fn zero_counters(name: &'static str, labels: &[ZeroLabel<'_>]) {
    for combination in combinations(labels) {
        metrics::counter!(name, &combination).increment(0);
    }
}

fn combinations(labels: &[ZeroLabel<'_>]) -> Vec<Vec<(&'static str, &'static str)>> {
    let mut all = vec![Vec::new()];
    for (label, values) in labels {
        let with = |value: &&'static str| -> Vec<_> {
            all.iter().map(|so_far| [so_far.as_slice(), &[(*label, *value)]].concat()).collect()
        };
        all = values.iter().flat_map(with).collect();
    }
    all
}

/// Creates the counters that every service has.
pub(crate) fn of_service(service: Service, tools: &ToolSet) {
    let service: ZeroLabel<'_> = ("service", &[service.name()]);
    let tools: Vec<&'static str> = tools.iter().map(|tool| tool.name).collect();
    let faults = ErrorCode::ALL.into_iter().filter(|code| code.is_fault()).map(ErrorCode::name);
    let outcomes: Vec<&'static str> = std::iter::once("ok").chain(faults).collect();
    zero_counters(metric::TOOL_CALLS_TOTAL, &[service, ("tool", &tools), ("outcome", &outcomes)]);
    zero_counters(metric::TOOL_PANICS_TOTAL, &[service, ("tool", &tools)]);
    zero_counters(metric::HTTP_RESPONSES_TOTAL, &[service, ("status", &["200", "500", "503"])]);
    zero_counters(metric::AUTH_REFUSED_TOTAL, &[service, ("reason", &["signature"])]);
    for name in
        [metric::RATE_LIMIT_UNVERIFIED_TOTAL, metric::RATE_LIMIT_BYPASS_TOTAL, metric::RATE_LIMIT_STATE_RESET_TOTAL]
    {
        zero_counters(name, &[service]);
    }
}

#[cfg(test)]
mod tests {
    use super::combinations;

    #[test]
    fn every_value_is_combined_with_every_other() {
        let all = combinations(&[("kind", &["a", "b"]), ("reason", &["x", "y"])]);
        let expected = [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]
            .map(|(kind, reason)| vec![("kind", kind), ("reason", reason)]);
        assert_eq!(all, expected);
        assert_eq!(combinations(&[]), [Vec::<(&str, &str)>::new()], "a counter without labels is one counter");
    }
}
