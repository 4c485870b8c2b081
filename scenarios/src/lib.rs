//! The integration scenarios. Each has its own file, and this file lists them. A scenario uses the stack only over the
//! network, and records each expectation with its result. `docs/adding-a-scenario.md` describes how to add one.

mod acknowledgement;
mod backup_under_writes;
mod clients;
mod database_upgrade;
mod drain_with_abandoned_work;
mod graceful_drain;
mod guardrail_block;
mod guardrail_exhaustion;
mod guardrail_fallback;
mod idempotent_retry;
mod key_rotation;
mod lifecycle;
mod log_flood;
mod memory_fallback;
mod memory_tools;
mod noisy_neighbour;
mod oidc;
mod patterns_fallback;
mod plan_gates;
mod quota;
mod rate_limit_concurrency;
mod rca_agent;
mod redis_fallback;
mod retro_agent;
mod rolling_restart;
mod rule_reload;
mod scopes;
mod shutdown;
mod slow_peer;
mod tenant_isolation;
mod trace_continuity;
mod trace_export;
mod unrecorded;
mod visibility_flow;

pub use harness_core::drive::scenario::{Scenario, SupportedBackends};

/// Every scenario, in the order in which they run.
pub const ALL: &[Scenario] = &[
    memory_tools::SCENARIO,
    clients::SCENARIO,
    tenant_isolation::SCENARIO,
    scopes::SCENARIO,
    plan_gates::SCENARIO,
    rule_reload::SCENARIO,
    trace_continuity::SCENARIO,
    trace_export::SCENARIO,
    idempotent_retry::SCENARIO,
    quota::SCENARIO,
    database_upgrade::SCENARIO,
    guardrail_block::SCENARIO,
    acknowledgement::SCENARIO,
    rca_agent::SCENARIO,
    retro_agent::SCENARIO,
    guardrail_fallback::SCENARIO,
    memory_fallback::SCENARIO,
    patterns_fallback::SCENARIO,
    redis_fallback::SCENARIO,
    slow_peer::SCENARIO,
    rate_limit_concurrency::SCENARIO,
    graceful_drain::SCENARIO,
    rolling_restart::SCENARIO,
    visibility_flow::SCENARIO,
    log_flood::SCENARIO,
    guardrail_exhaustion::SCENARIO,
    backup_under_writes::SCENARIO,
    drain_with_abandoned_work::SCENARIO,
    key_rotation::SCENARIO,
    oidc::SCENARIO,
    noisy_neighbour::SCENARIO,
];

pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use harness_history::check;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_required_checks_exist() {
        let mut names = HashSet::new();
        for scenario in ALL {
            assert!(names.insert(scenario.name), "`{}` is listed twice", scenario.name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(scenario.name.chars().all(plain), "`{}`", scenario.name);
            assert!(!scenario.about.ends_with('.') && !scenario.about.is_empty(), "`{}`", scenario.name);
            for required in scenario.required {
                assert!(check::standing().any(|check| check == *required), "`{required}` of `{}`", scenario.name);
            }
        }
    }

    #[test]
    fn every_topology_is_valid_and_has_the_services_of_its_fixtures() {
        for scenario in ALL {
            let topology = (scenario.topology)();
            assert_eq!(topology.problems(), Vec::<String>::new(), "`{}`", scenario.name);
            for fixture in (scenario.fixtures)() {
                assert!(topology.of(fixture.service()).next().is_some(), "`{}`", scenario.name);
            }
        }
    }
}
