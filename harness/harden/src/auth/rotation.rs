//! Rotation of the key that signs tokens.

use crate::busy;
use harness_core::drive::hardening::{Answer, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, signed};
use mcp_contracts::{Service, env};

/// The key before the last rotation, and one that never was a key.
const PREVIOUS: &str = "the-key-before-the-rotation-of-a-hardening-check";
const NEVER: &str = "a-key-that-no-rotation-of-this-stack-ever-had-before";

pub(crate) const ROTATION: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-16",
    title: "the previous key is accepted during a rotation, no other key is, and after the rotation it is refused",
    score: 7.4,
    why: "A rotation that breaks tokens in use is put off, and one that leaves the old key valid does not end a leak.",
    sources: &["OWASP API2:2023", "OWASP MCP01:2025", "NIST SP 800-57, section 5.3", "CWE-324"],
    needs: &[Need::Key, Need::Processes, Need::Service(Service::Memory)],
    how: "Starts memory again with a previous key: a token of it must be accepted, and one of a third key must get 401. Starts memory without the previous key: its tokens must get 401, those of the current key must be accepted.",
    remedy: "Accept the keys of the settings alone, and read them at the start.",
    fix_in: &["services/kit/src/settings.rs", "services/kit/src/auth.rs"],
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(rotation(probe)),
};

async fn rotation(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let rotated = rotate(probe, &part).await;
    restart_with(probe, &part, None).await?;
    rotated
}

async fn rotate(probe: &Probe<'_>, part: &str) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let list = |token: &str| HttpRequest::tools_list().bearer(token);
    let (current, previous, never) =
        (list(&ann.token), list(&signed(&ann.claims(), PREVIOUS)), list(&signed(&ann.claims(), NEVER)));
    // If a service takes every signature, no key shows anything.
    let refused = |answer: &Answer| answer.has_status(401);
    probe.control_if(part, "another key is refused before the rotation", &never, refused).await?;
    restart_with(probe, part, Some(PREVIOUS)).await?;
    probe.control(part, "the current key during a rotation", &current).await?;
    let answer = probe.send(part, &previous).await;
    let signs = [("the status is 401", answer.has_status(401)), ("the reply has no result", !answer.has_result())];
    probe.judge(part, "the previous key during a rotation", answer.has_result(), &signs, &[&answer]);
    probe.expect_status(part, "another key during a rotation", &never, 401).await;
    restart_with(probe, part, None).await?;
    probe.control(part, "the current key after a rotation", &current).await?;
    probe.expect_status(part, "the previous key after a rotation", &previous, 401).await;
    Ok(())
}

/// Starts a part again with this previous key.
async fn restart_with(probe: &Probe<'_>, part: &str, previous: Option<&str>) -> Result<(), Stop> {
    busy::restart_with(probe, part, &[(env::JWT_SECRET_PREVIOUS, previous)]).await
}
