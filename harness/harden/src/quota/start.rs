//! Production refuses a quota that admits everything when Redis is down.

use crate::secrets::start::expect_no_start;
use harness_core::drive::hardening::{HardeningCheck, Lane, Need};
use mcp_contracts::{Service, env};

pub(crate) const OPEN_FALLBACK: HardeningCheck = HardeningCheck {
    id: "MCP-QUO-05",
    title: "in production a service does not start with a quota that admits everything while Redis is down",
    score: 5.3,
    why: "An outage of Redis, which an attacker may cause, would remove every limit.",
    sources: &["OWASP API4:2023", "OWASP API8:2023", "CWE-636"],
    needs: &[Need::Processes, Need::Service(Service::Memory)],
    how: "Starts memory in production with `RATE_LIMIT_FALLBACK=open`, which must end with an error, then with its own settings, which must start.",
    remedy: "Refuse unsafe combinations when the settings are read.",
    fix_in: &["services/kit/src/settings.rs"],
    follows: &["MCP-SEC-02"],
    lane: Lane::Alone,
    probing: |probe| {
        Box::pin(expect_no_start(probe, &[("an open fallback", &[(env::RATE_LIMIT_FALLBACK, Some("open"))])]))
    },
};
