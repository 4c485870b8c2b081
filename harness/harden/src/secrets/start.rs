//! Which keys a service starts with in production.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Service, env};

type Change<'a> = (&'a str, Option<&'a str>);

pub(crate) const WEAK_KEYS: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-02",
    title: "in production a service does not start with a missing, short or guessable key",
    score: 9.1,
    why: "A key that can be guessed, or that the source publishes, signs tokens of every user.",
    sources: &["OWASP API8:2023", "OWASP MCP01:2025", "CWE-521", "CWE-1188"],
    needs: &[Need::Processes, Need::Service(Service::Memory)],
    how: "Starts memory in production without a key, with a short one, with one of a single letter, and with short keys of a rotation. Each start must end with an error. With its own key it must start.",
    remedy: "Refuse weak keys when the settings are read.",
    fix_in: &["services/kit/src/settings/own.rs", "services/kit/src/settings.rs"],
    follows: &[],
    lane: Lane::Alone,
    probing: |probe| Box::pin(expect_no_start(probe, WEAK)),
};

const WEAK: &[(&str, &[Change<'static>])] = &[
    ("no key", &[(env::JWT_SECRET, None)]),
    ("a short key", &[(env::JWT_SECRET, Some("short"))]),
    ("a key of one letter", &[(env::JWT_SECRET, Some("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))]),
    ("a short next key", &[(env::JWT_SECRET_NEXT, Some("short"))]),
    ("a short previous key", &[(env::JWT_SECRET_PREVIOUS, Some("short"))]),
];

/// Starts memory with each change of its settings, which must fail, and then with its own settings, which must succeed.
pub(crate) async fn expect_no_start(probe: &Probe<'_>, cases: &[(&str, &[Change<'_>])]) -> Result<(), Stop> {
    let (part, stage) = (probe.need(Service::Memory)?, probe.stage());
    let ann = probe.user("ann", "acme");
    let request = HttpRequest::tools_list().bearer(&ann.token);
    probe.control(&part, "a request before", &request).await?;
    let own = [
        (env::JWT_SECRET, Some(probe.key())),
        (env::JWT_SECRET_NEXT, None),
        (env::JWT_SECRET_PREVIOUS, None),
        (env::RATE_LIMIT_FALLBACK, None),
    ];
    let mut running = true;
    for (case, changes) in cases {
        if running {
            stage.end(&part).await?;
        }
        stage.reconfigure(&part, &own)?;
        stage.reconfigure(&part, changes)?;
        running = stage.start_again(&part).await.is_ok();
        let answer = probe.send(&part, &HttpRequest::bare("GET", Some("/healthz"))).await;
        let signs = [("the service started", running), ("the service answers", answer.is_success())];
        probe.judge(&part, case, !running && !answer.is_success(), &signs, &[&answer]);
    }
    if running {
        stage.end(&part).await?;
    }
    stage.reconfigure(&part, &own)?;
    stage.start_again(&part).await?;
    probe.control(&part, "a request after a start with its own settings", &request).await?;
    Ok(())
}
