//! Runs every agent once at the start, because the lexicon is compiled at its first use: otherwise the first request would pay for it.

use crate::agent::{self, AgentInput};
use mcp_contracts::orchestrator::AgentName;

const TEXT: &str = "2026-01-05 10:02 UTC deploy of checkout 4.1 by Ann\n10:05 ALERT: errors at 40 %, p99 2.5 s, 1,200 users\n\
    [10:07] bob: the database is full, timeouts from the payment API\n10:21 rolled back\n10:25 resolved, errors at 0 %\n\
    Went well: pairing, fast rollback.\nWent badly: builds are slow and flaky; nobody saw the alert.\n- [ ] Ann: add a disk alert by Friday\n\
    Team of 6, two weeks, remote, 60 minutes. We should write a runbook. Why did the review miss it?\n";

pub fn up() {
    for agent in AgentName::ALL {
        let input = AgentInput {
            intent: "Find out why checkout failed and plan the migration",
            text: TEXT,
            files: &[],
            role: "sre",
            memories: &[],
            static_context: true,
            pattern: Some("1. Look.\n2. Think."),
            today: jiff::civil::date(2026, 1, 5),
            execution_id: "warm",
        };
        std::hint::black_box(agent::run(agent, &input));
    }
}
