//! No name of an organisation reaches the counter of another.

use super::{charged, remaining};
use harness_core::drive::hardening::{HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::{Plan, Service};

pub(crate) const NAMES: HardeningCheck = HardeningCheck {
    id: "MCP-QUO-04",
    title: "calls of an organisation with a hostile name cost no other organisation anything",
    score: 6.5,
    why: "A name that becomes a part of a key can use up the quota of another customer, or share it.",
    sources: &["OWASP API4:2023", "OWASP API8:2023", "CWE-74"],
    needs: &[Need::Token, Need::SecondTenant, Need::Service(Service::Memory)],
    how: "Makes calls as organisations whose names extend that of a victim with separators of keys, wildcards, braces and line breaks. The victim's next call must cost exactly one. A name may also be refused.",
    remedy: "Put the name between constant texts, or hash it; refuse names with control characters.",
    fix_in: &["services/kit/src/quota/redis_link.rs", "services/kit/src/auth/reading.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(names(probe)),
};

async fn names(probe: &Probe<'_>) -> Result<(), Stop> {
    let victim = probe.user_on("ann", "victim", Plan::Free);
    let (part, call) = charged(probe, &victim)?;
    let name = victim.organisation().to_owned();
    let mut exact = 0;
    for (shown, end) in [
        (":memory", ":memory"),
        (":d1", ":d1"),
        ("}:d1", "}:d1"),
        ("{", "{"),
        ("*", "*"),
        (" and a space", " "),
        (" and a line break", "\r\n"),
        (" and NUL", "\0"),
        ("/..", "/.."),
        ("%00", "%00"),
    ] {
        let hostile = probe.user_with("eve", "victim", |grant| {
            (grant.plan, grant.organisation) = (Plan::Free, format!("{name}{end}"));
        });
        // Between two calls of the victim, as many of the other as show a shared counter.
        let before = probe.control(&part, "a call of the victim", &call).await?;
        let attacks = call.clone().bearer(&hostile.token);
        let mut last = probe.send(&part, &attacks).await;
        for _ in 0..2 {
            last = probe.send(&part, &attacks).await;
        }
        let after = probe.send(&part, &call).await;
        let (was, is) = (remaining(&before), remaining(&after));
        let cost = was.zip(is).map(|(was, is)| was.saturating_sub(is));
        exact += usize::from(was.zip(is).is_some_and(|(was, is)| is + 1 == was));
        // Another window may have begun between the two calls; then the number goes up.
        let holds = cost.is_some_and(|cost| cost <= 1);
        let shares = remaining(&last).zip(was).is_some_and(|(other, was)| last.has_result() && other < was);
        let signs = [
            ("the victim's calls cost more than one", cost.is_some_and(|cost| cost > 1)),
            ("the other organisation sees the victim's counter", shares),
        ];
        probe.judge(&part, &format!("the name of the victim{shown}"), holds, &signs, &[&before, &last, &after]);
    }
    if exact == 0 {
        // A name that gives the victim its quota back looks like a new window each time.
        probe.doubt(&part, "the counter of the victim", "no call of the victim lowered it by one");
    }
    Ok(())
}
